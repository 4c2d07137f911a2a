"""Every option that takes a number refuses what is none in one sentence, whatever its size and script."""

import pytest

from omg_lib.__main__ import Parser, load, main
from omg_lib.commands import COMMANDS

WORDS = {
    "config", "device", "env", "figure", "html", "import", "json", "learner", "out", "preset", "prior", "resume",
    "runner", "splits", "subgoal-mode", "teammates", "trace",
}  # fmt: skip
"""Options that take names or paths; all others take a number."""
NEEDED = {
    "evaluate": ["--runs", "none"], "pretrain": ["--out", "x.safetensors"], "teammates": ["--out", "x"],
    "sweep": ["--out", "x"],
}  # fmt: skip
NONE = {
    "5000 digits": "9" * 5000, "negative": "-1", "5000 negative": "-" + "9" * 5000, "float": "1.5", "exponent": "1e3",
    "inf": "inf", "nan": "nan", "underscore": "1_000", "Arabic": "\u0663", "full width": "\uff13", "square": "\u00b2",
    "hex": "0x10", "word": "three", "empty": "", "20 digits": "9" * 20, "NUL": "3\0",
}  # fmt: skip
SHARES = {("sweep", "--gpus"): ("float", "exponent", "20 digits", "underscore", "Arabic", "full width")}
"""What an option that is no whole number may take."""


def numbers():
    for command in COMMANDS:
        parser = Parser()
        load(command).add_options(parser)
        for action in parser._actions:
            if action.nargs is None and action.option_strings[0][2:] not in WORDS:
                yield command, action.option_strings[0]


@pytest.mark.slow  # half a thousand commands
@pytest.mark.parametrize("what", NONE)
@pytest.mark.parametrize(("command", "option"), numbers())
def test_what_is_no_number_is_one_sentence(tmp_path, monkeypatch, capsys, command, option, what):
    if what in SHARES.get((command, option), ()):
        return
    monkeypatch.chdir(tmp_path)
    assert main([command, *NEEDED.get(command, []), f"{option}={NONE[what]}"]) == 2
    out, err = capsys.readouterr()
    name = option[2:].replace("-", "_")
    assert out == "" and err.count("\n") == 1 and err.startswith(f"{name}=") and len(err) <= 300, err
    assert "allow" in err and not list(tmp_path.iterdir())


def test_every_number_is_found():
    some = {("train", "--seed"), ("sweep", "--n-agents"), ("lab", "--port"), ("evaluate", "--fine-tune")}
    assert some < set(numbers())
