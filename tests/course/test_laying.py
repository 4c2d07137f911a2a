"""The course is laid out whole, what a student changed stays, and bad folders get one sentence."""

import errno
import json
import os
from pathlib import Path

import pytest

from omg_lib.config import ConfigError
from omg_lib.course import laying
from omg_lib.course.laying import course_folder, lay

NOTEBOOK = "notebooks/00_start_here.ipynb"


def notebook(**cells: str) -> str:
    listed = [{"id": id, "cell_type": "code", "source": [source]} for id, source in cells.items()]
    return json.dumps({"cells": listed, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def carried(tmp_path) -> Path:
    """What a wheel carries."""
    folder = tmp_path / "carried"
    write(folder / NOTEBOOK, notebook(title="one", run="1 + 1"))
    write(folder / "notebooks/glossary.md", "words")
    write(folder / "data/results/table.csv", "a,b\n1,2\n")
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def files(folder: Path) -> dict[str, str]:
    """Return every file of the course in this folder, without what omg-lab keeps for itself."""
    found = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    return {name: text for name, text in found.items() if not name.startswith(".omg-lab/")}


def test_the_first_start_lays_everything_and_the_second_nothing(carried, tmp_path):
    course = tmp_path / "课 程" / "omg-lab"
    course.parent.mkdir()
    assert lay(course, carried) == [f"The course is in {course}."]
    assert files(course) == files(carried)
    before = {path: path.stat().st_mtime_ns for path in course.rglob("*.ipynb")}
    assert lay(course, carried) == []
    assert before == {path: path.stat().st_mtime_ns for path in course.rglob("*.ipynb")}


def test_a_newer_course_replaces_what_nobody_changed_and_names_the_cells(carried, tmp_path):
    lay(tmp_path / "omg-lab", carried)
    write(carried / NOTEBOOK, notebook(title="one", run="2 + 2", more="3"))
    assert lay(tmp_path / "omg-lab", carried, "9.9") == [f"{NOTEBOOK} is new: cells run, more."]
    assert files(tmp_path / "omg-lab") == files(carried)


def test_what_the_student_changed_stays_and_the_newer_file_lies_beside_it(carried, tmp_path):
    course = tmp_path / "omg-lab"
    lay(course, carried)
    mine = notebook(title="one", run="my answer")
    write(course / NOTEBOOK, mine)
    write(course / "notebooks/glossary.md", "my words")
    assert lay(course, carried, "9.9") == [], "the course itself is not newer"

    write(carried / NOTEBOOK, notebook(title="two", run="1 + 1"))
    (said,) = lay(course, carried, "9.9")
    beside = course / "notebooks/00_start_here-9.9.ipynb"
    assert "has your changes and stays" in said and beside.name in said and said.endswith(": cell title.")
    assert (course / NOTEBOOK).read_text() == mine and beside.read_text() == (carried / NOTEBOOK).read_text()
    assert (course / "notebooks/glossary.md").read_text() == "my words"
    assert lay(course, carried, "9.9") == [], "it is said once"


def test_a_deleted_file_comes_back_and_the_students_own_files_stay(carried, tmp_path):
    course = tmp_path / "omg-lab"
    lay(course, carried)
    (course / NOTEBOOK).unlink()
    write(course / "notebooks/.answers/00.json", "{}")
    assert lay(course, carried) == []
    assert files(course) == files(carried) | {"notebooks/.answers/00.json": "{}"}


def test_an_interrupted_start_is_completed_by_the_next(carried, tmp_path, monkeypatch):
    course, real = tmp_path / "omg-lab", laying.write_bytes

    def full(place, data):
        if place.name == NOTEBOOK.rpartition("/")[2]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(place, data)

    monkeypatch.setattr(laying, "write_bytes", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        lay(course, carried)
    monkeypatch.undo()
    lay(course, carried)
    assert files(course) == files(carried)


def test_a_damaged_record_makes_every_file_the_students(carried, tmp_path):
    course = tmp_path / "omg-lab"
    lay(course, carried)
    write(course / ".omg-lab/record.json", "[")
    write(carried / NOTEBOOK, notebook(title="two"))
    (said,) = lay(course, carried, "9.9")
    assert "stays" in said and (course / "notebooks/00_start_here-9.9.ipynb").exists()


def test_a_folder_with_something_else_is_left_alone(carried, tmp_path):
    write(tmp_path / "omg-lab/thesis.txt", "mine")
    with pytest.raises(ConfigError, match="holds something else"):
        lay(tmp_path / "omg-lab", carried)
    assert files(tmp_path / "omg-lab") == {"thesis.txt": "mine"}


def test_a_link_in_the_course_is_not_followed(carried, tmp_path):
    course = tmp_path / "omg-lab"
    lay(course, carried)
    write(tmp_path / "elsewhere.md", "not the course's")
    (course / "notebooks/glossary.md").unlink()
    (course / "notebooks/glossary.md").symlink_to(tmp_path / "elsewhere.md")
    write(carried / "notebooks/glossary.md", "new words")
    with pytest.raises(ConfigError, match="not a regular file"):
        lay(course, carried)
    assert (tmp_path / "elsewhere.md").read_text() == "not the course's"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_one_sentence(carried, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    with pytest.raises(ConfigError, match="a folder of your own"):
        lay(closed / "omg-lab", carried)


def test_inside_the_course_it_is_opened_again(carried, tmp_path, monkeypatch):
    monkeypatch.setattr(laying, "CARRIED", carried)
    course = course_folder(tmp_path)
    assert course == tmp_path / "omg-lab"
    lay(course, carried)
    assert course_folder(course) == course


def test_in_a_checkout_the_course_is_the_checkout(tmp_path):
    assert course_folder(tmp_path) == Path(__file__).parents[2]
    assert lay(tmp_path / "omg-lab") == [] and not (tmp_path / "omg-lab").exists()
