"""Hidden tests of assignment 3, the OMG loss: random data in double precision, against the library to 1e-6."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import torch
from einops import rearrange
from torch import Tensor

from grader.tasks import Criterion, Task, equal, generator
from omg_lib.episodes import masked_mean
from omg_lib.lessons.assignments.cases import (
    Case,
    choice,
    divergence,
    lengths_of,
    living,
    mean_of,
    normal,
    regrouping,
    value,
    windows,
)
from omg_lib.subgoals import gaussian_kl
from omg_lib.words import _

Made = list[tuple[str, Case]]


def some(random: Random, *ranges: tuple[int, int]) -> list[int]:
    return [random.randint(low, high) for low, high in ranges]


def regroup_cases(random: Random) -> Made:
    def make(shuffled: bool) -> Case:
        return regrouping(*some(random, (2, 5), (2, 6), (2, 6), (1, 4)), shuffled, generator(random))

    return [("shuffled" if shuffled else "order", make(shuffled)) for shuffled in (False, True) for _ in range(4)]


def living_cases(random: Random) -> Made:
    def make(deaths: bool) -> Case:
        return living(*some(random, (3, 6), (2, 6), (9, 15)), deaths, generator(random))

    return [("dead" if deaths else "whole", make(deaths)) for deaths in (False, True) for _ in range(4)]


def window_cases(random: Random) -> Made:
    made = []
    for kind in ("long", "short") * 4:
        groups, agents, steps, width, horizon = some(random, (2, 4), (2, 4), (9, 12), (1, 4), (2, 6))
        chance = generator(random)
        last = lengths_of(groups, agents, steps, chance) - 1
        last = torch.full_like(last, steps - 1) if kind == "long" else last
        made.append((kind, windows(last, steps, width, horizon, chance)))
    return made


def away_from_the_end(cases: Sequence[Case], answers: Sequence[object]) -> str:
    """Judge only the steps that have all H candidates before the episode's end."""
    cut = []
    for (args, truth), answer in zip(cases, answers, strict=True):
        steps = args[0].shape[1] - args[2]
        kept = answer[:, :steps] if isinstance(answer, torch.Tensor) and answer.shape == truth.shape else answer
        cut.append(((args, truth[:, :steps]), kept))
    return equal([case for case, _ in cut], [answer for _, answer in cut])


def loss_cases(random: Random) -> Made:
    made = []
    for kind, weight in (("recon", 0.0), ("whole", random.uniform(0.1, 1.0))) * 4:
        groups, agents, steps = some(random, (2, 4), (2, 4), (6, 9))
        chance = generator(random)
        last = lengths_of(groups, agents, steps, chance) - 1
        made.append((kind, omg_loss(last, steps, (random.randint(2, 6), random.randint(2, 6)), weight, chance)))
    return made


def omg_loss(last: Tensor, steps: int, widths: tuple[int, int], weight: float, generator: torch.Generator) -> Case:
    """Return a case of reconstruction and KL over the steps before the last living one; NaN follows it."""
    groups, agents = last.shape
    time = rearrange(torch.arange(steps), "t -> 1 t 1")
    beyond = (time > last.unsqueeze(1)).unsqueeze(3)

    def block(width: int) -> Tensor:
        return normal(generator, groups, steps, agents, width).masked_fill(beyond, math.nan)

    (obs, rebuilt), gaussians = [block(widths[0]) for _ in range(2)], [block(widths[1]) for _ in range(4)]
    scored = time < last.unsqueeze(1)
    error = masked_mean(((rebuilt - obs) ** 2).mean(dim=3), scored)
    return (obs, rebuilt, *gaussians, last, weight), error + weight * masked_mean(gaussian_kl(*gaussians), scored)


def choice_case(mode: str, random: Random) -> Case:
    return choice(*some(random, (4, 9), (2, 9)), mode, generator(random))


def kl_case(kind: str, random: Random, axes: int) -> Case:
    return divergence(some(random, *[(2, 6)] * axes), kind == "standard", generator(random))


def mean_case(kind: str, random: Random, axes: int) -> Case:
    kept = 0.0 if kind == "none" else 0.6 if axes > 1 else 1e-9
    return mean_of(some(random, *[(3, 5)] * (axes + 1)), kept, generator(random))


def of_both(make: Callable[..., Case], kinds: Sequence[str]) -> Callable[[Random], Made]:
    return lambda random: [(kind, make(kind, random)) for kind in kinds for _ in range(4)]


def of_axes(make: Callable[..., Case], kinds: Sequence[str]) -> Callable[[Random], Made]:
    """Make tensors of both kinds, with few axes and with many."""
    return lambda random: [(kind, make(kind, random, axes)) for kind in kinds for axes in (1, 2, 3, 4)]


def tasks(folder: Path) -> list[Task]:
    """The tests; what else a submission holds plays no part."""
    return [
        Task("a3-regroup-test", "a3-regroup", regroup_cases, [
            Criterion(_("rows in the order of seats"), 1, equal, "order"),
            Criterion(_("shuffled rows"), 3, equal, "shuffled"),
        ]),
        Task("a3-living-test", "a3-living", living_cases, [
            Criterion(_("padding does not count"), 1, equal, "whole"),
            Criterion(_("steps after a unit's death do not count"), 2, equal, "dead"),
        ]),
        Task("a3-windows-test", "a3-windows", window_cases, [
            Criterion(_("the next H states, away from the end"), 2, away_from_the_end, "long"),
            Criterion(_("the last living state fills the rest"), 2, equal),
        ]),
        Task("a3-value-test", "a3-value",
             lambda random: [("", value(*some(random, (4, 9), (3, 9)), generator(random))) for _ in range(4)],
             [Criterion(_("the mean over the available actions"), 2, equal)]),
        Task("a3-choose-test", "a3-choose",
             of_both(choice_case, ("optimistic", "conservative")), [
            Criterion(_("optimistic"), 1, equal, "optimistic"),
            Criterion(_("conservative"), 1, equal, "conservative"),
        ]),
        Task("a3-kl-test", "a3-kl",
             of_axes(kl_case, ("standard", "any")), [
            Criterion(_("to the standard Gaussian"), 1, equal, "standard"),
            Criterion(_("to any Gaussian"), 2, equal, "any"),
        ]),
        Task("a3-mean-test", "a3-mean",
             of_axes(mean_case, ("some", "none")), [
            Criterion(_("masked values do not enter, not even NaN"), 1, equal, "some"),
            Criterion(_("zero if the mask keeps nothing"), 1, equal, "none"),
        ]),
        Task("a3-loss-test", "a3-loss", loss_cases, [
            Criterion(_("reconstruction"), 2, equal, "recon"),
            Criterion(_("with the KL"), 2, equal, "whole"),
        ]),
    ]  # fmt: skip
