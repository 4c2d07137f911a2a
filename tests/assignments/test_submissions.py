"""The careful reader of submitted/: only what it has read is graded, and everything else is named."""

import errno
import json
import os
import socket
import string
import unicodedata
from pathlib import Path

import nbformat
import pytest
from grader.names import cell, shown, student_id, student_name
from grader.submissions import DEEPEST, MOST_BYTES, MOST_NAMED, Submission, notebook, stage
from hypothesis import given
from hypothesis import strategies as st

from omg_lib.config import RunError

NAMES = ("a1", "a4")
SAFE = set(string.ascii_letters + string.digits + "_.-@~ ")


@pytest.fixture
def submitted(tmp_path) -> Path:
    (tmp_path / "submitted").mkdir()
    return tmp_path / "submitted"


def written(path: Path, source: str = "1") -> Path:
    """Write a notebook there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="a1-one")]), path)
    return path


def staged(submitted: Path) -> tuple[dict[str, str], list[str]]:
    """Return the copied files with their contents, and the messages about the others."""
    target = submitted.parent / "private" / "read"
    read, left = stage(submitted, target, NAMES)
    paths = [path for path in target.rglob("*") if path.is_file()]
    files = {path.relative_to(target).as_posix(): path.read_text("utf-8") for path in paths}
    assert not any(path.is_symlink() for path in target.rglob("*"))
    assert {f"{one.id}/{one.assignment}/{one.assignment}.ipynb" for one in read} == {
        name for name in files if name.endswith(".ipynb")
    }
    return files, [str(one) for one in left]


def test_plain_files_of_the_expected_names_are_copied(submitted):
    written(submitted / "s17" / "a1" / "a1.ipynb", "x = 17")
    written(submitted / "s17" / "a4" / "a4.ipynb")
    (submitted / "s17" / "a4" / "results.json").write_text('{"runs": []}')
    files, left = staged(submitted)
    assert sorted(files) == ["s17/a1/a1.ipynb", "s17/a4/a4.ipynb", "s17/a4/results.json"] and left == []
    assert "x = 17" in files["s17/a1/a1.ipynb"] and files["s17/a4/results.json"] == '{"runs": []}'
    (submitted / "s17" / "a1" / "a1.ipynb").unlink()
    assert sorted(staged(submitted)[0]) == ["s17/a4/a4.ipynb", "s17/a4/results.json"], "nothing old stays"


def test_nothing_submitted_is_nothing_read(tmp_path):
    assert stage(tmp_path / "submitted", tmp_path / "read", NAMES) == ([], [])


def linked_file(place: Path, secret: Path) -> str:
    place.mkdir(parents=True)
    (place / "a1.ipynb").symlink_to(secret / "a1" / "a1.ipynb")
    return "a1.ipynb is a link, expected a plain file"


def linked_assignment(place: Path, secret: Path) -> str:
    place.parent.mkdir(parents=True)
    place.symlink_to(secret / "a1", target_is_directory=True)
    return "a link; expected a folder"


def linked_results(place: Path, secret: Path) -> str:
    written(place / "a1.ipynb")
    (place / "results.json").symlink_to(secret / "gradebook.db")
    return "results.json is a link, expected a plain file"


def endless(place: Path, secret: Path) -> str:
    place.mkdir(parents=True)
    (place / "a1.ipynb").symlink_to("/dev/zero")
    return "a1.ipynb is a link, expected a plain file"


def pipe(place: Path, secret: Path) -> str:
    place.mkdir(parents=True)
    os.mkfifo(place / "a1.ipynb")
    return "a1.ipynb is a pipe, expected a plain file"


def pipe_of_results(place: Path, secret: Path) -> str:
    written(place / "a1.ipynb")
    os.mkfifo(place / "results.json")
    return "results.json is a pipe, expected a plain file"


def socket_file(place: Path, secret: Path) -> str:
    place.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(place)  # the name of a socket must be short
        one.bind("a1.ipynb")
        os.chdir(here)
    return "a1.ipynb is a socket, expected a plain file"


def folder_of_that_name(place: Path, secret: Path) -> str:
    (place / "a1.ipynb").mkdir(parents=True)
    return "a1.ipynb is a folder, expected a plain file"


def hard_link(place: Path, secret: Path) -> str:
    place.mkdir(parents=True)
    os.link(secret / "a1" / "a1.ipynb", place / "a1.ipynb")
    return "a1.ipynb is a hard link: the file has another name too"


def too_large(place: Path, secret: Path) -> str:
    written(place / "a1.ipynb")
    os.truncate(place / "a1.ipynb", 100 << 30)  # no byte of it is stored on disk
    return f"a1.ipynb has more than {MOST_BYTES['.ipynb'] >> 20} MB"


def nothing_there(place: Path, secret: Path) -> str:
    place.mkdir(parents=True)
    return "expected a1.ipynb"


def plain_assignment(place: Path, secret: Path) -> str:
    place.parent.mkdir(parents=True)
    place.write_text("a1")
    return "a plain file; expected a folder"


ATTACKS = (
    linked_file, linked_assignment, linked_results, endless, pipe, pipe_of_results, socket_file, folder_of_that_name,
    hard_link, too_large, nothing_there, plain_assignment,
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_what_is_no_plain_file_is_not_read_but_named_and_the_others_are_read(attack, submitted, tmp_path):
    secret = tmp_path / "teacher"
    written(secret / "a1" / "a1.ipynb", "the solution")
    (secret / "gradebook.db").write_text("all grades")
    written(submitted / "other" / "a1" / "a1.ipynb")
    why = attack(submitted / "s17" / "a1", secret)
    files, left = staged(submitted)
    assert sorted(files) == ["other/a1/a1.ipynb"]
    assert left == [f"Not graded, so without points: submitted/s17/a1 ({why})"]


def test_a_linked_student_and_a_linked_submitted_are_not_followed(submitted, tmp_path):
    written(tmp_path / "source" / "a1" / "a1.ipynb", "the solution")
    (submitted / "s17").symlink_to(tmp_path / "source", target_is_directory=True)
    expected = "expected submitted/STUDENT/a1/a1.ipynb"
    assert staged(submitted) == ({}, [f"Not read: submitted/s17 (a link; {expected})"])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "submitted").symlink_to(submitted)
    files, left = staged(tmp_path / "other" / "submitted")
    assert (files, left) == ({}, ["Not read: submitted (a link; expected a folder)"])


def test_files_in_a_wrong_place_are_named(submitted):
    written(submitted / "s17" / "a1.ipynb")
    written(submitted / "Last_123_a1.ipynb")
    written(submitted / "s18" / "a9" / "a9.ipynb")
    written(submitted / "s19" / "notes.txt")
    (submitted / "s20").mkdir()
    expected = "expected submitted/STUDENT/a1/a1.ipynb"
    assert staged(submitted) == ({}, [
        f"Not read: submitted/Last_123_a1.ipynb (a plain file; {expected})",
        "Not graded, so without points: submitted/s17/a1.ipynb (expected submitted/s17/a1/a1.ipynb)",
        "Not read: submitted/s18/a9 (no assignment has this name; allowed are a1, a4)",
        "Not read: submitted/s19/notes.txt (no assignment has this name; allowed are a1, a4)",
        "Not read: submitted/s20 (the folder is empty)",
    ])  # fmt: skip


def test_a_notebook_beside_a_submission_takes_nothing_from_it(submitted, tmp_path):
    written(submitted / "s17" / "a1.ipynb", "old")
    written(submitted / "s17" / "a1" / "a1.ipynb", "new")
    read, left = stage(submitted, tmp_path / "read", NAMES)
    assert read == [Submission("s17", "a1")] and [one.about for one in left] == [Submission("s17")]
    assert str(left[0]) == "Not read: submitted/s17/a1.ipynb (expected submitted/s17/a1/a1.ipynb)"


def test_other_files_beside_a_submission_are_named_and_not_copied(submitted):
    place = written(submitted / "s17" / "a1" / "a1.ipynb").parent
    (place / "timestamp.txt").write_text("no time at all \ud83d".encode(errors="replace").decode())
    (place / "a1.html").write_text("<script>")
    (place / "x").symlink_to("/etc/passwd")
    files, left = staged(submitted)
    assert list(files) == ["s17/a1/a1.ipynb"]
    assert left == [
        "Not read: submitted/s17/a1/a1.html (only a1.ipynb and results.json count)",
        "Not read: submitted/s17/a1/timestamp.txt (a student can write it, so its time does not count)",
        "Not read: submitted/s17/a1/x (only a1.ipynb and results.json count)",
    ]
    for number in range(50):
        (place / f"y{number}").touch()
    left = staged(submitted)[1]
    assert len(left) == MOST_NAMED + 1 and left[-1] == "Not read: submitted/s17/a1 (and 48 more)"


def test_a_full_disk_is_no_students_fault(submitted, tmp_path, monkeypatch):
    written(submitted / "s17" / "a1" / "a1.ipynb")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunError, match="cannot be copied to read: No space left on device"):
        stage(submitted, tmp_path / "read", NAMES)


def test_what_programs_leave_behind_is_named_without_worry(submitted, tmp_path):
    written(submitted / "s17" / "a1" / "a1.ipynb")
    (submitted / ".DS_Store").touch()
    written(submitted / "s17" / "a1" / ".ipynb_checkpoints" / "a1-checkpoint.ipynb")
    left = stage(submitted, tmp_path / "read", NAMES)[1]
    assert len(left) == 2 and not any(one.worry for one in left)


def test_a_file_that_may_not_be_read_is_named(submitted):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    written(submitted / "s17" / "a1" / "a1.ipynb").chmod(0)
    assert staged(submitted)[1] == ["Not graded, so without points: submitted/s17/a1 (Permission denied)"]


# --- notebooks -------------------------------------------------------------------------------------------------------

PLAIN = nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 'é😀'", id="a1-one")]))


def nested(levels: int) -> bytes:
    return PLAIN.replace('"metadata": {}', '"metadata": {"x": ' + "[" * levels + "]" * levels + "}", 1).encode()


def test_a_notebook_is_read_with_a_byte_order_mark_and_with_half_an_emoji():
    assert nbformat.reads(notebook(PLAIN.encode()).decode(), 4) == nbformat.reads(PLAIN, 4)
    assert notebook(PLAIN.encode("utf-8-sig")) == notebook(PLAIN.encode())
    half = json.loads(notebook(PLAIN.replace("é", "\\ud83d").encode()))
    assert half["cells"][0]["source"] == ["x = '?😀'"] or half["cells"][0]["source"] == "x = '?😀'"
    assert notebook(nested(DEEPEST // 2))


@pytest.mark.parametrize(("data", "why"), [
    (b"", "empty"), (b" \n", "empty"), (PLAIN.encode("utf-16"), "UTF-16"),
    (PLAIN.encode("latin-1", "replace"), "UTF-8"),
    (PLAIN.encode()[:-9], "not JSON"), (b"PK\x03\x04", "not JSON"), (b"[" * 10**6, "not JSON"),
    (b"[]", "not a notebook"), (b"{}", "not a notebook"), (b'{"nbformat": 4}', "not a valid"),
    (nested(DEEPEST), "levels deep"),
    (PLAIN.replace('"nbformat": 4', '"nbformat": 99').encode(), "not a valid"),
    (PLAIN.replace('"nbformat": 4', '"nbformat": ' + "9" * 5000).encode(), "not JSON"),
    (PLAIN.replace('"source": ', '"source": [[3]], "other": ').encode(), "not a valid"),
    (PLAIN.replace('"code"', '"word"').encode(), "not a valid"),
    (PLAIN.replace('"nbformat": 4', '"nbformat": 4.0').encode(), "not a valid notebook$"),
])  # fmt: skip
def test_what_is_no_notebook_is_refused_in_a_short_sentence(data, why):
    with pytest.raises(ValueError, match=why) as refused:
        notebook(data)
    assert len(str(refused.value)) < 300 and "\n" not in str(refused.value)


keys = st.sampled_from(["cells", "nbformat", "metadata", "nbformat_minor", "id"])
values = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@pytest.mark.slow
@given(st.recursive(values, lambda x: st.lists(x, max_size=3) | st.dictionaries(keys, x)))
def test_any_json_is_a_notebook_or_refused(x):
    try:
        nbformat.reads(notebook(json.dumps(x).encode()).decode(), as_version=4)
    except ValueError as refused:
        assert str(refused)


# --- names -----------------------------------------------------------------------------------------------------------

names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60)
HARD = [
    "Last, First", 'say "x"', "a;b", "two\nlines", "=1+1", "+x", "-x", "@x", "\tx", "\rx", "[x]", "x ", " x", "a*", "?",
    "~", "~41", "a~2A", ".x", "..x", "x.", "ß", "王小明", "😀",
    unicodedata.normalize("NFC", "Zoë"), unicodedata.normalize("NFD", "Zoë"), "\udce9", "\u202eabc", "%s", "{x}",
]  # fmt: skip


def test_hard_names_have_ids_of_harmless_characters_and_none_twice():
    ids = [student_id(name) for name in HARD]
    assert [student_name(id) for id in ids] == HARD and len(set(ids)) == len(HARD)
    assert all(c in SAFE or c.isalnum() for id in ids for c in id)
    assert student_id("s17") == "s17" and student_id("Zoë M. van_den-Berg@uni") == "Zoë M. van_den-Berg@uni"
    assert student_id("Last, First") == "Last~2C First" and student_id("a*") == "a~2A"


@given(names)
def test_an_id_is_harmless_and_leads_back_to_its_name(name):
    try:
        id = student_id(name)
    except ValueError as refused:
        assert "too long" in str(refused) and 3 * len(name.encode()) > 255
        return
    assert student_name(id) == name and len(id.encode()) <= 255
    assert id == id.strip() and id[0] not in ".-@=+" and not set(id) & set("*?[]/\\,;\"'{}%\n\r\t")


@given(names, names)
def test_two_names_have_two_ids(one, other):
    try:
        assert (student_id(one) == student_id(other)) == (one == other)
    except ValueError:
        pass


@given(st.text())
def test_what_is_shown_is_one_printable_line(text):
    line = shown(text)
    assert len(line) <= 120 and all(c.isprintable() for c in line)
    assert line == text or not text.isprintable() or len(text) > 120


FORMULAS = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "\tx", " =1", "＝1", "＋1", "x;=1", "x\n=1", "=;="]
NO_FORMULAS = ["Last, First", "a;b", 'say "x"', "x=1", "a-b", "s17@uni", "王小明", "O'Brien", "x\ny"]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_is_defused(name):
    made = cell(name)
    assert made != name and made.replace("'", "") == name
    assert not any(part.strip()[:1] in tuple("=+-@＝＋－＠") for part in made.replace("\n", ";").split(";"))


@pytest.mark.parametrize("name", NO_FORMULAS)
def test_a_name_that_is_no_formula_stands_in_a_table_as_it_is(name):
    assert cell(name) == name


def test_every_name_can_be_written_to_a_table():
    assert [cell(name).encode() for name in HARD] and cell("\udce9") == "\\udce9"
