"""`lab`, and `omg-lab` without a command: lay the course out, and open it in JupyterLab."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from omg_lib.config import ConfigError
from omg_lib.course import course_folder, lay, ready
from omg_lib.course.jupyter import command, environment, own_folder
from omg_lib.settings.words import WHOLE
from omg_lib.words import _


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", help=_("default: the first free one from 8888"))
    parser.add_argument("--no-browser", action="store_true", help=_("only print the address"))


def run(args: argparse.Namespace) -> int:
    """Open the course; return when JupyterLab ends (on Linux and macOS, JupyterLab replaces this process)."""
    port = None if args.port is None else free_port(args.port)
    course = course_folder(Path.cwd())
    for sentence in lay(course):
        say(sentence)
    own = own_folder()
    words = command(ready(own, say), course, port, not args.no_browser)
    say(_("Opening JupyterLab; press Ctrl-C here to stop it."))
    os.chdir(own)  # JupyterLab imports modules and reads settings from where it is started
    if os.name == "posix":
        os.execve(words[0], words, environment(own))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is JupyterLab's
    return subprocess.run(words, env=environment(own)).returncode


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def free_port(text: str) -> int:
    """Return the port. ConfigError if it is not a port, or is in use."""
    port = int(text) if WHOLE.fullmatch(text) else 0
    if not 1 <= port <= 65535:
        raise ConfigError("port", text, _("allowed is a whole number from 1 to 65535"))
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            allowed = _("is in use, or not yours to use; choose another, or leave --port out")
            raise ConfigError("port", port, allowed) from None
    return port
