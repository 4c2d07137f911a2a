"""SECURITY.md: each promise names tests that exist and do test something, and says where it ends."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| promise")
]
TESTS = sorted(set(re.findall(r"`(tests/[\w/.]+)`", " ".join(row[1] for row in ROWS))))

pytestmark = pytest.mark.skipif(
    not (ROOT / "tests" / "assignments").is_dir(), reason="a students' copy has no tests of the grader"
)


def test_each_row_has_a_promise_its_tests_and_its_limit():
    assert len(ROWS) >= 18 and all(len(row) == 3 and all(row) for row in ROWS)
    for promise, tests, _ in ROWS:
        assert re.fullmatch(r"`tests/[\w/]+\.py`(, `tests/[\w/]+\.py`)*", tests), promise


@pytest.mark.parametrize("name", TESTS)
def test_a_named_file_holds_tests(name):
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    assert any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in tree.body)


def test_every_file_named_elsewhere_in_the_text_exists():
    named = set(re.findall(r"\b(?:tests|notebooks|deploy)/[\w/.]*\w", TEXT))
    assert named >= set(TESTS) and [name for name in sorted(named) if not (ROOT / name).exists()] == []
