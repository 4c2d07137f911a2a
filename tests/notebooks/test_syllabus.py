"""The syllabus agrees with the notebooks, the README and itself."""

import json
import re
from pathlib import Path

import pytest

from tests.helpers.minutes import TIMED, load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
TEXT = (FOLDER / "SYLLABUS.md").read_text(encoding="utf-8")
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def table(head: str, text: str = TEXT) -> list[list[str]]:
    """Return the rows of the table whose heading begins with this."""
    lines = text[text.index(f"\n| {head}") + 1 :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def minutes_of(rows: list[list[str]]) -> dict[str, int]:
    """Return notebook -> minutes, from rows that begin with a link and the minutes."""
    return {re.match(r"\[(\w+)\]", row[0])[1]: int(row[1]) for row in rows}


def cells(name: str) -> list[dict]:
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


NEEDS = table("notebook | minutes | GPU")
README = minutes_of(
    table("notebook | minutes | what you can do afterwards", (ROOT / "README.md").read_text(encoding="utf-8"))
)


def test_every_notebook_is_listed_with_the_minutes_of_the_readme():
    assert list(minutes_of(NEEDS)) == NAMES
    assert minutes_of(NEEDS) == README
    assert [row[0] for row in NEEDS] == [f"[{name}]({name}.ipynb)" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_says_the_same_minutes_itself(name):
    assert f"*About {README[name]} minutes." in "".join(cells(name)[0]["source"])


@pytest.mark.parametrize("name", NAMES)
def test_the_minutes_are_what_its_words_and_actions_take(name):
    """Rounded to five. The failure gives the new number."""
    needed = load(f"{name}.ipynb").minutes
    assert README[name] % 5 == 0 and -3 <= README[name] - needed <= 5, f"{name} takes about {needed:.0f} minutes"


@pytest.mark.parametrize(("read", "minutes"), TIMED)
def test_the_paces_give_the_times_that_were_taken(read, minutes):
    assert abs(read.minutes - minutes) < 2.5, read


def test_words_and_actions_are_counted():
    first, museum = load("00_start_here.ipynb"), load("12_failure_museum.ipynb")
    assert (first.answers, first.panels, first.folded) == (3, 1, 1) and 1000 < first.words < 1600
    assert museum.panels == 0 and museum.answers > 20


def test_who_reads_recorded_data_is_said():
    reads = {name: "../data" in json.dumps(cells(name)) for name in NAMES}
    said = {name: row[4] for name, row in zip(minutes_of(NEEDS), NEEDS, strict=True)}
    assert said == {name: "yes" if read else "no" for name, read in reads.items()}


def test_no_notebook_needs_a_gpu_or_the_game_and_who_uses_one_is_said():
    gpu = {name: "if torch finds one" in json.dumps(cells(name)) for name in NAMES}
    right = {name: [gpu[name], "starcraft" in name] for name in NAMES}
    said = {name: row[2:4] for name, row in zip(minutes_of(NEEDS), NEEDS, strict=True)}
    assert said == {name: ["optional" if used else "no" for used in uses] for name, uses in right.items()}


def test_each_notebook_has_its_week_and_the_minutes_add_up():
    weeks = table("week | notebooks")
    planned = [number for row in weeks for number in row[1].split(", ")]
    assert sorted(planned) == [name[:2] for name in NAMES]
    spent = {name[:2]: minutes for name, minutes in README.items()}
    assert [int(row[2]) for row in weeks] == [sum(spent[number] for number in row[1].split(", ")) for row in weeks]
    assert f"In all {sum(README.values())} minutes" in TEXT


def test_the_last_questions_are_named_by_their_cells():
    asked = {row[0]: re.findall(r"`([^`]+)`", row[2]) for row in table("notebook | it ends with")}
    assert list(asked) == [name[:2] for name in NAMES]
    for name in NAMES:
        guesses = [cell["id"] for cell in cells(name) if "guess = " in "".join(cell["source"])]
        assert guesses[-len(asked[name[:2]]) :] == asked[name[:2]], name


def test_links_lead_to_files_and_assignments_are_named_once_there_are_any():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert [link for link in links if not (FOLDER / link).is_file()] == []
    assert ("assignments/GUIDE.md" in links) == (FOLDER / "assignments" / "GUIDE.md").is_file()
    assert ("ships no graded assignments" in TEXT) != ("assignments/GUIDE.md" in links)


def test_what_it_says_of_the_code_is_so():
    tests = ROOT / "tests" / "helpers"
    assert "\nRIGHT = {" in (tests / "right_answers.py").read_text(encoding="utf-8")
    assert "\nSECONDS = 60\n" in (tests / "running.py").read_text(encoding="utf-8")
    assert "def check_regrouping" in (ROOT / "omg_lib" / "lessons" / "regroup_answers.py").read_text(encoding="utf-8")
    assert 'FOLDER = ".answers"' in (ROOT / "omg_lib" / "lessons" / "answers.py").read_text(encoding="utf-8")
