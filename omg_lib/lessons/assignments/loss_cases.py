"""Cases of assignment 3, the OMG loss: random numbers, and the library's result for them. See `cases`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from einops import rearrange, repeat
from jaxtyping import Int
from tensordict import TensorDict
from torch import Tensor
from torch.nn.functional import one_hot

from omg_lib.episodes import masked_mean
from omg_lib.lessons.assignments.data import Case
from omg_lib.regroup import regroup
from omg_lib.subgoals import candidate_windows, choose, gaussian_kl, last_living, mean_available

Generator = torch.Generator


def normal(generator: Generator, *shape: int) -> Tensor:
    """Draw in double precision: two right ways to compute the same then differ by far less than the tolerance."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def junk(shape: Sequence[int], generator: Generator) -> Tensor:
    """Draw values for places that must not count: NaN, infinity, a very large number, or one like those that count."""
    strange = torch.tensor([math.nan, math.inf, -1e9], dtype=torch.float64)
    kind = torch.randint(4, tuple(shape), generator=generator)
    return normal(generator, *shape).where(kind == 3, strange[kind % 3])


def regrouping(groups: int, agents: int, steps: int, width: int, shuffled: bool, generator: Generator) -> Case:
    """Return a case: obs of a sample, and the learner's seat in each row."""
    rows = groups * agents
    seats = ordered = torch.arange(rows) % agents
    while shuffled and torch.equal(seats, ordered):
        seats = ordered[torch.randperm(rows, generator=generator)]
    seat, obs = repeat(seats, "e -> e t 1", t=steps), normal(generator, rows, steps, agents, width)
    return (obs, seat), regroup(TensorDict({"obs": obs, "seat": seat}, batch_size=[rows, steps]))["obs"]


def lengths_of(groups: int, agents: int, steps: int, generator: Generator) -> Int[Tensor, "G A"]:
    """Draw a number of steps for each slot. At least one has them all, and one of the others a single step."""
    lengths = torch.randint(1, steps + 1, (groups, agents), generator=generator)
    longest, shortest = torch.randperm(groups * agents, generator=generator)[:2]
    lengths.view(-1)[longest], lengths.view(-1)[shortest] = steps, 1
    return lengths


def living(groups: int, agents: int, steps: int, width: int, deaths: bool, generator: Generator) -> Case:
    """Return a case: padded episodes, in which some units die before the end if `deaths`. The padding means nothing: a
    part of it is zero. Living units also observe one number among zeros, and two whose sum is zero.
    """
    lived = played = lengths_of(groups, agents, steps, generator)
    while deaths and torch.equal(lived, played):
        lived = torch.minimum(lengths_of(groups, agents, steps, generator), played)
    time = rearrange(torch.arange(steps), "t -> 1 t 1")
    filled, dead = time < played.unsqueeze(1), (time >= lived.unsqueeze(1)) & (time < played.unsqueeze(1))
    obs = normal(generator, groups, steps, agents, width)
    one = one_hot(torch.randint(width, (groups, steps, agents), generator=generator), width)
    two = one - one.roll(1, dims=3)
    kind = torch.randint(min(width, 2) + 1, (groups, steps, agents, 1), generator=generator)
    obs = obs.where(kind == 0, obs[..., :1] * one.where(kind == 1, two))
    blank = ~filled & (torch.rand(filled.shape, generator=generator) < 0.5)
    obs = obs.masked_fill((dead | blank).unsqueeze(3), 0.0)
    return (obs, filled), last_living(obs, filled)


def windows(last: Int[Tensor, "G A"], steps: int, width: int, horizon: int, generator: Generator) -> Case:
    groups, agents = last.shape
    embedding = normal(generator, groups, steps, agents, width)
    return (embedding, last, horizon), candidate_windows(embedding, last, horizon).clone()


def value(rows: int, actions: int, generator: Generator) -> Case:
    """Return a case: Q with junk for unavailable actions. The first row has one available action, the last has all."""
    avail = torch.rand(rows, actions, generator=generator) < 0.6
    avail[torch.arange(rows), torch.randint(actions, (rows,), generator=generator)] = True
    avail[0], avail[-1] = torch.arange(actions) == actions - 1, True
    q = normal(generator, rows, actions).where(avail, junk(avail.shape, generator))
    return (q, avail), mean_available(q, avail)


def choice(rows: int, horizon: int, mode: str, generator: Generator) -> Case:
    """Return a case: values of candidates. In some rows all of them are negative, in others all are positive."""
    values = normal(generator, rows, horizon) + 3 * normal(generator, rows, 1)
    return (values, mode), choose(values, mode)


def divergence(shape: Sequence[int], standard: bool, generator: Generator) -> Case:
    """Return a case: the KL from Gaussians [..., Z] to the standard one, or to any."""
    mu, log_var, target_mu, target_log_var = (scale * normal(generator, *shape) for scale in (1, 3, 1, 3))
    if standard:
        target_mu, target_log_var = torch.zeros_like(mu), torch.zeros_like(mu)
    return (mu, log_var, target_mu, target_log_var), gaussian_kl(mu, log_var, target_mu, target_log_var)


def mean_of(shape: Sequence[int], kept: float, generator: Generator) -> Case:
    """Return a case: numbers of which a mask keeps a share, at least one unless the share is 0; the rest is junk."""
    mask = torch.rand(*shape, generator=generator) < kept
    mask.view(-1)[torch.randint(mask.numel(), (), generator=generator)] |= kept > 0
    x = normal(generator, *shape).where(mask, junk(shape, generator))
    return (x, mask), masked_mean(x, mask)


def loss_by_hand() -> Case:
    """Return a case: one slot, whose unit lives until step 3 of 5. Errors are 0, 1, 4, each KL is 3 / 2; then NaN."""
    rebuilt = repeat(torch.tensor([0.0, 1.0, 2.0, 9.0, math.nan], dtype=torch.float64), "t -> 1 t 1 o", o=4)
    zero = torch.zeros(1, 5, 1, 3, dtype=torch.float64)
    gaussians = (zero, zero, zero + 1, zero)
    return (0 * rebuilt, rebuilt, *gaussians, torch.tensor([[3]]), 0.1), 5 / 3 + 0.1 * 3 / 2
