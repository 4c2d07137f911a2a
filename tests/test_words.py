"""The language: where it comes from, what happens without a catalogue, and that only words depend on it."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from omg_lib import words

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "omg_lib").rglob("*.py"), *(ROOT / "notebooks/assignments/grader").glob("*.py")])


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No language is set, and nothing was said or read before."""
    for name in ("OMG_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    caches = (words._edition, words._known, words._languages, words._catalogue, words.say)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize(
    ("set_to", "edition", "expected"),
    [
        ({}, None, "en"),
        ({"LANG": "zh_CN.UTF-8"}, None, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, None, "en"),
        ({"LANG": "C", "LC_MESSAGES": "zh_CN.UTF-8"}, None, "zh_CN"),
        ({"LANG": "fr_FR.UTF-8"}, None, "en"),
        ({"LANG": "en_GB.UTF-8"}, "zh_CN", "zh_CN"),
        ({"OMG_LANG": "zh"}, None, "zh_CN"),
        ({"OMG_LANG": "zh-CN", "LANG": "en_GB"}, None, "zh_CN"),
        ({"OMG_LANG": "en", "LANG": "zh_CN"}, "zh_CN", "en"),
    ],
)
def test_where_the_language_comes_from(monkeypatch, capsys, set_to, edition, expected):
    """OMG_LANG, else the notebook's edition, else the system; English otherwise, and silently."""
    for name, value in set_to.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(words, "_edition", lambda: edition)
    assert words.language() == expected
    assert capsys.readouterr().err == ""


def test_an_unknown_language_is_english_and_says_so_once(monkeypatch, capsys):
    monkeypatch.setenv("OMG_LANG", "xx\x1b[31m" + "y" * 200)
    assert words._("Run") == words._("Run") == "Run"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("OMG_LANG='xx\\x1b") and "allowed are en, zh_CN" in line and len(line) < 200


@pytest.mark.parametrize("damage", [b"", b"no catalogue", "cut"])
def test_a_damaged_catalogue_is_english_and_says_so_once(monkeypatch, capsys, tmp_path, damage):
    whole = (words.LOCALE / "zh_CN/LC_MESSAGES/omg_lib.mo").read_bytes()
    path = tmp_path / "zh_CN/LC_MESSAGES/omg_lib.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else damage)
    monkeypatch.setattr(words, "LOCALE", tmp_path)
    monkeypatch.setenv("OMG_LANG", "zh_CN")
    assert words._("Run") == words._("Run") == "Run"
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_missing_catalogue_is_english(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(words, "LOCALE", tmp_path)
    monkeypatch.setenv("OMG_LANG", "zh_CN")
    assert words._("Run") == "Run" and len(capsys.readouterr().err.splitlines()) == 1


def test_messages_and_plurals(monkeypatch):
    assert words._("") == "" and words.plural("{n} core", "{n} cores", 2) == "{n} cores"
    monkeypatch.setenv("OMG_LANG", "zh_CN")
    assert words._("Run") == "运行" and words._("") == "" and words._("no message") == "no message"
    assert words.plural("{n} core", "{n} cores", 1) == words.plural("{n} core", "{n} cores", 2) == "{n} 个核"


def test_columns():
    assert words.width("轴 A") == 4 and words.padded("轴", 4) == "轴  " and words.padded("axis", 2) == "axis"


def test_what_is_at_hand_may_be_of_another_edition(monkeypatch):
    """As a submission that the grader reads, or a page of the book."""
    monkeypatch.setenv("OMG_LANG", "en")
    with words.speaking("zh_CN"):
        assert words._("Run") == "运行"
        with words.speaking("en"):
            assert words._("Run") == "Run"
    with words.speaking(None):
        assert words._("Run") == "Run"


@pytest.mark.parametrize("folder", ["zh", "elsewhere", "zh/assignments/a1", "elsewhere/assignments/a1"])
def test_a_notebook_tells_its_edition_by_its_folder(tmp_path, folder):
    """A kernel starts in the folder of its notebook; changing the folder later changes nothing."""
    here = tmp_path / folder
    here.mkdir(parents=True)
    (tmp_path / Path(folder).parts[0] / words.FIRST).touch()
    said = "import os, omg_lib.words as w; w.language(); os.chdir('/'); print(w.language())"
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OMG_LANG", "LC_", "LANG"))}
    run = subprocess.run(
        [sys.executable, "-c", said], cwd=here, env=plain | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert run.stdout.strip() == ("zh_CN" if "zh" in here.parts else "en"), run.stderr


def bound(function: ast.AST) -> bool:
    """Whether a function binds the name `_`, which then no longer is the one that translates."""
    own = [n for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.id == "_"]
    inner = [n for part in ast.walk(function) if isinstance(part, ast.comprehension) for n in ast.walk(part.target)]
    return any(name not in inner for name in own)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_that_translates_binds_its_name(path):
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef) and bound(function):
            called = [call.lineno for call in ast.walk(function) if isinstance(call, ast.Call) and calls(call, "_")]
            assert not called, f"{path.name}:{called}: `_` is bound in {function.name}; write __ for what is not used"


def calls(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_marked_message_is_one_that_babel_finds(path):
    """`_(f"...")`, `_("..." if x else "...")` and a mark inside an f-string would never be translated."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = [call for text in ast.walk(tree) if isinstance(text, ast.JoinedStr) for call in ast.walk(text)]
    lost = [
        c.lineno for c in inside if isinstance(c, ast.Call) and calls(c, "_") and isinstance(c.args[0], ast.Constant)
    ]
    assert not lost, f"{path.name}:{lost}: babel reads nothing inside an f-string"
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and any(calls(call, name) for name in ("_", "N_", "drawn", "plural")):
            kinds = [type(x) for x in ast.walk(call.args[0]) if isinstance(x, (ast.JoinedStr, ast.IfExp))]
            literal = isinstance(call.args[0], ast.IfExp) and any(
                isinstance(x, ast.Constant) for x in (call.args[0].body, call.args[0].orelse)
            )
            assert ast.JoinedStr not in kinds and not literal, f"{path.name}:{call.lineno}"


SAYS = set("print say fault refuse lost Left warn ConfigError RunError RefusedError GameLost".split())
SENTENCE = re.compile(r"[A-Za-z]{2,}\W+[a-z]{2,}")


def spoken(call: ast.Call) -> Iterator[ast.AST]:
    """Yield the literals that a call says to people, without those that a mark translates or that only join others."""
    waiting = [*call.args, *(keyword.value for keyword in call.keywords)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            waiting += [] if isinstance(node.func, ast.Name) else [node.func.value]  # of "...".format(...)
        elif isinstance(node, (ast.Constant, ast.JoinedStr)):
            yield node
        else:
            waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_said_to_people_is_marked(path):
    """No sentence reaches a terminal or an error for users except through the catalogues."""
    found = []
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in SAYS:
            for node in spoken(call):
                parts = node.values if isinstance(node, ast.JoinedStr) else [node]
                text = "x".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
                found += [f"{node.lineno}: {text}"] if SENTENCE.search(text) else []
    assert not found or path == Path(words.__file__), found  # words.py says what is wrong with the languages


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_lists_in_messages_are_joined_by_the_catalogue(path):
    """`", ".join(...)` as a part of a message would put half-width commas between Chinese words: `listing` does not."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "format":
            inside = [node for keyword in call.keywords for node in ast.walk(keyword.value)]
            glued = [n.lineno for n in inside if isinstance(n, ast.Call) and ast.unparse(n.func) in GLUE]
            assert not glued, f"{path.name}:{glued}"


GLUE = {f"'{mark}'.join" for mark in words.MARKS}


def test_every_message_is_formatted_with_the_names_that_it_has():
    """`_("... {name} ...").format(...)`: no placeholder without a value, and none too many."""
    for path in MODULES:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "format"):
                continue
            made = call.func.value
            if isinstance(made, ast.Call) and any(calls(made, name) for name in ("_", "drawn", "plural")):
                texts = [x.value for x in made.args if isinstance(x, ast.Constant)]
                given = {keyword.arg for keyword in call.keywords}
                if texts and not call.args and None not in given:
                    wanted = {name for _, name, _, _ in Formatter().parse(texts[-1]) if name is not None}
                    assert wanted == given, f"{path.name}:{call.lineno}"
