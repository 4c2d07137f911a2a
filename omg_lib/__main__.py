"""python -m omg_lib COMMAND: reads the command line, loads the command's module, and runs it."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from types import ModuleType
from typing import NoReturn

from omg_lib.commands import COMMANDS
from omg_lib.config import INTERRUPTED, ConfigError, RunError
from omg_lib.system.streams import open_streams


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError("command line", " ".join(sys.argv[1:]), message)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 a run failed, 2 bad input, 130 interrupted."""
    open_streams()
    try:
        return run(sys.argv[1:] if argv is None else argv)
    except ConfigError as error:
        print(" ".join(str(error).split())[:299], file=sys.stderr)
        return 2
    except RunError as error:
        print(f"the run failed: {error}"[:299], file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe went away: nothing to say, and nobody to say it to
        sys.stderr.close()
        return 1
    except Exception as error:
        print(f"the run failed: {type(error).__name__}: {' '.join(str(error).split())}"[:299], file=sys.stderr)
        return 1


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
    """The console script: without words it opens the course, otherwise it is `python -m omg_lib`."""
    signal.signal(signal.SIGINT, interrupted)
    return main(sys.argv[1:] or ["lab"])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, interrupted)
    sys.exit(main())
