"""Answers survive a restart; a wrong one gets a hint, the next one another, whatever happened to the file."""

import json
import multiprocessing
import os

import pytest

from omg_lib.checks import Verdict, check_choice, check_shape, check_values
from omg_lib.config import ConfigError
from omg_lib.lessons.answers import Answers
from omg_lib.lessons.regroup_answers import ANSWERS, check_regrouping


@pytest.fixture
def answers(tmp_path):
    return Answers("01_three", tmp_path)


def shape(guess):
    return check_shape(guess, (256, 8, 80), "G*A A O")


def test_three_wrong_answers_get_three_hints(answers):
    first, second, third = (answers.keep("obs", shape((wrong, 8, 80))) for wrong in (32, 1, 8))
    assert first.axes == ("axis 0 (G*A): you answered 32",) and "1 of 3 numbers is wrong" in first.said
    why = "the episodes of one sample: G groups of A episodes, one for each seat"
    assert second.axes == (f"axis 0 (G*A): you answered 1: {why}",)
    assert third.axes == (f"axis 0 (G*A): you answered 8, but it is 256: {why}",)
    assert answers.keep("other", shape((32, 8, 80))).axes == first.axes, "each question has a ladder of its own"
    assert answers.keep("obs", shape((256, 8, 80))).ok and answers.wrong("obs") == 0


def test_running_a_cell_again_is_no_try(answers):
    hints = [answers.keep("obs", shape((32, 8, 80))).axes for _ in range(4)]
    assert len(set(hints)) == 1 and answers.wrong("obs") == 1
    assert len(answers.file.read_text().splitlines()) == 1


def test_what_no_answer_can_be_is_no_try(answers):
    facts = {"red": "3 nm", "blue": "5 nm"}
    for strange in (5, "green"):
        assert answers.keep("colour", check_choice(strange, "blue", facts)).said.startswith("Not yet: allowed are")
    assert answers.wrong("colour") == 0 and answers.keep("colour", check_choice("red", "blue", facts)).axes == (
        "red: 3 nm",
    )


def many(verdicts):
    return [verdict.after(tries).axes for tries, verdict in enumerate(verdicts, start=1)]


def test_every_check_has_three_hints_and_the_first_gives_nothing_away():
    assert many([check_values((6, 9), {"t+1": 6, "t+2": 7})] * 3) == [
        ("t+2: you answered 9",), ("t+2: you answered 9: that is too large",), ("t+2: you answered 9, but it is 7",),
    ]  # fmt: skip
    assert many([check_values(("x",), {"t": 6})] * 2)[1] == ("t: you answered x: it must be a whole number",)
    assert many([check_shape((32, 8), (32, 4, 8), "G T A")] * 4) == [
        (),
        (
            "axis 0 (G): the groups of one update, or its episodes if all seats learn (batch_size)",
            "axis 1 (T): the rows of the longest episode in the sample, at most L + 1",
            "axis 2 (A): the seats of a team (n_agents)",
        ),
        *[check_shape((32, 8), (32, 4, 8), "G T A").axes] * 2,
    ]
    choice = many([check_choice("red", "blue", {"red": "3 nm", "blue": "5 nm"})] * 3)
    red, blue = "red: 3 nm", "blue: 5 nm"
    assert choice == [(red,), (red, blue), (red, blue, 'so the answer is "blue"')]


def test_a_wrong_regrouping_is_shown_its_first_wrong_place():
    one, two, three = many([check_regrouping(ANSWERS[4].apply)] * 3)
    assert one == check_regrouping(ANSWERS[4].apply).axes and two[:-1] == one and three[:-1] == two
    assert two[-1].startswith("group 0, time 0, slot 1 holds episode 3, time 0, seat 1; in that episode the learner")
    assert "argsort" in three[-1]


def test_answers_survive_a_restart(answers, tmp_path):
    answers.keep("seat", check_values(3, {"the seat": 2}))
    answers.keep("seat", check_values(2, {"the seat": 2}))
    answers.keep("obs", shape((32, 8, 80)))
    again = Answers("01_three.ipynb", tmp_path)
    assert again.keep("seat", check_values(..., {"the seat": 2})).said == "Right: you answered 2 before."
    assert again.keep("obs", shape(...)).state == "open"
    assert again.keep("obs", shape((32, 8, 81))).axes[0] == shape((32, 8, 81)).after(2).axes[0], "the ladder continues"
    table = again.progress()
    assert table.rows == (("seat", "right", "2"), ("obs", "not yet", "(32, 8, 81)"))
    assert table.caption == "1 right, 1 not yet, of the questions you have tried."
    assert Answers("other", tmp_path).progress().rows == (("none yet", "", ""),)


def test_a_function_is_stored_as_its_text(answers):
    def mine(x, seat):
        return x

    answers.keep("write", check_regrouping(mine))
    assert "return x" in json.loads(answers.file.read_text())["answer"]


@pytest.mark.parametrize(
    "broken", [b"{", b"\xff\xfe\x00", b'{"question": "a"}\n', b"[1]\n", b'"', b"null\n", b"[" * 10**5]
)
def test_a_broken_file_is_set_aside_and_nothing_readable_is_lost(answers, tmp_path, broken):
    answers.keep("seat", check_values(2, {"the seat": 2}))
    whole = answers.file.read_bytes() + broken
    answers.file.write_bytes(whole)
    again = Answers("01_three", tmp_path)
    assert answers.file.with_suffix(".broken-1").read_bytes() == whole
    assert again.progress().caption.endswith("the old file was kept as .answers/01_three.broken-1.")
    assert "kept as" not in again.progress().caption, "reported once"
    again.keep("obs", shape((256, 8, 80)))
    assert [row[:2] for row in Answers("01_three", tmp_path).progress().rows] == [("seat", "right"), ("obs", "right")]
    answers.file.write_bytes(broken)
    Answers("01_three", tmp_path)
    assert answers.file.with_suffix(".broken-2").read_bytes() == broken


def test_a_folder_that_cannot_be_written_is_one_sentence_and_the_ladder_works_on(tmp_path):
    (tmp_path / ".answers").write_text("a file in the way")
    answers = Answers("01_three", tmp_path)
    first = answers.keep("obs", shape((32, 8, 80)))
    (told,) = first.axes[1:]
    assert told.startswith("Answers are not stored (") and told.endswith("they last as long as this kernel.")
    assert answers.keep("obs", shape((1, 8, 80))).axes[0] == shape((1, 8, 80)).after(2).axes[0]
    assert answers.progress().rows == (("obs", "not yet", "(1, 8, 80)"),)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    assert "Answers are not stored" in repr(Answers("01_three", tmp_path).keep("obs", shape((256, 8, 80))))


def write_many(folder, who):
    answers = Answers("same", folder)
    for number in range(200):
        answers.keep(f"{who} {number}", check_values(number, {"x": number}))


def test_two_kernels_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=write_many, args=(tmp_path, who)) for who in "ab"]
    for one in both:
        one.start()
    for one in both:
        one.join(240)
    assert len(Answers("same", tmp_path).progress().rows) == 400
    assert [file.name for file in (tmp_path / ".answers").iterdir()] == ["same.jsonl"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own on Windows")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", [".answers", ".answers/01_three.jsonl"])
@pytest.mark.parametrize("kind", ["link", "pipe", "device"])
def test_nothing_outside_is_written_and_nothing_hangs(tmp_path, name, kind):
    outside, path = tmp_path / "outside", tmp_path / "here" / name
    outside.mkdir()
    (outside / "01_three.jsonl").write_text("precious\n")
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        target = outside if name == ".answers" else outside / "01_three.jsonl"
        path.symlink_to("/dev/zero" if kind == "device" else target)
    answers = Answers("01_three", tmp_path / "here")
    said = answers.keep("obs", shape((256, 8, 80)))
    assert said.ok and "Answers are not stored (" in said.axes[-1]
    assert [file.read_text() for file in outside.iterdir()] == ["precious\n"]


def test_an_answer_for_which_the_disk_has_no_room_is_stored_whole_or_not_at_all(answers, tmp_path):
    resource = pytest.importorskip("resource")
    answers.keep("seat", check_values(2, {"the seat": 2}))
    before = answers.file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
    try:
        said = answers.keep("obs", shape((256, 8, 80)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert said.ok and "Answers are not stored (" in said.axes[-1] and answers.file.read_bytes() == before


@pytest.mark.parametrize("bad", ["", "../x", "a/b", ".hidden", "a b"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path, bad):
    with pytest.raises(ConfigError, match="notebook="):
        Answers(bad, tmp_path)


def test_progress_shows_long_answers_whole_and_says_where_something_strange_is_cut(tmp_path):
    answers = Answers("long", tmp_path)
    code = "def mine(x, seat):\n" + "    # thinking about seats and rows, at length\n" * 40 + "    return x\n"
    answers.keep("write", Verdict("wrong", "Not yet", guess=code))
    answers.keep("odd", Verdict("wrong", "Not yet", guess=list(range(1000))))
    shown = {row[0]: row[2] for row in Answers("long", tmp_path).progress().rows}
    assert shown["write"] == code
    assert shown["odd"].startswith("[0, 1, 2") and shown["odd"].endswith("... (4,890 characters)")
