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
from typing import NoReturn

from omg_lib.commands import COMMANDS
from omg_lib.config import INTERRUPTED, ConfigError, RunError
from omg_lib.errors import printable
from omg_lib.system.streams import open_streams

LIBRARY = str(Path(__file__).parent)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError("command line", " ".join(sys.argv[1:]), message)


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
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
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
            written = f"; traceback: {file.name}"
        except OSError:
            written = "; --debug prints the traceback"
    end = where + written
    return f"the run failed: {' '.join(printable(said).split())}"[: max(40, 299 - len(end))] + end


def run(words: list[str]) -> int:
    """Parse these words and run their command."""
    parser = Parser(prog="python -m omg_lib", description="Shapes and training of OMG, predicted and measured.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    parsers = {name: commands.add_parser(name, help=text) for name, text in COMMANDS.items()}
    if not words or words[0] not in COMMANDS:
        parser.parse_args(words)  # prints the help, or says what is wrong
    command = load(words[0])
    if signal.getsignal(signal.SIGINT) is interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command.add_options(parsers[words[0]])
    parsers[words[0]].add_argument("--debug", action="store_true", help="print the traceback of whatever fails")
    return command.run(parser.parse_args(words))


def load(name: str) -> ModuleType:
    """The module of a command. ConfigError if a package that it needs is missing or broken."""
    try:
        return importlib.import_module(f"omg_lib.commands.{name}")
    except Exception as error:  # a broken package can raise anything
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        allowed = f"a package that it needs does not load ({said}); python -m omg_lib doctor says what to do"
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
