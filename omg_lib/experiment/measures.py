"""Measure what OMG infers in greedy test episodes: which candidate becomes the subgoal (the paper's Table 3), and how
often the agent reaches the state that an inferred subgoal decodes to (the hit ratio of App. E and Fig. 8(a)).

The hit ratio needs a definition of "the same state". Here it is a cell: where a seat sees its co-players, on a grid.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int
from tensordict import TensorDictBase
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.envs import make_env
from omg_lib.envs.base import whole_number
from omg_lib.envs.skirmish import Skirmish
from omg_lib.episodes import EpisodeBatch, living, to_device, truncate
from omg_lib.learners.omg import OMGLearner
from omg_lib.regroup import regroup
from omg_lib.runner import Runner
from omg_lib.seeds import TEST_EPISODES
from omg_lib.subgoals import last_step
from omg_lib.training import Training
from omg_lib.words import _

CELL = 2.0
"""Width of a cell in map units: a unit crosses a cell in about two steps, and sees 4.5 cells far."""
UNSEEN = -(10**6)
"""Marks a co-player that is not visible: dead, or out of sight."""


@dataclass(frozen=True)
class SubgoalReport:
    """The result of `subgoal_report`. Shares and ratios are from 0 to 1.

    | field | meaning |
    |---|---|
    | shares | of k = 1..H among the chosen candidates, from `choice_shares` |
    | hit_ratio | mean over the trajectories; a trajectory is what one learner's seat sees while its unit is alive |
    | present | hit ratio of predicting the present state, through the same prior: shows the decoder's loss |
    | ceiling | hit ratio of always predicting the true next state |
    | distinct | mean share of distinct states in a trajectory: the upper bound of the ratios |
    | kept | share of the predictions at which the present state survives encoding and decoding |
    | trajectories | number of trajectories |
    """

    shares: tuple[float, ...]
    hit_ratio: float
    present: float
    ceiling: float
    distinct: float
    kept: float
    trajectories: int


# --- states as cells -------------------------------------------------------------------------------------------------


def hit_ratio(predicted: Sequence[Hashable], visited: Sequence[Hashable]) -> float:
    """Return the share of a trajectory that was predicted: |{predicted[t] : predicted[t] in visited[t:]}| / T.

    `visited` are the T states of a trajectory, `predicted[t]` is the prediction at t: T - 1 predictions, because
    nothing follows the last state, or T if there is one at the last state, which only that state fulfils. As in the
    paper's App. E, a state counts once however often it was predicted, and the present state fulfils a prediction as a
    later one does: the maximum is the share of distinct states. ValueError for another number of predictions.
    """
    if not visited or len(visited) - len(predicted) not in (0, 1):
        raise ValueError(
            _("{predicted} predictions for {visited} states, allowed are as many or one less").format(
                predicted=len(predicted), visited=len(visited)
            )
        )
    latest = {state: t for t, state in enumerate(visited)}
    return len({state for t, state in enumerate(predicted) if latest.get(state, -1) >= t}) / len(visited)


def units_of(obs: Float[Tensor, "*N O"]) -> tuple[Float[Tensor, "*N n 5"], Float[Tensor, "*N mates 5"]]:
    """Split skirmish's observations, O = 10n, into enemies and co-players, each (flag, distance, x, y, health). The
    flag means "can be shot" for an enemy, "visible" for a co-player; distances are fractions of sight, from the seat.
    """
    n = obs.shape[-1] // 10
    units = rearrange(obs[..., 4:-1], "... (unit part) -> ... unit part", part=5)
    return units[..., :n, :], units[..., n:, :]


def mate_cells(obs: Float[Tensor, "*N O"], sight: float) -> Int[Tensor, "*N mates 2"]:
    """Return where a seat sees its co-players, from real or decoded skirmish observations: x and y from the seat, in
    cells of width CELL, rounded; UNSEEN if the flag is below 0.5. `sight` is in map units.
    """
    _, mates = units_of(obs)
    cells = (mates[..., 2:4] * (sight / CELL)).round().long()
    return torch.where(mates[..., :1] >= 0.5, cells, UNSEEN)


# --- a run's subgoals ------------------------------------------------------------------------------------------------


def play_tests(run: Training, episodes: int | Any) -> EpisodeBatch:
    """Play a run's first test episodes greedily in parallel: [E, T, ...], truncated, on the learner's device.

    Row e is test episode e, always the same battle; the learner's seat rotates. No steps are counted and no training
    takes place. ConfigError unless `episodes` gives every seat the same number.
    """
    config = run.config
    seats = config.n_agents if config.has_teammates else 1
    if whole_number("episodes", episodes, 1) % seats:
        raise ConfigError(
            "episodes",
            episodes,
            _("each of the {seats} seats plays equally often: allowed are multiples").format(seats=seats),
        )
    with closing(make_env(config.env, config.n_agents, batch=episodes, seed=config.seed)) as env:
        return to_device(truncate(Runner(config, env, run.controller).run(test_mode=True)), run.device)


def replay(run: Training, batch: EpisodeBatch, row: int) -> list[dict[str, Any]]:
    """Replay one row of `play_tests` from its actions, and return one frame for drawing per filled step."""
    with closing(make_env(run.config.env, run.config.n_agents, seed=run.config.seed)) as env:
        env.reset(first=TEST_EPISODES + row)
        frames = [env.frame()]
        for actions in batch["actions"][row, : int(batch["filled"][row].sum()) - 1, :, 0].cpu():
            env.step(actions.unsqueeze(0))
            frames.append(env.frame())
    return frames


@torch.no_grad()
def inferred_states(run: Training, batch: TensorDictBase) -> Float[Tensor, "G T A O"]:
    """Decode the inferred subgoal of each step to an observation: the prior's decoder applied to the mean of g^.

    `batch` is [G*A, T, ...] with seats, or [G, T, ...] if all seats learn; slot a of group g is the g-th episode of
    seat a, so with `play_tests` row e is [e // A, :, its seat]. Padding is zero. ConfigError for a run whose learner is
    not OMG.
    """
    learner = _learner(run)
    steps = learner.read(_grouped(batch))
    no_noise = steps.obs.new_zeros(len(steps.obs), run.config.subgoal_dim)
    return steps.rows.unpack(learner.prior.decoder(learner.infer(steps, no_noise).mu))


@torch.no_grad()
def choice_shares(run: Training, batch: TensorDictBase) -> Float[Tensor, " H"]:
    """Return the share of k = 1..H among the candidates that Eq. 6 (or 7, or an ablation) chooses: the paper's Table 3.

    The candidates are scored as in an update, but along the mean of g^, which acted. Only steps with H living states
    ahead count: later the window repeats its last state, and the choice between equal candidates has no meaning. NaN if
    there is no such step. `batch` and errors as in `inferred_states`.
    """
    learner, grouped, horizon = _learner(run), _grouped(batch), run.config.horizon
    steps = learner.read(grouped)
    noise = learner.draw_noise(steps)
    noise["cvae"].zero_()
    chosen = learner.omg_loss(grouped, steps, noise, mix=0.0)[1]["chosen"]
    last = last_step(living(grouped, run.env.info)).unsqueeze(1)
    time = rearrange(torch.arange(chosen.shape[1], device=chosen.device), "t -> 1 t 1")
    counted = chosen[time + horizon <= last]
    return torch.bincount(counted, minlength=horizon) / len(counted)


def subgoal_report(run: Training, episodes: int | Any) -> SubgoalReport:
    """Play test episodes and measure what was inferred in them.

    A trajectory ends with the last state in which the seat's unit is alive. Every state but the last has a prediction,
    as in the OMG loss. ConfigError for a run whose learner is not OMG or whose observations are not skirmish's, and for
    a number of episodes that is not a multiple of the seats.
    """
    learner = _learner(run)
    if not isinstance(run.env, Skirmish):
        raise ConfigError("env", run.config.env, _("the hit ratio reads skirmish's observations: allowed is skirmish"))
    batch = play_tests(run, episodes)
    grouped = _grouped(batch)
    obs = grouped["obs"]
    with torch.no_grad():
        present = learner.prior.decoder(learner.prior(obs)[0])
    last = last_step(living(grouped, run.env.info))
    states = (obs, inferred_states(run, batch), present)
    visited, guessed, repeated = (_trajectories(mate_cells(x, run.env.options.sight), last) for x in states)
    pairs = [pair for cells in zip(visited, repeated, strict=True) for pair in list(zip(*cells, strict=True))[:-1]]
    return SubgoalReport(
        shares=tuple(choice_shares(run, batch).tolist()),
        hit_ratio=_mean_ratio([cells[:-1] for cells in guessed], visited),
        present=_mean_ratio([cells[:-1] for cells in repeated], visited),
        ceiling=_mean_ratio([cells[1:] for cells in visited], visited),
        distinct=sum(len(set(cells)) / len(cells) for cells in visited) / len(visited),
        kept=sum(seen == again for seen, again in pairs) / len(pairs),
        trajectories=len(visited),
    )


def _learner(run: Training) -> OMGLearner:
    if not isinstance(run.learner, OMGLearner):
        raise ConfigError("learner", run.config.learner, _("only omg infers subgoals: allowed is a run of omg"))
    return run.learner


def _grouped(batch: TensorDictBase) -> TensorDictBase:
    return regroup(batch) if "seat" in batch.keys() else batch


def _trajectories(cells: Int[Tensor, "G T A mates 2"], last: Int[Tensor, "G A"]) -> list[list[bytes]]:
    """Return the states of each group's seats up to `last`, one hashable value per state."""
    by_seat = rearrange(cells, "g t a mates xy -> (g a) t (mates xy)").numpy(force=True)
    ends = (last.flatten() + 1).tolist()
    return [[state.tobytes() for state in states[:end]] for states, end in zip(by_seat, ends, strict=True)]


def _mean_ratio(predicted: list[list[bytes]], visited: list[list[bytes]]) -> float:
    return sum(map(hit_ratio, predicted, visited)) / len(visited)
