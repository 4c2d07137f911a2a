"""python -m omg_lib COMMAND: reads the command line, loads the command's module, and runs it."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import signal
import site
import sys
import tempfile
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from omg_lib.commands import COMMANDS
from omg_lib.config import INTERRUPTED, ConfigError, RunError
from omg_lib.errors import printable
from omg_lib.system.places import FULL
from omg_lib.system.streams import open_streams
from omg_lib.words import N_, _, plural
from omg_lib.words import width as columns

LIBRARY = str(Path(__file__).parent)


vars(argparse).update(_=_, ngettext=plural)  # argparse asks gettext for its words: now it asks our catalogue
WORDS = (
    N_("usage: "),
    N_("positional arguments"),
    N_("options"),
    N_("show this help message and exit"),
    N_("argument %(argument_name)s: %(message)s"),
    N_("the following arguments are required: %s"),
    N_("unrecognized arguments: %s"),
    N_("expected one argument"),
    N_("expected at least one argument"),
    N_("ignored explicit argument %r"),
    N_("ambiguous option: %(option)s could match %(matches)s"),
    N_("invalid choice: %(value)r (choose from %(choices)s)"),
)
"""What argparse says of these commands, by its own wording."""


class Lines(argparse.HelpFormatter):
    """Breaks lines by columns: a Chinese character takes two."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return super()._split_lines(text, max(11, width * len(text) // columns(text)))


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def __init__(self, **named: Any) -> None:
        super().__init__(formatter_class=Lines, **named)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(_("command line"), " ".join(sys.argv[1:]), message)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 a run failed, 2 bad input, 130 interrupted."""
    open_streams()
    words = sys.argv[1:] if argv is None else argv
    try:
        return run(words)
    except ConfigError as error:
        if "--debug" in words:
            traceback.print_exc()
        print(" ".join(str(error).split())[:299], file=sys.stderr)
        return 1 if getattr(error.__context__, "errno", None) in FULL else 2
    except KeyboardInterrupt:
        print(_("interrupted"), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe went away: nothing to say, and nobody to say it to
        sys.stderr.close()
        return 1
    except Exception as error:
        print(failure(error, "--debug" in words), file=sys.stderr)
        return 1


def failure(error: Exception, debug: bool) -> str:
    """Return one line of at most 300 characters: what failed, in which line, and where the traceback was written.

    With `debug` the traceback is printed instead. The line is the last one outside the library and installed packages,
    or else the last one: most often it is in your own environment, learner or callback.
    """
    cause = error.__cause__ if isinstance(error, RunError) and error.__cause__ else error
    said = str(error) if isinstance(error, RunError) else f"{type(error).__name__}: {error}"
    lines = [(frame.filename, str(frame.lineno)) for frame in traceback.extract_tb(cause.__traceback__)]
    for note in getattr(cause, "__notes__", ()):  # the traceback in a game's own process
        lines += re.findall(r'File "(.+?)", line (\d+)', note)
    own = [line for line in lines if not line[0].startswith((LIBRARY, *site.getsitepackages(), "<"))]
    where = "".join(f" ({Path(file).name}:{number})" for file, number in (own or lines)[-1:])
    if debug:
        traceback.print_exception(error)
        written = ""
    else:
        try:
            with tempfile.NamedTemporaryFile(
                "w", prefix="omg-lab-", suffix=".txt", encoding="utf-8", errors="backslashreplace", delete=False
            ) as file:
                file.writelines(traceback.format_exception(error))
            written = _("; traceback: {name}").format(name=file.name)
        except OSError:
            written = _("; --debug prints the traceback")
    end = where + written
    failed = _("the run failed: {said}").format(said=" ".join(printable(said).split()))
    return failed[: max(40, 299 - len(end))] + end


def run(words: list[str]) -> int:
    """Parse these words and run their command."""
    parser = Parser(prog="python -m omg_lib", description=_("Shapes and training of OMG, predicted and measured."))
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    parsers = {name: commands.add_parser(name, help=_(text)) for name, text in COMMANDS.items()}
    if not words or words[0] not in COMMANDS:
        parser.parse_args(words)  # prints the help, or says what is wrong
    command = load(words[0])
    if signal.getsignal(signal.SIGINT) is interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command.add_options(parsers[words[0]])
    parsers[words[0]].add_argument("--debug", action="store_true", help=_("print the traceback of whatever fails"))
    return command.run(parser.parse_args(words))


def load(name: str) -> ModuleType:
    """The module of a command. ConfigError if a package that it needs is missing or broken."""
    try:
        return importlib.import_module(f"omg_lib.commands.{name}")
    except Exception as error:  # a broken package can raise anything
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        allowed = _("a package that it needs does not load ({said}); python -m omg_lib doctor says what to do").format(
            said=said
        )
        raise ConfigError("command", name, allowed) from None


def interrupted(*_: object) -> None:
    """Leave at once: while torch loads nothing has begun, and an exception inside it can go astray."""
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def omg_lab() -> int:
    """The console script: without a command it opens the course, otherwise it is `python -m omg_lib`."""
    signal.signal(signal.SIGINT, interrupted)
    words = sys.argv[1:]
    if not words or words[0].startswith("-") and words[0] not in ("-h", "--help"):
        words = ["lab", *words]
    return main(words)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, interrupted)
    sys.exit(main())
