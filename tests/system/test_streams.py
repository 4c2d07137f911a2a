"""A command can print all its output on every console."""

import io
import sys

from omg_lib.__main__ import main
from omg_lib.system.streams import open_streams


def test_a_character_that_a_console_lacks_ends_nothing(monkeypatch):
    for name in ("stdout", "stderr"):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, encoding="cp1252", write_through=True))
        open_streams()
        print("王 é", file=getattr(sys, name))
        assert raw.getvalue().decode("cp1252") == "\\u738b é\n"


def test_closed_streams_lead_nowhere(monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    open_streams()
    print("nobody reads this", file=sys.stdout)
    assert sys.stdin.read() == ""
    for name in ("stdin", "stdout", "stderr"):
        getattr(sys, name).close()


def test_every_command_opens_its_streams(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii", errors="strict", write_through=True))
    assert main(["shapes", "--env", "王"]) == 2
    assert "env='\\u738b'" in raw.getvalue().decode("ascii")
