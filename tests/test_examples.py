"""What README and the researchers' pages show: every example runs from an empty folder, every command is one."""

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import omg_lib as omg
from omg_lib import envs, registry
from omg_lib.__main__ import Parser, load
from omg_lib.commands import COMMANDS
from omg_lib.commands.options import given_settings

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "omg_lib/learners/README.md", "omg_lib/envs/README.md", "omg_lib/settings/README.md")
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
EXAMPLES = {page: re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) for page, text in TEXTS.items()}
RUN_ALL = "import runpy, sys\nfor path in sys.argv[1:]:\n    runpy.run_path(path, run_name='__main__')\n"
COMMAND = re.compile(r"^python -m omg_lib (.+?)$", flags=re.MULTILINE)


def commands():
    for page, text in TEXTS.items():
        for line in COMMAND.findall(re.sub(r"\\\n\s*", "", text)):
            yield pytest.param(shlex.split(line), id=f"{page}: {line[:40]}")


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if EXAMPLES[page]])
def test_the_examples_of_a_page_run_outside_the_repository(tmp_path, page):
    scripts = [f"example_{number}.py" for number, _ in enumerate(EXAMPLES[page])]
    for name, code in zip(scripts, EXAMPLES[page], strict=True):
        (tmp_path / name).write_text(code)
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *scripts], cwd=tmp_path, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    made = {path.name for path in tmp_path.iterdir()} - {*scripts}
    assert "Traceback" not in done.stderr and made == ({"runs"} if "RunFolder" in "".join(EXAMPLES[page]) else set())
    if page == "README.md":
        assert [line.split()[0] for line in done.stdout.splitlines()] == ["1", "2", "3", "[]"]


def test_every_page_is_looked_at():
    assert {page: len(found) for page, found in EXAMPLES.items() if found} == {PAGES[0]: 1, PAGES[1]: 5, PAGES[2]: 1}
    assert len(list(commands())) >= 14


@pytest.mark.parametrize("words", commands())
def test_every_command_has_its_options_and_settings(words, tmp_path, monkeypatch):
    """Parsed as it stands, with the modules that it imports; nothing is run."""
    monkeypatch.setattr(registry, "OWN", {})
    for names in (envs.ENVIRONMENTS, registry.ENVIRONMENTS):
        monkeypatch.setitem(names, "my game", None)
        monkeypatch.delitem(names, "my game")
    (tmp_path / "my_learner.py").write_text(EXAMPLES["omg_lib/learners/README.md"][0])
    game = EXAMPLES["omg_lib/envs/README.md"][0].partition("for learner in")[0].replace('"whispers"', '"my game"')
    (tmp_path / "my_game.py").write_text(game)
    (tmp_path / "settings.yaml").write_text("lr: 0.001\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("omg_lib.settings.modules.IMPORTED", [])
    for module in ("my_game", "my_learner"):  # forget it afterwards, too
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.delitem(sys.modules, module)
    importlib.invalidate_caches()
    name, *options = words
    assert name in COMMANDS
    parser, command = Parser(prog=name), load(name)
    command.add_options(parser)
    args = parser.parse_args(options)
    if hasattr(args, "words") and not getattr(args, "resume", None):
        settings = given_settings(args)
        known = {key: value for key, value in settings.items() if key not in ("teammates", "prior")}
        assert omg.OMGConfig.from_dict(known)
