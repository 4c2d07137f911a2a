"""Every exhibit fails as described, at any size, and its repair fixes it."""

import dataclasses
import doctest
import inspect
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import omg_lib as omg
from omg_lib.config import ConfigError
from omg_lib.envs import env_info
from omg_lib.lessons import museum
from omg_lib.lessons.museum import EXHIBITS, exhibit, fail, fix, found_by_shape, repair
from omg_lib.lessons.museum import loud as loud_exhibits
from omg_lib.lessons.museum import shifted as shifted_exhibit
from omg_lib.lessons.museum import silent as silent_exhibits
from omg_lib.lessons.museum.loud import LOUD
from omg_lib.lessons.museum.shifted import counted
from omg_lib.lessons.museum.silent import SILENT

REPORTED = omg.OMGConfig(n_agents=8, batch_size=32)
MESSAGES = {
    "field-obs": lambda A, G, info: (A, info.obs_dim, 3),
    "field-seats": lambda A, G, info: (info.episode_limit, A, 2),
    "field-one": lambda A, G, info: (64, A, 3),
    "mask": lambda A, G, info: (G * 66, G * 66 * A, 0),
    "mixer": lambda A, G, info: (G, 25 * G, 1),
}
"""Exhibit -> the sizes and the dimension that its message must name."""
READ = {"field-obs": {8, 80}, "field-seats": {8, 120}, "field-one": {8, 64}, "mask": {2112, 16896}, "mixer": {32, 800}}
"""Exhibit -> the two numbers of the reported message."""


def small(A: int = 4, G: int = 3) -> omg.OMGConfig:
    """Return a configuration with a runner as wide as the team, unless the exhibit is about a runner of one episode."""
    return omg.OMGConfig(n_agents=A, batch_size=G, batch_size_run=A)


def config_of(key: str, A: int = 4, G: int = 3) -> omg.OMGConfig:
    return small(A, G) if key != "slice" else dataclasses.replace(small(A, G), batch_size_run=1)


def test_examples():
    assert doctest.testmod(museum).failed == 0


def test_there_are_five_loud_and_six_silent_ones_and_keys_differ():
    assert set(MESSAGES) == {one.key for one in LOUD} and len(SILENT) == 6
    assert len(EXHIBITS) == len(LOUD) + len(SILENT)
    assert all(one.source and one.wrong != one.right for one in EXHIBITS.values())


@pytest.mark.parametrize("key", MESSAGES)
def test_the_message_is_the_reported_one_and_the_key_does_not_tell_it(key):
    outcome = fail(key, REPORTED)
    assert outcome.message.startswith("RuntimeError: The size of tensor a")
    assert {outcome.numbers["first size"], outcome.numbers["second size"]} == READ[key]
    assert not re.search(r"\d", key)


@settings(max_examples=10, deadline=None)
@given(A=st.integers(2, 16), G=st.integers(2, 5))
def test_another_size_gives_other_numbers(A, G):
    info = env_info("skirmish", A)
    for key, expected in MESSAGES.items():
        assert tuple(fail(key, small(A, G)).numbers.values()) == expected(A, G, info), key


@pytest.mark.parametrize("key", [one.key for one in SILENT])
@pytest.mark.parametrize("A", [2, 5])
def test_a_silent_exhibit_raises_nothing_has_the_right_shape_and_is_wrong(key, A):
    outcome = fail(key, config_of(key, A))
    assert outcome.message is None and outcome.numbers == {}
    assert not outcome.holds
    broken, whole = (one.names[EXHIBITS[key].result] for one in (outcome, repair(key, config_of(key, A))))
    assert (broken.shape, broken.dtype) == (whole.shape, whole.dtype) and not torch.equal(broken, whole)


def test_no_shape_gives_a_silent_exhibit_away():
    assert found_by_shape(REPORTED) == []


@pytest.mark.parametrize("key", EXHIBITS)
@pytest.mark.parametrize(("A", "G"), [(2, 3), (8, 4)])
def test_the_repair_repairs_and_no_repair_does_not(key, A, G):
    config = config_of(key, A, G)
    fixed = fix(key, EXHIBITS[key].right, config)
    assert (fixed.state, fixed.guess) == ("right", EXHIBITS[key].right), "the line is what answers store"
    assert fix(key, EXHIBITS[key].wrong, config).state == "wrong"
    assert fix(key, ..., config).state == "open"
    assert fix(key, 7, config).state == "wrong"
    assert "SyntaxError" in fix(key, "no line (", config).said


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("field-obs", "infer_mu = cvae_mu.new_zeros(G, T, A, Z)"),  # the shape is right, the data belongs to no seat
        ("field-seats", 'infer_mu = field((Z,), group="agents").flip(2)'),  # every seat in another seat's slot
        ("mask", 'inputs = repeat(state, "g t s -> (a g t) s", a=A)'),  # beside the mask of another step
        ("mixer", 'q_tot = reduce(q, "t g a -> g t 1", "sum").reshape(q.shape[0], q.shape[1], 1)'),
        ("pairs", "error = mixer(q, state).mean() - target"),
        ("order", 'rows = repeat(state, "r s -> (a r) s", a=A).flip(0)'),
        ("shuffle", "mixed = x[:1].expand(G, T, 2)"),  # in order, but one sequence only
        ("shuffle", "mixed = x"),  # in order, but nothing was shuffled
        ("slice", "update(held, ts=t + 1)"),
        ("text", 'mode = "optimistic" if flag != "true" else "conservative"'),
        ("text", 'mode = "conservative"'),  # right for False alone
        ("shifted", "mask = filled[:, :-1]; mask[:, 1:] *= 1 - terminated[:, :-1]"),  # the mask is right, the batch not
        ("shifted", "mask = filled[:, :-1].clone(); mask[:, 1:] *= 1 - terminated[:, 1:]"),  # the batch alone is right
        ("shifted", "mask = filled[:, :-1]"),  # also row n, which was only observed
        ("order", 'rows = repeat(done, "r -> (r a)", a=A)'),  # nothing that deserves a comment
    ],
)
def test_a_repair_that_only_looks_like_one_is_refused(key, line):
    verdict = fix(key, line, config_of(key, 5))
    assert (verdict.state, verdict.said) == ("wrong", "Not yet: there is no error, but the result is wrong.")


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("field-obs", "field((Z,), group='agents')"),  # the value alone
        ("mask", "inputs = state.repeat_interleave(A, dim=1).flatten(0, 1)"),
        ("mixer", "q_tot = q.sum(dim=-1, keepdim=True)"),
        ("pairs", "error = mixer(q, state) - target.squeeze(-1)"),
        ("order", "rows = state.repeat(A, 1)"),
        ("order", 'rows = repeat(state, "r s -> (r a) s", a=A); over = repeat(done, "r -> (r a)", a=A)'),
        ("mixer", "q.sum(dim=-1).view(T, G, 1)"),
        ("shuffle", "mixed = x[torch.randperm(G)]"),
        ("slice", "update(held, slice(None), t)"),
        ("text", "'conservative' if flag == 'False' else 'optimistic'"),
        ("shifted", "mask = filled[:, :-1].clone(); mask[:, 1:] *= 1 - terminated[:, :-1]"),
        ("shifted", "filled[:, 1:] * 1"),
    ],
)
def test_other_ways_to_mend_it_are_accepted(key, line):
    torch.manual_seed(0)  # for randperm, which may also leave three things as they are
    assert fix(key, line, config_of(key, 5)).state == "right"


def test_a_result_of_another_shape_is_answered_by_the_right_one_and_a_group_by_its_name():
    assert fix("shuffle", "x[0]", small()).axes == ("mixed could be [3, 121, 2]",)
    assert "there is no group 'seats': allowed is 'agents'" in fix("field-obs", "field((Z,), 'seats')", small()).said


@pytest.mark.parametrize("key", EXHIBITS)
def test_the_line_to_replace_is_marked_and_a_student_completes_it(key):
    one = EXHIBITS[key]
    assert repr(fail(key, config_of(key))).startswith(f"  > {one.wrong}\n    {one.rest.splitlines()[0]}\n")
    assert fix(key, one.blank, config_of(key)).state == "open"


def test_a_name_that_is_not_there_is_answered_by_those_that_are():
    unknown, other = (fix("slice", line, REPORTED) for line in ("update(data, ts=t)", "update(held, ts=t, x=1)"))
    assert "name 'data' is not defined" in unknown.said and "TypeError" in other.said and other.axes == ()
    known = "names you can use: A, C, G, H, L, O, R, S, T, Z, batch, held, rearrange, reduce, repeat, t, torch, update"
    assert unknown.axes == fix("slice", ..., REPORTED).axes == (known,)


def test_orders_agree_where_one_battle_is_played():
    """So the bug does not show as long as the runner is PyMARL's."""
    assert fail("order", dataclasses.replace(small(), batch_size_run=1)).holds


def test_how_many_steps_follow_their_own():
    assert silent_exhibits.how_many(fail("shuffle", REPORTED).names) == "hardly any"
    assert silent_exhibits.how_many(repair("shuffle", REPORTED).names) == "all"
    two = fail("shuffle", REPORTED).names | {"before": torch.tensor([[[0, 0], [0, 3]]])}
    assert silent_exhibits.how_many(two | {"after": torch.tensor([[[0, 1], [1, 4]]])}) == "half"


def test_a_wide_runner_makes_the_wrong_slice_stop():
    assert list(fail("slice", small(8)).numbers.values()) == [1, 8, 0]


@settings(max_examples=10, deadline=None)
@given(A=st.integers(2, 8), G=st.integers(1, 9))
def test_a_mask_one_step_late_loses_every_ending_and_keeps_its_sum(A, G):
    broken, whole = fail("shifted", small(A, G)), repair("shifted", small(A, G))
    ended = int(broken.names["terminated"].sum())
    assert ended == max(1, G - 1) and counted(broken.names) == {"endings": 0, "padding": ended}
    assert counted(whole.names) == {"endings": ended, "padding": 0}
    assert broken.names["mask"].sum() == whole.names["mask"].sum(), "so no count gives it away"
    gone = whole.names["filled"] - broken.names["filled"]
    assert torch.equal(gone[:, :-1], broken.names["terminated"]), "it also wrote into the batch, at each ending"
    assert f"no longer filled: {ended}" in broken.told and "no longer" not in whole.told


def test_a_line_may_stand_between_three_quotation_marks_on_lines_of_its_own():
    line = EXHIBITS["text"].right
    assert line.endswith('"') and fix("text", f"\n{line}\n", small()).guess == line
    assert fix("text", "\nmode = ...\n", small()).state == "open"


def test_no_message_is_written_down():
    for module in (exhibit, loud_exhibits, shifted_exhibit, silent_exhibits, museum):
        assert "must match" not in inspect.getsource(module)


def test_nothing_of_the_callers_is_touched_and_an_unknown_key_is_named():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for key in EXHIBITS:
        fail(key, config_of(key))
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ConfigError, match="exhibit='fields': allowed are field-obs, field-seats"):
        fail("fields", REPORTED)
