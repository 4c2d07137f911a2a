"""Cases of the assignments: arguments for an answer, and the library's result for them.

A case is (arguments, truth). The truth is data, or a function that judges an answer: [] if it is right, else sentences.
VISIBLE holds the cases of the instant checks; hidden tests make others.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from tensordict import TensorDict
from torch import Tensor

from omg_lib.buffer import ReplayBuffer, Ring
from omg_lib.checks import four_numbers
from omg_lib.config import ConfigError, OMGConfig
from omg_lib.envs import env_info
from omg_lib.episodes import EpisodeBatch, sizes_of
from omg_lib.lessons.assignments.data import Case
from omg_lib.lessons.assignments.loss_cases import (
    Generator,
    choice,
    divergence,
    living,
    loss_by_hand,
    mean_of,
    regrouping,
    value,
    windows,
)
from omg_lib.lessons.experiment import T95, read_plan
from omg_lib.lessons.regroup_answers import labelled
from omg_lib.regroup import regroup
from omg_lib.trace import ShapeTrace, trace_of
from omg_lib.words import _

# --- assignment 1: shapes --------------------------------------------------------------------------------------------

REGROUPED = ("obs", "reward", "last_actions")
SUBGOALS = ("infer_mu", "candidates", "values", "chosen")


def arithmetic(config: OMGConfig) -> Case:
    """Return a case: four settings, and the numbers of a run. t_max counts environment steps, as in OMGConfig."""
    args = (config.n_agents, config.batch_size, config.batch_size_run, config.t_max, config.has_teammates)
    names = ("sample_size", "runs_per_update", "t_max_total")
    return args, {name: getattr(config, name) for name in names} | {"network_rows": four_numbers(config)[3]}


def plan(config: OMGConfig, steps: int, game: Mapping[str, int]) -> tuple[ShapeTrace, dict[str, int]]:
    """Return the predicted trace of an update whose sample has `steps` rows, and its sizes by letter. `game` replaces
    sizes of the environment.
    """
    sizes = sizes_of(config, env_info(config.env, config.n_agents)) | {"T": steps} | game
    return trace_of(config, sizes, "cpu"), sizes


def shapes_of(trace: ShapeTrace, stage: str, fields: Sequence[str] | None = None) -> dict[str, list[int]]:
    return {key: list(f.shape) for key, f in trace[stage].fields.items() if fields is None or key in fields}


def acting(config: OMGConfig, **game: int) -> Case:
    """Return a case: every field that the runner returns and the buffer stores unchanged."""
    trace, sizes = plan(config, 2, game)
    return tuple(sizes[letter] for letter in "ARLOSC"), shapes_of(trace, "runner.run")


def sampling(config: OMGConfig, steps: int, **game: int) -> Case:
    """Return a case: obs and reward, from the sample to the learner's device."""
    trace, sizes = plan(config, steps, game)
    stages = {"sample": "buffer.sample", "truncate": "truncate", "to_device": "to_device"}
    truth = {
        f"{name} {key}": shape
        for name, stage in stages.items()
        for key, shape in shapes_of(trace, stage, ("obs", "reward")).items()
    }
    return tuple(sizes[letter] for letter in "AGLTO"), truth


def learning(config: OMGConfig, steps: int, **game: int) -> Case:
    """Return a case: from the regrouped batch to the loss."""
    trace, sizes = plan(config, steps, game)
    truth = shapes_of(trace, "learner.regroup", REGROUPED) | shapes_of(trace, "learner.omg_loss", SUBGOALS)
    for stage in ("controller.init_hidden", "learner.q_values", "learner.td_loss"):
        truth |= shapes_of(trace, stage)
    return tuple(sizes[letter] for letter in "AGTOCZH"), truth


def to_rows(x: Float[Tensor, "G T A F"]) -> Case:
    """Return a case: a regrouped field as the rows of a recurrent network, time first, then one row for each slot."""
    groups, steps, agents, width = x.shape

    def judge(rows: object) -> list[str]:
        own = [lambda r, g=g, a=a: (r[:, g * agents + a], x[g, :, a]) for g in range(groups) for a in range(agents)]
        return _judged(rows, [steps, groups * agents, width], own, _("rows are one slot's own sequence"))

    return (x,), judge


def to_slots(values: Float[Tensor, " G"], n_agents: int) -> Case:
    """Return a case: one number for each group, given to each of its rows."""

    def judge(rows: object) -> list[str]:
        own = [lambda r, k=k: (r[k], values[k // n_agents]) for k in range(len(values) * n_agents)]
        return _judged(rows, [len(own)], own, _("rows have their own group's number"))

    return (values, n_agents), judge


def own_seat(sample: TensorDict) -> Case:
    """Return a case: obs of a sample whose rows go round the seats in order."""
    return (sample["obs"],), regroup(sample)["obs"]


def _judged(x: object, shape: list[int], pairs: Sequence[Callable], right: str) -> list[str]:
    """Return [] if x is a tensor of this shape in which both parts of every pair are equal, else what is wrong."""
    if misshapen := _misshapen(x, shape):
        return misshapen
    wanted = pairs[0](x)[1].dtype
    if x.dtype != wanted and torch.bool not in (x.dtype, wanted):
        return [_("the numbers are {dtype}; they should be {wanted}.").format(dtype=x.dtype, wanted=wanted)]
    same = sum(torch.equal(*pair(x)) for pair in pairs)
    return (
        []
        if same == len(pairs)
        else [
            _("the shape is right, but not the content: {same} of {pairs} {right}.").format(
                same=same, pairs=len(pairs), right=right
            )
        ]
    )


def _misshapen(x: object, shape: list[int]) -> list[str]:
    if isinstance(x, Tensor) and list(x.shape) == shape:
        return []
    given = list(x.shape) if isinstance(x, Tensor) else type(x).__name__
    return [_("it returns {given}; it should return a tensor {shape}.").format(given=given, shape=shape)]


def counted(*shape: int) -> Tensor:
    """Return a tensor of different numbers, which shows any element that moved."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)


# --- assignment 2: the buffer ----------------------------------------------------------------------------------------


def insert(capacity: int, numbers: Sequence[int]) -> Case:
    """Return a case: a ring after all these episodes but the last, which is the next one."""
    ring = Ring(capacity)
    for number in numbers:
        before = _numbers(ring)
        ring.insert({"number": np.array(number)})
    return (before, capacity, len(numbers) - 1, number), _numbers(ring)


def _numbers(ring: Ring) -> list[int]:
    return [int(episode["number"]) for episode in ring.episodes]


def can_sample(held: Sequence[int], n: int) -> Case:
    """Return a case: whether n episodes can be drawn if seat a holds held[a] of them."""
    buffer = ReplayBuffer(len(held) * max(1, *held), n_seats=len(held))
    for ring, count in zip(buffer.rings, held, strict=True):
        for number in range(count):
            ring.insert({"number": np.array(number)})
    return (list(held), n), buffer.can_sample(n)


def sample(rings: Sequence[Sequence[int]], groups: int, seed: int) -> Case:
    """Return a case: a draw from rings of numbered episodes, no number twice. Any fair draw is right."""
    n = groups * len(rings)

    def judge(drawn: object) -> list[str]:
        wrong = seats_drawn(drawn, rings, n)
        return [wrong] if wrong else [] if len(set(drawn)) == n else [_("an episode is drawn twice.")]

    return ([list(ring) for ring in rings], n, seed), judge


def seats_drawn(drawn: object, rings: Sequence[Sequence[int]], n: int) -> str:
    """Return what is wrong with the seats of a sample, "" if nothing is. Row k must be of seat k % A; repeats pass."""
    if not isinstance(drawn, (list, tuple)) or len(drawn) != n or any(type(episode) is not int for episode in drawn):
        return _("it should return a list of {n} episodes.").format(n=n)
    for row, episode in enumerate(drawn):
        if episode not in rings[row % len(rings)]:
            return _("row {row} should be an episode of seat {seat}, but is not.").format(
                row=row, seat=row % len(rings)
            )
    return ""


def max_t_filled(filled: Bool[Tensor, "E T 1"]) -> Case:
    return (filled,), EpisodeBatch({"filled": filled}, batch_size=filled.shape[:2]).max_t_filled()


def stack(episodes: Sequence[Float[Tensor, "_ F"]], rows: int) -> Case:
    """Return a case: episodes of several lengths in one block of `rows` rows; the rest is zero, and not filled."""
    lengths, width = [len(episode) for episode in episodes], episodes[0].shape[1]

    def judge(made: object) -> list[str]:
        if not isinstance(made, dict) or not {"x", "filled"} <= set(made):
            return [_("it should return a dict with the keys x and filled.")]
        if getattr(made["filled"], "dtype", None) != torch.bool:
            return [_("filled should be bool.")]
        own = [lambda x, e=e, n=n: (x[e, :n], episodes[e]) for e, n in enumerate(lengths)]
        rest = [lambda x, e=e, n=n: (x[e, n:], torch.zeros(rows - n, width)) for e, n in enumerate(lengths)]
        mask = [lambda x, e=e, n=n: (x[e].nonzero().flatten(), torch.arange(n)) for e, n in enumerate(lengths)]
        wrong = _judged(
            made["x"], [len(lengths), rows, width], [*own, *rest], _("parts, played or left over, are right")
        )
        return wrong or _judged(made["filled"], [len(lengths), rows], mask, _("episodes have the right mask"))

    return (list(episodes), rows), judge


def counterexample(n_agents: int, n: int) -> Case:
    """Return a case: a list of seats, in the order of their episodes, long enough for a buffer that only counts
    episodes, but of which no n make up groups.
    """

    def judge(seats: object) -> list[str]:
        whole = isinstance(seats, (list, tuple)) and all(type(seat) is int for seat in seats)
        if not whole or any(seat not in range(n_agents) for seat in seats):
            return [_("it should return a list of seats, each from 0 to {last}.").format(last=n_agents - 1)]
        if len(seats) < n:
            return [
                _("{seats} episodes are too few: the naive buffer would not sample {n}.").format(seats=len(seats), n=n)
            ]
        if min(map(list(seats).count, range(n_agents))) * n_agents >= n:
            return [_("a lucky sample of these could be regrouped.")]
        return []

    return (n_agents, n), judge


def luck(n_agents: int, held: int) -> Case:
    """Return a case: the probability that A episodes, drawn from `held` of every seat, are one of every seat. It tries
    every draw, so use it for small numbers only.
    """
    draws = list(itertools.combinations(range(n_agents * held), n_agents))
    lucky = sum(len({episode % n_agents for episode in draw}) == n_agents for draw in draws)
    return (n_agents, held), lucky / len(draws)


# --- assignment 4: an experiment -------------------------------------------------------------------------------------


def planned() -> Case:
    """Return a case: a plan of an experiment. Any legal one is right."""

    def judge(plan: object) -> list[str]:
        try:
            read_plan(plan)
        except ConfigError as error:
            return [f"{error}."]
        return []

    return (), judge


def interval(values: Float[Tensor, "seeds updates"]) -> Case:
    """Return a case: low end, mean and high end of the 95 % interval over seeds, for each update. Student's t may be
    exact, or rounded as in T95.
    """
    mean, reach = values.mean(dim=0), T95[len(values)] * values.std(dim=0) / len(values) ** 0.5

    def judge(band: object) -> list[str]:
        if misshapen := _misshapen(band, [3, len(mean)]):
            return misshapen
        low, middle, high = band.double()
        right = [torch.isclose(middle, mean, rtol=1e-6, atol=1e-6)]
        right += [torch.isclose(half, reach, rtol=3e-4) for half in (middle - low, high - middle)]
        same = int(torch.stack(right).sum())
        said = _("the shape is right, but not the content: {right} of {all} places are right.")
        return [] if same == band.numel() else [said.format(right=same, all=band.numel())]

    return (values,), judge


def counted_up(seeds: int) -> Tensor:
    """Return values [seeds, 2] of two updates: 1, 2, 3, ... over the seeds, and their negatives."""
    values = torch.arange(1, seeds + 1, dtype=torch.float64)
    return torch.stack([values, -values], dim=1)


# --- the instant checks ----------------------------------------------------------------------------------------------

EIGHT = OMGConfig(n_agents=8, batch_size=32)


def seeded(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


VISIBLE: dict[str, Callable[[], list[Case]]] = {
    "a1-arithmetic": lambda: [arithmetic(EIGHT), arithmetic(OMGConfig(learner="iql"))],
    "a1-acting": lambda: [acting(EIGHT)],
    "a1-sampling": lambda: [sampling(EIGHT, 52)],
    "a1-learning": lambda: [learning(EIGHT, 52)],
    "a1-rows": lambda: [to_rows(counted(2, 3, 4, 5))],
    "a1-slots": lambda: [to_slots(counted(3), 4)],
    "a1-seat": lambda: [own_seat(labelled(2, 3, 4))],
    "a2-insert": lambda: [insert(4, range(k + 1)) for k in (0, 3, 4, 6)],
    "a2-can-sample": lambda: [can_sample([2, 2, 2], 6), can_sample([2, 2, 2], 9), can_sample([5, 1, 3], 6)],
    "a2-sample": lambda: [sample([range(3), range(3, 7), range(7, 12)], 2, seed) for seed in range(3)],
    "a2-max-t": lambda: [max_t_filled((torch.arange(9) < torch.tensor([[4], [7], [2]])).unsqueeze(2))],
    "a2-stack": lambda: [stack([counted(length, 2) + 1 for length in (2, 4, 3)], 5)],
    "a2-counterexample": lambda: [counterexample(3, 6)],
    "a2-luck": lambda: [luck(2, 1), luck(3, 4), luck(4, 3)],
    "a3-regroup": lambda: [regrouping(2, 3, 4, 5, shuffled, seeded(0)) for shuffled in (False, True)],
    "a3-living": lambda: [living(2, 3, 8, 3, deaths, seeded(1)) for deaths in (False, True)],
    "a3-windows": lambda: [windows(torch.tensor([[7, 4], [2, 6]]), 8, 3, 3, seeded(2))],
    "a3-value": lambda: [value(6, 5, seeded(3))],
    "a3-choose": lambda: [choice(6, 5, mode, seeded(4)) for mode in ("optimistic", "conservative")],
    "a3-kl": lambda: [divergence((2, 3, 4), standard, seeded(5)) for standard in (True, False)],
    "a3-mean": lambda: [mean_of((6, 4), kept, seeded(6)) for kept in (0.5, 0.0)],
    "a4-plan": lambda: [planned()],
    "a4-band": lambda: [interval(counted_up(3)), interval(counted_up(5))],
    "a3-loss": lambda: [loss_by_hand()],
}
"""Task -> its visible cases."""
