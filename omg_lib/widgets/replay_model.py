"""The step-by-step panels without Jupyter: battles, a run's subgoals in them, a prior's view of them.

A model has `titles` (of its battles), `battle` (the one shown) with `choose(battle)`, `steps`, and for each step
`pictures(step)`, pairs of a caption and an SVG text, and `words(step)`, one sentence that describes them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.envs.base import whole_number
from omg_lib.envs.rules import Rules
from omg_lib.envs.skirmish import Skirmish
from omg_lib.episodes import EpisodeBatch
from omg_lib.experiment.measures import inferred_states, play_tests, replay, units_of
from omg_lib.learners.omg import OMGLearner
from omg_lib.plots.latent import MARKS, latent_svg, principal_plane
from omg_lib.plots.subgoals import subgoal_svg
from omg_lib.regroup import regroup
from omg_lib.subgoals import SubgoalPrior, gaussian_kl
from omg_lib.training import Training
from omg_lib.words import N_, _, listing, plural

Picture = tuple[str, str]
POINTS = 800
"""Maximum number of points in a cloud: each step of the slider sends them all."""


@dataclass(frozen=True)
class Scene:
    """A battle, and what one seat sees in it: `obs[t]` belongs to `frames[t]`, and ends where the seat's unit dies."""

    seat: int
    frames: list[dict[str, Any]]
    obs: Float[Tensor, "T O"]
    sight: float = Rules.sight

    @property
    def title(self) -> str:
        last = self.frames[-1]
        said = _("battle {battle}, seat {seat}, won") if last["won"] else _("battle {battle}, seat {seat}, not won")
        return said.format(battle=last["episode"] % 10**6, seat=self.seat)


def scene(run: Training, batch: EpisodeBatch, row: int | Any, seat: int | Any | None = None) -> Scene:
    """Return one row of `measures.play_tests`, seen from one seat, by default the learner's.

    ConfigError for a row or seat that does not exist, or a run whose game is not skirmish.
    """
    if not isinstance(run.env, Skirmish):
        raise ConfigError("env", run.config.env, _("the pictures are of battles: allowed is skirmish"))
    row = whole_number("row", row, 0, len(batch) - 1)
    if seat is None:
        seat = int(batch["seat"][row, 0]) if "seat" in batch.keys() else 0
    seat = whole_number("seat", seat, 0, run.config.n_agents - 1)
    frames = replay(run, batch, row)
    obs = batch["obs"][row, : len(frames), seat].cpu()
    lived = int((obs != 0).any(dim=-1).sum())
    return Scene(seat, frames, obs[:lived], run.env.options.sight)


class _Battles:
    """The battles of a model, and the one that is shown."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        if not scenes:
            raise ConfigError("scenes", list(scenes), _("allowed are one or more"))
        self.scenes = list(scenes)
        self.titles = tuple(one.title for one in scenes)
        self.battle = 0

    @property
    def scene(self) -> Scene:
        return self.scenes[self.battle]

    def choose(self, battle: int | Any) -> None:
        """Show another battle. ConfigError if there is no battle of this number."""
        self.battle = whole_number("battle", battle, 0, len(self.scenes) - 1)

    @property
    def steps(self) -> int:
        return len(self.scene.obs)

    def checked(self, step: int | Any) -> int:
        return whole_number("step", step, 0, self.steps - 1)


class ReplayModel(_Battles):
    """The subgoal that a run infers at each step of its test battles, beside the one chosen in hindsight.

    Only steps count at which the learner's unit is alive and has a next step. ConfigError for a run whose learner is
    not OMG or whose game is not skirmish, and for a number of episodes that the seats do not divide.
    """

    def __init__(self, run: Training, episodes: int | Any = 6) -> None:
        if not isinstance(run.learner, OMGLearner):
            raise ConfigError("learner", run.config.learner, _("only omg infers subgoals: allowed is omg"))
        batch = play_tests(run, episodes)
        super().__init__([scene(run, batch, row) for row in range(len(batch))])
        learner, grouped = run.learner, regroup(batch) if "seat" in batch.keys() else batch
        with torch.no_grad():
            steps = learner.read(grouped)
            noise = learner.draw_noise(steps)
            noise["cvae"].zero_()  # tests play with the mean of g^
            found = learner.omg_loss(grouped, steps, noise, mix=0.0)[1]
            states = learner.prior.decoder(learner.prior(steps.obs)[0])
        agents = run.config.n_agents if "seat" in batch.keys() else 1
        found_here = inferred_states(run, batch), found["values"], found["chosen"], steps.rows.unpack(states)
        per_row = [
            tuple(x[row // agents, :, one.seat].cpu() for x in found_here) for row, one in enumerate(self.scenes)
        ]
        self.inferred, self.values, self.chosen, self.passed = map(list, zip(*per_row, strict=True))

    @property
    def steps(self) -> int:
        return max(1, len(self.scene.obs) - 1)

    def ahead(self, step: int) -> int:
        """Return the step of the chosen state: t + k, at most the unit's last living step."""
        return min(step + 1 + int(self.chosen[self.battle][step]), len(self.scene.obs) - 1)

    def pictures(self, step: int | Any) -> tuple[Picture, Picture]:
        step, one = self.checked(step), self.scene
        decoded = self.inferred[self.battle][step], self.passed[self.battle][self.ahead(step)]
        captions = (
            _("inferred from what the seat has seen so far"),
            _("chosen in hindsight: step {step}").format(step=self.ahead(step)),
        )
        return tuple(
            (caption, subgoal_svg(one.frames[step], one.seat, x, one.sight))
            for caption, x in zip(captions, decoded, strict=True)
        )

    def words(self, step: int | Any) -> str:
        step = self.checked(step)
        values = self.values[self.battle][step].tolist()
        worth = listing(f"t+{k} {value:.2f}" for k, value in enumerate(values, start=1))
        return _("Step {step} of {steps}: chosen t+{chosen}. Values: {worth}.").format(
            step=step, steps=self.steps - 1, chosen=int(self.chosen[self.battle][step]) + 1, worth=worth
        )


class LatentModel(_Battles):
    """A prior's embeddings in a plane with the path of a battle through them, beside the battle with what the current
    state's embedding decodes to.

    `states` [N, O] are the cloud, marked by the number of enemies seen. ConfigError for an empty list of scenes.
    """

    def __init__(self, prior: SubgoalPrior, states: Float[Tensor, "N O"], scenes: Sequence[Scene]) -> None:
        super().__init__(scenes)
        self.prior = copy.deepcopy(prior).cpu()
        with torch.no_grad():
            mu = self.prior(states.cpu())[0]
        self.plane = principal_plane(mu)
        shown = slice(None, None, -(-len(mu) // POINTS))
        self.cloud, enemies = self.plane(mu[shown]), units_of(states[shown].cpu())[0]
        most = len(MARKS) - 1
        self.kinds = (enemies[..., 1] > 0).sum(dim=-1).clamp(max=most)
        self.names = [plural("{n} enemy seen", "{n} enemies seen", k).format(n=k) for k in range(most + 1)]
        if enemies.shape[1] > most:
            self.names[-1] = _("{most} or more seen").format(most=most)
        else:
            self.names = self.names[: enemies.shape[1] + 1]

    @torch.no_grad()
    def embedded(self) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the embeddings of the shown battle's states."""
        return self.prior(self.scene.obs)

    @torch.no_grad()
    def pictures(self, step: int | Any) -> tuple[Picture, Picture]:
        step, one = self.checked(step), self.scene
        mu = self.embedded()[0]
        plane = latent_svg(self.cloud, self.kinds, self.names, self.plane(mu), step)
        battle = subgoal_svg(one.frames[step], one.seat, self.prior.decoder(mu[step]), one.sight, what=N_("embedding"))
        return (_("the embedding of each state"), plane), (_("the battle, and what its embedding decodes to"), battle)

    @torch.no_grad()
    def words(self, step: int | Any) -> str:
        step = self.checked(step)
        (mu, log_var), zero = self.embedded(), torch.zeros(self.prior.mu.out_features)
        error = float(((self.prior.decoder(mu[step]) - self.scene.obs[step]) ** 2).mean())
        kl = float(gaussian_kl(mu[step], log_var[step], zero, zero))
        return _("Step {step} of {steps}: reconstruction error {error:.4f}, KL {kl:.1f} nats.").format(
            step=step, steps=self.steps - 1, error=error, kl=kl
        )
