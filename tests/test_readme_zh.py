"""README.zh-CN.md mirrors README.md: everything except prose is the same, section by section.

A failure names the section (by its English heading) and the difference: it shows what to change in the other file.
"""

import difflib
import re
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DIGEST = re.compile(r"^<!-- [\w-]+ [0-9a-f]{8} -->\n", re.M)
"""What the translator's tool keeps before each section; `deploy.editions check` reads it."""


def text_of(name: str) -> str:
    """Return a README without digests; a link to a notebook in Chinese is one to the notebook."""
    text = DIGEST.sub("", (ROOT / name).read_text(encoding="utf-8"))
    return text.replace("](notebooks/zh/", "](notebooks/")


FILES = {name: text_of(name) for name in ("README.md", "README.zh-CN.md")}
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)


def sections(text: str) -> list[tuple[str, str]]:
    """Return (heading, body) in order; a # inside a code block is not a heading."""
    blank = FENCE.sub(lambda block: re.sub(r"^#", " ", block[0], flags=re.M), text)
    starts = [match.start() for match in re.finditer(r"^#+ ", blank, re.M)]
    bodies = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return [(body.split("\n", 1)[0], body.split("\n", 1)[1]) for body in bodies]


ENGLISH, CHINESE = (sections(text) for text in FILES.values())
PAIRS = [pytest.param(one[1], other[1], id=one[0].lstrip("# ")) for one, other in zip(ENGLISH, CHINESE, strict=False)]


def prose(body: str) -> str:
    return FENCE.sub("", body)


def spans(text: str) -> list[str]:
    """Return inline code, sorted: word order differs between languages."""
    return sorted(re.findall(r"`([^`\n]+)`", text))


def tables(body: str) -> list[list[list[str]]]:
    """Tables, rows, cells."""
    blocks = re.findall(r"(?:^\|.*\n)+", prose(body), re.M)
    return [[re.split(r" \| ", row.strip("| ")) for row in block.splitlines()] for block in blocks]


def test_each_leads_to_the_other_at_the_top():
    assert "[简体中文](README.zh-CN.md)" in FILES["README.md"].split("\n## ")[0]
    assert "[English](README.md)" in FILES["README.zh-CN.md"].split("\n## ")[0]


def test_headings_correspond():
    levels = [[heading.split(" ")[0] for heading, _ in one] for one in (ENGLISH, CHINESE)]
    nothing = ("-", "")
    beside = [f"{one}  |  {other}" for (one, _), (other, _) in zip_longest(ENGLISH, CHINESE, fillvalue=nothing)]
    assert levels[0] == levels[1], "side by side:\n" + "\n".join(beside)
    untranslated = [heading for heading, _ in CHINESE[1:] if not re.search(r"[\u4e00-\u9fff]", heading)]
    assert untranslated == []


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_code_blocks_are_the_same(english, chinese):
    blocks = [FENCE.findall(body) for body in (english, chinese)]
    for number, (one, other) in enumerate(zip_longest(*blocks, fillvalue=""), start=1):
        diff = difflib.unified_diff(one.splitlines(), other.splitlines(), *FILES, lineterm="")
        assert one == other, f"code block {number} of this section differs:\n" + "\n".join(diff)


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_tables_have_the_same_rows(english, chinese):
    ours, theirs = tables(english), tables(chinese)
    assert [len(table) for table in ours] == [len(table) for table in theirs], "rows of each table of this section"
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True), start=1):
        for row, same in zip(one, other, strict=True):
            where = f"table {number}, row {' | '.join(row)!r}"
            assert len(row) == len(same), f"{where}: columns"
            for cell, twin in zip(row, same, strict=True):
                assert spans(cell) == spans(twin), f"{where}: code"
                assert re.findall(r"\]\(([^)]+)\)", cell) == re.findall(r"\]\(([^)]+)\)", twin), f"{where}: file names"
                assert not cell.isdigit() or cell == twin, f"{where}: minutes"


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_links_pictures_and_inline_code_are_the_same(english, chinese):
    links = [re.findall(r"\]\(([^)]+)\)", prose(body)) for body in (english, chinese)]
    one, other = ([link for link in found if not link.startswith("README")] for found in links)
    assert one == other, "links of this section, in order"
    ours, theirs = spans(prose(english)), spans(prose(chinese))
    missing, extra = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
    assert ours == theirs, f"inline code: missing in Chinese {missing}, only in Chinese {extra}"


def test_every_paragraph_is_in_chinese():
    for _, body in CHINESE:
        for paragraph in prose(body).split("\n\n"):
            if paragraph.strip():
                assert re.search(r"[\u4e00-\u9fff]", paragraph), paragraph


def test_a_change_on_one_side_is_found():
    changed = FILES["README.md"].replace("make lab\nmake test", "make lab\nmake tests")
    (_, before), (_, after) = ENGLISH[1], sections(changed)[1]
    with pytest.raises(AssertionError, match=r"(?s)code block 1 of this section differs.*-make tests"):
        test_code_blocks_are_the_same(after, before)
