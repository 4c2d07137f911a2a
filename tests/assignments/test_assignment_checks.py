"""Instant checks: their verdicts on right, wrong, missing and strange answers; each runs a cell on its own."""

import json
import linecache
import types

import numpy as np
import pytest
import torch

from omg_lib.lessons.assignments.cases import VISIBLE, sample
from omg_lib.lessons.assignments.checks import NotYet, check_answer, check_results, difference


def from_cell(source: str, name: str) -> types.FunctionType:
    """A function as a notebook's cell defines it: in the module __main__, with its source where IPython keeps it."""
    file = f"<cell {hash(source)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names = {"__name__": "__main__", "helper": 3, "rearrange": None}
    exec(compile(source, file, "exec"), names)
    return names[name]


RIGHT = "def to_rows(x):\n    return rearrange(x, 'g t a f -> t (g a) f')\n"


def test_a_right_answer_is_right_and_warns_that_other_sizes_decide():
    assert "other sizes" in check_answer("a1-rows", from_cell(RIGHT, "to_rows")).said


def test_an_answer_is_run_by_itself_as_the_grader_does():
    leaning = "def to_rows(x):\n    return x + helper\n"
    verdict = check_answer("a1-rows", from_cell(leaning, "to_rows"))
    assert verdict.state == "wrong" and "NameError" in verdict.said and "by itself" in verdict.axes[0]
    borrowed = "def to_rows(x):\n    import omg_lib\n    return x\n"
    verdict = check_answer("a1-rows", from_cell(borrowed, "to_rows"))
    assert "ImportError" in verdict.said and "your own code" in verdict.said
    tried = RIGHT + "if helper:\n    pass\n"  # fails, but only after the function is defined
    assert check_answer("a1-rows", from_cell(tried, "to_rows")).ok


def test_a_task_may_use_the_helpers_that_it_names():
    kl = "def kl(mu, log_var, m, v):\n    return 0 * mu.sum(-1)\n"
    mean = "def masked_mean(x, mask):\n    return x[mask].sum() / max(1, int(mask.sum()))\n"
    loss = "def omg_loss(obs, rebuilt, mu, log_var, m, v, last, weight):\n    return masked_mean(obs, obs > 9) + kl\n"
    found = [from_cell(source, source[4:].split("(")[0]) for source in (kl, mean)]
    verdict = check_answer("a3-loss", from_cell(loss, "omg_loss"), *found)
    assert "TypeError" in verdict.said


@pytest.mark.parametrize("answer", [..., None, 3])
def test_no_function_is_no_answer_yet(answer):
    assert check_answer("a1-rows", answer).state == "open"


def stub(*_):
    raise NotImplementedError


def test_every_stub_is_unanswered_and_nothing_is_raised():
    assert {check_answer(task, stub).state for task in VISIBLE} == {"open"}
    assert check_results("results.json", stub).state == "open"


def test_under_validate_a_verdict_that_is_not_right_is_raised_without_a_traceback(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(NotYet) as raised:
        check_answer("a1-rows", lambda x: x)
    shown = raised.value._render_traceback_()
    assert shown[0].startswith("Not yet: it returns [2, 3, 4, 5]") and not any("Traceback" in line for line in shown)
    assert check_answer("a1-rows", from_cell(RIGHT, "to_rows")).ok


class Odd:
    def __eq__(self, other):
        raise RuntimeError("never call me")


SAME = [
    ((1, [2, 3]), [1, (2, 3)]), (torch.Size([2, 3]), [2, 3]), (np.int64(3), 3), (0.5 + 1e-9, 0.5),
    (torch.tensor(2.0), 2.0),
    (torch.arange(3, dtype=torch.int32), torch.arange(3)), (np.arange(3), torch.arange(3)),
    ({"a": (1,), "more": 0}, {"a": [1]}), (2.0, torch.tensor(2.0)),
]  # fmt: skip
OTHER = [
    (None, 1), (True, 1), (1, True), (1.0, 1), ("1", 1), ([1], 1), (1, [1]), ([1, 2], [1]), (float("nan"), 0.5),
    (torch.zeros(2), torch.zeros(3)), (torch.zeros(2), torch.zeros(2, dtype=torch.int64)),
    (torch.ones(2), torch.zeros(2)),
    (torch.tensor([float("nan")]), torch.zeros(1)), ([0], torch.zeros(1)), ({}, {"a": 1}), ({"a": 2}, {"a": 1}),
    ([], {"a": 1}),
    (torch.tensor([1e-5]).double(), torch.zeros(1).double()), (Odd(), {"a": 1}), (Odd(), torch.zeros(1)),
    (Odd(), 0.5),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "truth"), SAME)
def test_the_same(answer, truth):
    assert difference(answer, truth) == []


@pytest.mark.parametrize(("answer", "truth"), OTHER)
def test_not_the_same(answer, truth):
    assert difference(answer, truth)


def test_what_is_wrong_is_named():
    assert difference(None, 1) == ["it returns nothing (a value that is printed is not returned)."]
    assert difference(torch.tensor([0, 1]), torch.tensor([1, 1])) == [
        "the shape is right, but not the content: 1 of 2 places are right."
    ]
    assert difference({"a": 1, "b": (2,)}, {"a": 1, "b": [3], "c": 4}) == [
        "2 of 3 entries are wrong.", "b: yours is [2]; it should be [3]", "c: missing",
    ]  # fmt: skip


def test_a_draw_is_judged_by_what_any_fair_draw_has():
    (rings, n, seed), judge = sample([[0, 1], [2, 3, 4]], 2, seed=0)
    assert (rings, n, seed) == ([[0, 1], [2, 3, 4]], 4, 0)
    assert judge([0, 4, 1, 2]) == []
    assert judge([0, 4, 0, 2]) == ["an episode is drawn twice."]
    assert judge([0, 1, 3, 2]) == ["row 1 should be an episode of seat 1, but is not."]
    assert judge(None) == judge([0]) == ["it should return a list of 4 episodes."]


def test_results_are_looked_at(tmp_path):
    def plan():
        return {"base": {}, "changed": {"td_steps": 1}, "seeds": [0, 1, 2]}

    assert "no such file" in check_results(tmp_path / "results.json", plan).said
    (tmp_path / "results.json").write_text(json.dumps([1]))
    assert "cannot be read" in check_results(tmp_path / "results.json", plan).said
