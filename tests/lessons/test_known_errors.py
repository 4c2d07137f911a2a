"""Known errors: each gets its own explanation at the first try, and none of them is a right answer."""

import pytest

from omg_lib.checks import check_values
from omg_lib.lessons.known_errors import TARGET, WINDOW, explained

QUESTIONS = {
    "target": (TARGET, {"all available": 3, "without the second": 4, "ended": 1}),
    "window": (WINDOW, {"t+1": 6, "t+2": 7, "t+3": 7, "t+4": 7, "t+5": 7}),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_known_error_is_wrong_and_gets_its_word_at_the_first_try_only(question):
    known, truth = QUESTIONS[question]
    for (asked, answer), word in known.items():
        guess = tuple((truth | {asked: answer}).values())
        verdict = explained(check_values(guess, truth), known)
        assert verdict.after(1).axes == (f"{asked}: you answered {answer}: {word}",)
        assert verdict.after(2) == check_values(guess, truth).after(2)


def test_other_errors_right_answers_and_open_ones_stay_as_they_are():
    known, truth = QUESTIONS["target"]
    for guess in ((3, 4, 1), (..., ..., ...), (3, 4), (3, 4, 9), "three"):
        assert explained(check_values(guess, truth), known) == check_values(guess, truth)
