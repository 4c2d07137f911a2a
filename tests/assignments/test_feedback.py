"""Feedback for students contains nothing that submitted code made up, hence nothing of the hidden tests."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from grader.a4 import tasks
from grader.feedback import SILENT, failure, mismatch
from grader.preprocessor import outputs
from grader.process import Question, ask
from grader.tasks import Criterion, Task, equal, marks
from hypothesis import given as drawn
from hypothesis import strategies as st

SECRET = "75318642"
"""The hidden input; no feedback may contain it in any form."""
TELLERS = {
    "exception": "raise ValueError(f'asked with {secret}')",
    "type": "raise type(f'Asked{secret}', (ValueError,), {})()",
    "module": "kind = type(f'Asked{secret}', (ValueError,), {'__module__': 'builtins'})\nraise kind()",
    "exits": "import sys\nsys.exit(f'asked with {secret}')",
    "text": "return f'asked with {secret}'",
    "entry": "return {f'asked with {secret}': 1}",
    "list": "return [secret]",
    "number": "return secret",
    "shape": "return torch.empty(0, secret)",
    "object": "return type(f'Asked{secret}', (), {})()",
    "environment": "import os\nreturn str(dict(os.environ))",
    "paths": "import sys\nraise OSError(str(sys.path))",
    "source": "exec(compile('raise ValueError(1)', f'asked with {secret}', 'exec'))",
    "forged": "import json, os\n"
    "for pipe in range(3, 40):\n"
    "    try:\n"
    "        os.write(pipe, json.dumps({'error': f'stopped after {secret} seconds'}).encode())\n"
    "    except OSError:\n"
    "        pass\n"
    "os._exit(0)",
    "forged_kind": "import json, os\n"
    "told = {'kind': f'Asked{secret}', 'cell': 0, 'line': 1}\n"
    "for pipe in range(3, 40):\n"
    "    try:\n"
    "        os.write(pipe, json.dumps({'answers': [{'error': told}]}).encode())\n"
    "    except OSError:\n"
    "        pass\n"
    "os._exit(0)",
}


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    """Return the feedback of every leak attempt, for a truth that is a dict, a tensor and a number."""
    sources = {
        name: "def answer(secret):\n" + "".join(f"    {line}\n" for line in body.splitlines())
        for name, body in TELLERS.items()
    }
    truths = ({"a": 1}, torch.zeros(2, 3), 0.5, [1, 2])
    asked = [
        Task(f"{name}-{k}", name, lambda random, truth=truth: [("", ((int(SECRET),), truth))],
             [Criterion("it is right", 1, equal)])
        for name in TELLERS for k, truth in enumerate(truths)
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("grader.tasks.FUNCTIONS", dict.fromkeys(TELLERS, "answer"))
        given = marks(asked, sources, seed=1, python=[sys.executable], seconds=5)
    return {name: json.dumps(outputs(found)) for name, found in given.items()}


def test_no_feedback_holds_what_submitted_code_made_up(shown):
    assert len(shown) == 4 * len(TELLERS)
    for name, text in shown.items():
        assert "0 of 1: it is right (" in text, name
        assert SECRET not in text and "sked with" not in text.replace("f'asked with {secret}'", ""), (name, text)
        assert "/" not in text.replace("text/plain", "") and "PATH" not in text and "seed" not in text, (name, text)


def test_an_exception_is_told_by_pythons_type_and_the_students_own_line(shown):
    assert "ValueError in your line: raise ValueError(f'asked with {secret}')" in shown["exception-0"]
    assert "ValueError in your line: raise type(" in shown["type-0"]
    assert SILENT in shown["forged-0"] and SILENT in shown["forged_kind-0"]


def test_a_plan_that_is_not_allowed_is_told_without_its_value():
    legal = tasks(Path())[0].criteria[0].judge
    for settings in ({"lr": SECRET}, {SECRET: 1}, {"env": SECRET}, SECRET):
        said = legal([], [{"base": settings, "changed": {}, "seeds": [1, 2, 3]}])
        assert "allowed" in said and SECRET not in said


def test_errors_in_a_cell_and_in_its_syntax_are_told_by_their_line():
    broken, late, alone = "def answer(:\n    return 1", "x = 1\nprint(unknown)", "def other():\n    return 1"
    library = "def answer():\n    from omg_lib import regroup"
    questions = [Question([alone, source], "answer", [()]) for source in (broken, late, alone, library)]
    said = [one.why for (one,) in ask(questions, [sys.executable], 5)]
    assert said == [
        "SyntaxError in your line: def answer(:",
        "NameError in your line: print(unknown)",
        "there is no function answer",
        "ImportError in your line: from omg_lib import regroup (omg_lib is not available during grading)",
    ]


@pytest.mark.slow
@drawn(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: (
    st.lists(x, max_size=3) | st.fixed_dictionaries({"kind": x, "cell": x, "line": x})
)))  # fmt: skip
def test_whatever_is_forged_only_own_words_come_out(told):
    source = "def answer():\n    return 1"
    own = {SILENT, "not answered", "the answers are too large", "the process ended before it had answered"}
    own |= {"stopped after 3 seconds of computing", "stopped after 9 seconds", "there is no function answer"}
    said = failure(told, [source], "answer", 3)
    lines = r"\w+ in your line: (def answer\(\):|return 1)?"
    assert said in own or re.fullmatch(rf"the answer cannot be sent: .*|{lines}", said)


@pytest.mark.parametrize(("answer", "truth", "said"), [
    (None, 1, "it returns nothing (a value that is printed is not returned)"),
    (3, 4, "it returns the wrong value"),
    (3, 4.5, "it returns the wrong value"),
    (torch.tensor(3.0), 4.5, "it returns the wrong value"),
    ("3", 4, "it returns a string; it should return an integer"),
    ({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}, "wrong or missing: b, c"),
    ([1], [1, 2], "the list is too short"),
    ([1, 3], [1, 2], "it returns the wrong value"),
    ([1], torch.ones(2), "it returns a list; it should return a tensor"),
    (torch.ones(2, 3), torch.ones(2), "the tensor has too many axes"),
    (torch.ones(2, 3, 4), torch.ones(2, 4, 3), "the tensor has the wrong size on axis 1, 2"),
    (torch.ones(2), torch.ones(2, dtype=torch.long), "the numbers should be torch.int64"),
    (torch.ones(2), torch.zeros(2), "the shape is right, but not the content"),
    (3, lambda _: ["it returns [75, 318]; it should return a list of 642 episodes."],
     "it returns N; it should return a list of N episodes"),
])  # fmt: skip
def test_a_wrong_answer_is_told_without_its_value_and_the_right_one_is_not_told(answer, truth, said):
    assert mismatch(answer, truth) == said


def test_a_right_answer_is_no_mismatch():
    assert mismatch({"a": [1, 2]}, {"a": (1, 2)}) == "" and mismatch(1, 1.0) == ""
