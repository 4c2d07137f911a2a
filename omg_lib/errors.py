"""The errors, each in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from omg_lib.words import _, listing

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended."""


def printable(said: str) -> str:
    """Return a sentence, which may quote a file's names or contents, without characters that a terminal acts on."""
    return "".join(c if c.isprintable() else " " for c in said)


class ConfigError(ValueError):
    """Bad input, in one sentence: the name, the value, what is allowed."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        try:
            shown = repr(value)
        except ValueError:  # a whole number with more digits than Python writes
            shown = hex(value)  # type: ignore[arg-type]
        shown = shown if len(shown) <= 180 else shown[:90] + "..." + shown[-87:]
        super().__init__(printable(f"{name}={shown}: {allowed}"))
        self._parts = (name, value, allowed)
        self.name, self.allowed = name, allowed

    def __reduce__(self) -> tuple:  # by default an exception is rebuilt from its message alone
        return type(self), self._parts


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a question that suggests the known name nearest to this one, or "" if none is near."""
    near = difflib.get_close_matches(str(name)[:80], known, 1)
    return _("did you mean {near}? ").format(near=near[0]) if near else ""


def check_choice(name: str, value: object, choices: tuple) -> None:
    """Raise ConfigError unless the value is one of the choices."""
    if value not in choices:
        raise ConfigError(name, value, _("allowed are {names}").format(names=listing(choices)))


class RunError(RuntimeError):
    """A run that cannot continue, in one sentence: what happened and what is saved."""

    def __init__(self, said: str) -> None:
        super().__init__(printable(said))
