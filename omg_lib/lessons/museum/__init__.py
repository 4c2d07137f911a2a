"""The failure museum: bugs in other people's multi-agent code, reproduced here, and repaired."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from omg_lib.checks import Verdict
from omg_lib.config import ConfigError, OMGConfig
from omg_lib.lessons.museum.exhibit import Exhibit, Outcome, judge_outcome, run
from omg_lib.lessons.museum.loud import LOUD
from omg_lib.lessons.museum.silent import SILENT
from omg_lib.words import _, listing

EXHIBITS = {exhibit.key: exhibit for exhibit in (*LOUD, *SILENT)}
"""Key -> exhibit: first those that stop with a message, then the silent ones."""


def exhibit(key: str) -> Exhibit:
    """Return the exhibit with this key. ConfigError if there is none."""
    if key not in EXHIBITS:
        raise ConfigError("exhibit", key, _("allowed are {names}").format(names=listing(EXHIBITS)))
    return EXHIBITS[key]


def fail(key: str, config: OMGConfig) -> Outcome:
    """Run an exhibit as it went wrong, at the sizes of this configuration.

    >>> fail("field-obs", OMGConfig(n_agents=8, batch_size=32)).numbers
    {'first size': 8, 'second size': 80, 'dimension': 3}
    """
    return run(exhibit(key), exhibit(key).wrong, config)


def repair(key: str, config: OMGConfig) -> Outcome:
    """Run an exhibit with the line that repairs it."""
    return run(exhibit(key), exhibit(key).right, config)


def found_by_shape(config: OMGConfig) -> list[str]:
    """Return the silent exhibits whose wrong result has a different shape from the right one."""
    pairs = {one.key: (fail(one.key, config), repair(one.key, config)) for one in SILENT}
    shapes = {key: [x.names[x.exhibit.result].shape for x in pair] for key, pair in pairs.items()}
    return [key for key, (broken, whole) in shapes.items() if broken != whole]


def fix(key: str, line: object, config: OMGConfig) -> Verdict:
    """Run an exhibit with another line, given as text, and judge the repair. The value of the line alone is enough.

    >>> fix("text", 'mode = "optimistic" if flag == "True" else "conservative"', OMGConfig(n_agents=2, batch_size=1))
    Repaired: with False, of 240 choices 0 take the highest value and 240 the lowest.
    """
    one = exhibit(key)
    line = line.strip() if isinstance(line, str) else line  # in a cell, the quotes are on separate lines
    known = _("names you can use: {names}").format(names=listing(one.names(config)))
    if line is ... or line == one.blank:
        return Verdict("open", _("Not answered yet: replace the dots to complete the line."), (known,))
    if not isinstance(line, str):
        return Verdict(
            "wrong",
            _("Not yet: enter the line as text; this is a {name}.").format(name=type(line).__name__),
            guess=line,
        )
    outcome = run(one, one.whole(line), config)
    verdict = judge_outcome(outcome)
    more = [known] if (outcome.message or "").startswith("NameError") else []
    if not outcome.holds:
        more += _another_shape(outcome, config)
    return replace(verdict, guess=line, axes=(*verdict.axes, *more))


def _another_shape(outcome: Outcome, config: OMGConfig) -> list[str]:
    """Return a hint if what the line assigns has a different shape from the repair."""
    name = outcome.exhibit.wrong.partition(" = ")[0]
    mine, right = outcome.names.get(name), repair(outcome.exhibit.key, config).names.get(name)
    if mine is None or not isinstance(right, Tensor) or getattr(mine, "shape", None) == right.shape:
        return []
    return [_("{name} could be {shape}").format(name=name, shape=list(right.shape))]
