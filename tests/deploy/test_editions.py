"""Editions in other languages: complete, up to date, consistent, and the notebooks that their texts make."""

import nbformat
import pytest
from nbclient import NotebookClient

from deploy.editions import cells, messages, readme, rules, texts
from deploy.editions.__main__ import everything, faults, main, todo
from deploy.editions.notebooks import ASSIGNMENTS, course, deeper, english, sources, translated

(ZH,) = texts.EDITIONS
NAMES = [path.stem for path in course()]
whole = pytest.mark.skipif(not (ASSIGNMENTS / "source").exists(), reason="a students' copy lacks the teacher's texts")


@pytest.mark.slow
@whole
def test_every_edition_is_complete_and_up_to_date():
    """No cell without a text, no text of an older cell, none that breaks a rule, no notebook that differs."""
    assert len(NAMES) >= 14
    assert [fault for edition in texts.EDITIONS for fault in faults(edition)] == []


@pytest.mark.slow
@whole
def test_the_command_says_so(capsys):
    assert main(["check"]) == 0 and capsys.readouterr().out == "Every cell and every message has its translation.\n"
    assert main(["todo", NAMES[0]]) == 0 and not capsys.readouterr().out.strip()
    for wrong in (["make", "everything"], ["todo", "nothing"]):
        assert main(wrong) == 2 and "allowed are" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_code_does_the_same(name):
    """Code cells differ in comments and shown words only, at the same ids."""
    ours, theirs = english(texts.NOTEBOOKS / f"{name}.ipynb"), english(ZH.notebooks / f"{name}.ipynb")
    assert [cell.id for cell in ours.cells] == [cell.id for cell in theirs.cells]
    for one, other in zip(ours.cells, theirs.cells, strict=True):
        if one.cell_type == "code" and not one.source.startswith("%"):
            source = other.source.replace('"../../', '"../')
            assert cells.code_without_words(one.source) == cells.code_without_words(source), one.id
        assert not other.get("outputs")


MARKDOWN = "Take `obs` of 32 groups in the *runner*: see [notebook 1](01_x.ipynb) and $x^2$."
RIGHT = "取运行器里 32 个组的 `obs`：见[笔记本 1](01_x.ipynb) 和 $x^2$。"
WORDS = {"runner": ["运行器"], "group": ["组"]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("`obs`", "`state`"), "missing are '`obs`'"),
        (("32", "23"), "added are '23'"),
        (("01_x", "02_x"), "missing are '01_x.ipynb'"),
        (("$x^2$", "$x^3$"), "missing are '$x^2$'"),
        (("运行器", "跑步者"), "the glossary renders 'runner' as 运行器"),
        (("运行器里", "运行器里,"), "half-width punctuation"),
        (("的 `obs`", "的`obs`"), "no space between Chinese and Latin"),
        (("。", "， 好。"), "a space beside full-width punctuation"),
        (("取运行器", "**注意：**取运行器"), "does not close this emphasis"),
    ],
)
def test_a_translation_that_breaks_a_rule(change, said):
    assert list(rules.text_faults(MARKDOWN, RIGHT, WORDS)) == []
    found = list(rules.text_faults(MARKDOWN, RIGHT.replace(*change), WORDS))
    assert any(said in fault for fault in found), found


def notebook(*sources):
    kinds = {"m": nbformat.v4.new_markdown_cell, "c": nbformat.v4.new_code_cell}
    return nbformat.v4.new_notebook(
        cells=[kinds[kind](source, id=f"cell-{i}") for i, (kind, source) in enumerate(sources)]
    )


def test_old_missing_and_unknown_sections():
    made = notebook(("m", "One."), ("m", "Two."), ("c", 'print("two words", 3)'))
    sections = {
        "cell-0": texts.Section("00000000", "一。"),
        "cell-2": texts.Section(texts.digest('print("two words", 3)'), 'print("两个词", 4)'),
        "gone": texts.Section("00000000", "无。"),
    }
    assert list(rules.faults(made, sections, ZH)) == [
        f"cell-0: it translates an older text; the new digest is {texts.digest('One.')}",
        "cell-1: there is no translation",
        "cell-2: the code differs in more than comments and shown words",
        "gone: no cell has this id",
    ]


def test_words_in_a_condition_and_in_a_docstring_are_words_too():
    for source in ('print("two words" if x else "")', 'def f():\n    """Two words."""'):
        assert cells.needs_text(source)
        other = source.replace("wo words", "两个词")
        assert cells.code_without_words(source) == cells.code_without_words(other)
    assert not cells.needs_text('x = "two words" if y else ""')


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('print("seats:", x["seat"])', ["seats:"]),
        ('print(f"{a:8} reaches {b} of {c}")', [" reaches ", " of "]),
        ('print("  ".join(f"seat {a}: {b}" for a in x))', ["seat "]),
        ('y = "  ".join(f"seat {a}" for a in x)\nprint(f"{y}")', ["seat "]),
        ('n, who = 3, "with teammates" if x else ""\nprint(f"{n} {who}")', ["with teammates"]),
        ("print(f\"{'the mean':16} {x}\")", ["the mean"]),
        ('who = ["learner" if s else n[s] for s in x]\nprint(who)', ["learner"]),
        ('text = "The memory"\nfigure_svg(drawing, text)', ["The memory"]),
        ('print("seat", x, "of", y)', ["seat", "of"]),
        ('print("obs", list(x["obs"].shape), " done", done, f"loss {loss:.2f}")', []),
        ('print("max_t", n, "KL [G, T] =", kl, x["two words"], choose("optimistic"))', []),
        ('x = [x, "words"]\nprint(x)', ["words"]),
    ],
)
def test_printed_words_are_found_and_names_before_their_values_are_not(source, said):
    assert cells.said(source) == said and cells.needs_text(source) == bool(said)
    other = source
    for word in said:
        other = other.replace(word, "词")
    assert cells.code_without_words(other) == cells.code_without_words(source) and cells.said(other) == []


def test_a_printed_word_that_is_still_english_is_told():
    source = 'print("seat", a, "of", b, "x", x)'
    made = notebook(("c", source))
    for text, left in ((source, ["'seat'", "'of'"]), (source.replace("seat", "座位").replace("of", "/"), [])):
        sections = {"cell-0": texts.Section(texts.digest(source), text)}
        assert list(rules.faults(made, sections, ZH)) == [f"cell-0: {word} is still English" for word in left]


def test_texts_are_read_as_they_are_written(tmp_path):
    sections = {name: texts.Section(texts.digest(name), f"# {name}\n\n文字。") for name in ("one", "two")}
    path = tmp_path / "x.md"
    path.write_text(texts.written(sections), encoding="utf-8")
    assert texts.read(path) == sections and texts.read(tmp_path / "none.md") == {}
    path.write_text("text\n" + texts.written(sections), encoding="utf-8")
    with pytest.raises(ValueError, match="text before the first"):
        texts.read(path)
    path.write_text(texts.written(sections) * 2, encoding="utf-8")
    with pytest.raises(ValueError, match="two sections for the cell one"):
        texts.read(path)


def test_links_lead_to_the_same_places():
    made = notebook(
        ("m", "[1](01_x.ipynb) [g](glossary.md) [out](https://a.b/c) ![p](images/p.png) [zh](zh/00_x.ipynb)")
    )
    (cell,) = nbformat.reads(translated(made, {}, ZH), 4).cells
    assert cell.source == (
        "[1](01_x.ipynb) [g](../glossary.md) [out](https://a.b/c) ![p](../images/p.png) [zh](../00_x.ipynb)"
    )
    assert deeper("../data/results/report.md", ZH) == "../../data/results/report.md"
    for path in sorted(ZH.notebooks.glob("*.ipynb")):
        for cell in english(path).cells:
            for target in cells.LINK.findall(cells.SPANS.sub("", cell.source)) if cell.cell_type == "markdown" else []:
                assert "://" in target or (path.parent / target.partition("#")[0]).exists(), f"{path.name}: {target}"


def test_what_is_left_to_translate_names_its_digest():
    assert set(everything(ZH)) == {path.stem for path in sources()} > {"00_start_here"}
    assert todo(sources()[0]).strip() == ""


@pytest.mark.notebook
def test_an_edition_runs_and_finds_its_data(monkeypatch):
    """The notebook of the recorded experiment, which reads data/ from one folder below."""
    path = ZH.notebooks / "09_unseen_teammates.ipynb"
    monkeypatch.setenv("OMG_FAST", "1")
    NotebookClient(english(path), timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()


def test_readme_is_translated_section_by_section(monkeypatch, tmp_path):
    """An older section, a missing one and a changed command are told."""
    changed, path = tmp_path / "README.md", readme.path_of(ZH, readme.SOURCES[0])
    changed.write_text(readme.SOURCES[0].read_text(encoding="utf-8").replace("make lab\n", "make room\n", 1), "utf-8")
    monkeypatch.setattr(readme, "path_of", lambda *_: path)
    first, *others = readme.faults(ZH, changed)
    assert "start: it translates an older text; the new digest is" in first
    assert any("make room" in fault for fault in others)
    assert [path.name for path in readme.SOURCES] == ["README.md", "GUIDE.md", "FOR_STUDENTS.md"]
    changed.write_text("# OMG Lab\n\n## Start\n", encoding="utf-8")
    (one,) = readme.faults(ZH, changed)
    assert one.endswith("README.md has omg-lab, start")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no translation"),
        ("还不对：{all} 个数中有 {m} 个错了，见 `n_agents`。", "['{m}', '{n}'] must be the same in both"),
        ("还不对：{all} 个数中有 {n} 个错了，见 `n_agent`。", "['n_agent', 'n_agents'] must be the same in both"),
        ("还不对:{all} 个数中有 {n} 个错了，见 `n_agents`。", "half-width punctuation"),
        ("还不对：{all} 个数中有 {n} 个错了，见 `n_agents`、3。", "added are '3'"),
    ],
)
def test_a_message_that_breaks_a_rule(text, said):
    english = "Not yet: {n} of {all} numbers are wrong, see `n_agents`."
    right = messages.Message(english, "还不对：{all} 个数中有 {n} 个错了，见 `n_agents`。")
    assert list(messages.message_faults(right, WORDS)) == []
    found = list(messages.message_faults(messages.Message(english, text), WORDS))
    assert any(said in fault for fault in found), found


@pytest.mark.slow
@whole
def test_a_fuzzy_message_and_one_that_is_new_or_gone(monkeypatch):
    """`messages` adds what is new without a translation and drops what is gone; `check` names both."""
    fuzzy = messages.Message("Run", "运行", flags={"fuzzy"})
    assert list(messages.message_faults(fuzzy, WORDS)) == ["the translation is marked as fuzzy"]
    now = messages.extracted()
    assert len(now) > 1000
    assert {"loss, a planted reward", "this run"} <= now, "names on the figures of notebooks"
    monkeypatch.setattr(messages, "extracted", lambda: now - {"Run"} | {"Walk"})
    found = list(messages.faults(ZH))
    assert len(found) == 2 and "'Walk' is not in the catalogue" in found[0] and "'Run' is in" in found[1]
    made = messages.updated(ZH)
    assert "Run" not in made and not made["Walk"].string and made["Stop"].string == "停止"
