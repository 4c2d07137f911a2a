"""The teacher's guide quotes the grader's own sentences, and names files and options that exist."""

import re

import pytest
from grader.protection import platforms

from omg_lib import words
from tests.helpers.places import COURSE

GUIDE = (COURSE / "GUIDE.md").read_text(encoding="utf-8")
CHINESE = (COURSE / "GUIDE.zh-CN.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("language", "guide", "head"),
    [("en", GUIDE, "| system | what protects you |"), ("zh", CHINESE, "| 系统 | 有哪些保护 |")],
    ids=["en", "zh"],
)
def test_the_guide_says_of_each_system_what_the_grader_says(language, guide, head, monkeypatch):
    monkeypatch.setenv("OMG_LANG", language)
    table = guide[guide.index(head) :].split("\n\n")[0].splitlines()[2:]
    assert dict(line.strip("| ").split(" | ") for line in table) == platforms()


def test_the_chinese_guide_quotes_the_messages_and_links_to_the_english_one(monkeypatch):
    monkeypatch.setenv("OMG_LANG", "zh")
    for message in ("Not graded, so without points: {place} ({why})", "Not read: {place} ({why})"):
        start, _, _ = words._(message).partition("：")
        assert f"“{start}”开头" in CHINESE and f"`{message.partition(' {')[0]} ...`" in GUIDE
    assert "](GUIDE.zh-CN.md)" in GUIDE.split("\n\n")[1] and "](GUIDE.md)" in CHINESE.split("\n\n")[1]


def test_the_guide_names_files_and_options_that_exist():
    files = set(re.findall(r"`(grader/[\w.]+)`", GUIDE))
    files.remove("grader/aN.py")  # for an assignment that is to come
    assert len(files) > 2 and [name for name in sorted(files) if not (COURSE / name).is_file()] == []
    preprocessor = (COURSE / "grader" / "preprocessor.py").read_text(encoding="utf-8")
    options = set(re.findall(r"GradeAnswers\.(\w+)", GUIDE))
    assert {"python", "seconds", "seed"} <= options
    assert all(re.search(rf"^    {name} = ", preprocessor, re.MULTILINE) for name in options)
