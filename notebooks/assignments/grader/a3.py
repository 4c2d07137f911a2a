"""Hidden tests of assignment 3, the OMG loss: random data in double precision, against the library to 1e-6."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
from einops import rearrange
from torch import Tensor

from grader.tasks import Criterion, Task, equal, generator, sizes, some
from omg_lib.episodes import masked_mean
from omg_lib.lessons.assignments.data import Case
from omg_lib.lessons.assignments.loss_cases import (
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


def regroup_cases(random: Random) -> Made:
    return [
        ("shuffled" if shuffled else "order", regrouping(*shape, shuffled, generator(random)))
        for shuffled in (False, True)
        for shape in sizes(random, (1, 5), (2, 6), (1, 6), (1, 4))
    ]


def living_cases(random: Random) -> Made:
    return [
        ("dead" if deaths else "whole", living(*shape, deaths, generator(random)))
        for deaths in (False, True)
        for shape in sizes(random, (1, 6), (2, 6), (2, 15), (1, 9))
    ]


def window_cases(random: Random) -> Made:
    made = []
    for kind, steps, horizon in (("long", (9, 12), (1, 6)), ("short", (2, 12), (1, 15))):
        for groups, agents, *shape in sizes(random, (1, 4), (2, 4), steps, (1, 4), horizon):
            chance = generator(random)
            last = lengths_of(groups, agents, shape[0], chance) - 1
            last = torch.full_like(last, shape[0] - 1) if kind == "long" else last
            made.append((kind, windows(last, *shape, chance)))
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
    for kind, most in (("recon", 0.0), ("whole", 3.0)):
        for groups, agents, steps, *widths in sizes(random, (1, 4), (2, 4), (2, 9), (1, 6), (1, 6)):
            chance = generator(random)
            last = lengths_of(groups, agents, steps, chance) - 1
            made.append((kind, omg_loss(last, steps, widths, random.uniform(most / 9, most), chance)))
    return made


def omg_loss(last: Tensor, steps: int, widths: Sequence[int], weight: float, generator: torch.Generator) -> Case:
    """Return a case of reconstruction and KL over the steps before the last living one. NaN or numbers
    follow it.
    """
    groups, agents = last.shape
    time = rearrange(torch.arange(steps), "t -> 1 t 1")
    beyond = (time > last.unsqueeze(1)) & (torch.rand(groups, steps, agents, generator=generator) < 0.5)

    def block(width: int) -> Tensor:
        return normal(generator, groups, steps, agents, width).masked_fill(beyond.unsqueeze(3), math.nan)

    (obs, rebuilt), gaussians = [block(widths[0]) for _ in range(2)], [block(widths[1]) for _ in range(4)]
    scored = time < last.unsqueeze(1)
    error = masked_mean(((rebuilt - obs) ** 2).mean(dim=3), scored)
    return (obs, rebuilt, *gaussians, last, weight), error + weight * masked_mean(gaussian_kl(*gaussians), scored)


def value_cases(random: Random) -> Made:
    return [("", value(*shape, generator(random))) for shape in sizes(random, (1, 30), (1, 9))]


def choice_cases(random: Random) -> Made:
    return [
        (mode, choice(*shape, mode, generator(random)))
        for mode in ("optimistic", "conservative")
        for shape in sizes(random, (1, 99), (1, 9))
    ]


def kl_cases(random: Random) -> Made:
    return [
        (kind, divergence(shape, kind == "standard", generator(random)))
        for kind in ("standard", "any")
        for axes in (1, 2, 3)
        for shape in sizes(random, *[(1, 6)] * axes)
    ]


def mean_cases(random: Random) -> Made:
    """Make masks that keep one value, many, all or none."""
    return [
        ("some" if kept else "none", mean_of(some(random, *[(1, 6)] * axes), kept, generator(random)))
        for kept in (1e-9, 0.6, 0.6, 1.0, 0.0)
        for axes in (1, 2, 3, 4)
    ]


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
        Task("a3-value-test", "a3-value", value_cases, [
            Criterion(_("the mean over the available actions"), 2, equal),
        ]),
        Task("a3-choose-test", "a3-choose", choice_cases, [
            Criterion(_("optimistic"), 1, equal, "optimistic"),
            Criterion(_("conservative"), 1, equal, "conservative"),
        ]),
        Task("a3-kl-test", "a3-kl", kl_cases, [
            Criterion(_("to the standard Gaussian"), 1, equal, "standard"),
            Criterion(_("to any Gaussian"), 2, equal, "any"),
        ]),
        Task("a3-mean-test", "a3-mean", mean_cases, [
            Criterion(_("masked values do not enter, not even NaN"), 1, equal, "some"),
            Criterion(_("zero if the mask keeps nothing"), 1, equal, "none"),
        ]),
        Task("a3-loss-test", "a3-loss", loss_cases, [
            Criterion(_("reconstruction"), 2, equal, "recon"),
            Criterion(_("with the KL"), 2, equal, "whole"),
        ]),
    ]  # fmt: skip
