"""Runners play whole episodes and return them as one EpisodeBatch [R, L+1, ...]."""

from __future__ import annotations

import warnings
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from omg_lib.config import OMGConfig
from omg_lib.envs import BatchedEnv, GameLost
from omg_lib.envs.watch import check_outcome, check_shown, endless
from omg_lib.episodes import EpisodeBatch
from omg_lib.faults import NotFiniteError
from omg_lib.seeds import TEST_EPISODES
from omg_lib.teammates.players import CoPlayers
from omg_lib.trace import stage
from omg_lib.words import _

ATTEMPTS = 3
"""How often the same episodes may start before a game that keeps dying ends the run."""


@runtime_checkable
class Players(Protocol):
    """Chooses the action of every seat: the `Controller`, or any object with these three methods."""

    def begin(self, episodes: np.ndarray, epsilon: float, test_mode: bool, coplayers: CoPlayers | None = None) -> None:
        """Assign the seats of R episodes, given their numbers."""

    def select_actions(
        self, env: BatchedEnv, obs: Float[Tensor, "R A O"], avail_actions: Bool[Tensor, "R A C"], t: int
    ) -> Int[Tensor, "R A"]:
        """Return the action of every seat at step t."""

    def company(self) -> dict[str, Int[Tensor, " R"]]:
        """Return what each episode records about its players: the learner's `seat` if only one learns, and `team`."""


class Runner:
    """Plays R episodes in lockstep; a finished row waits for the others.

    `coplayers` replace the controller's own teammates.

    | attribute | meaning |
    |---|---|
    | batch_size | R |
    | t_env | environment steps played in training so far |
    | episode | number of the next training episode |
    | returns, wins | of the latest `run`, [R] each; a return is the sum of the recorded rewards |

    The reward is the team's; with teammates in a general-sum game, it is the learner's own.
    With teammates, epsilon changes only when the learner has sat in every seat once, so that an episode does not depend
    on R. Without teammates, it changes at each run.
    """

    def __init__(
        self, config: OMGConfig, env: BatchedEnv, controller: Players, coplayers: CoPlayers | None = None
    ) -> None:
        self.config, self.env, self.controller, self.coplayers = config, env, controller, coplayers
        self.batch_size = env.batch
        self.t_env = self.episode = self.test_episode = 0
        self.epsilon = config.epsilon_start
        self._watched = False  # the first episodes are checked against the contract

    @stage("runner.run")
    def run(self, test_mode: bool = False) -> EpisodeBatch:
        """Play R episodes to their end; with teammates, the learner sits in seat k mod A of episode k.

        `test_mode` acts greedily, counts no steps, and plays the test battles, which training never plays.
        Raise NotFiniteError, before anything is counted, if the game returns NaN or infinity.
        """
        first = TEST_EPISODES + self.test_episode if test_mode else self.episode
        rotating = self.config.n_agents if self.config.has_teammates else 1
        if not test_mode and self.episode % rotating < self.batch_size:
            self.epsilon = self.epsilon_at(self.t_env)
        data, steps = self._play_whole(first, test_mode)
        for key in ("obs", "state", "reward"):
            if not data[key].isfinite().all():
                raise NotFiniteError("runner.run", key)
        if test_mode:
            self.test_episode += self.batch_size
        else:
            self.episode += self.batch_size
            self.t_env += steps
        return EpisodeBatch(data, batch_size=[self.batch_size, self.env.info.episode_limit + 1])

    def state_dict(self) -> dict[str, Any]:
        """Return the counters that the next training episode depends on."""
        return {"episode": self.episode, "t_env": self.t_env, "epsilon": self.epsilon}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.episode, self.t_env, self.epsilon = state["episode"], state["t_env"], state["epsilon"]

    def epsilon_at(self, t_env: int) -> float:
        """Return epsilon, which falls linearly from epsilon_start to epsilon_finish in epsilon_anneal_time steps."""
        config = self.config
        share = min(1.0, t_env / config.epsilon_anneal_time)
        return config.epsilon_start + share * (config.epsilon_finish - config.epsilon_start)

    def _play_whole(self, first: int, test_mode: bool) -> tuple[dict[str, Tensor], int]:
        """Play episodes `first` to first + R - 1. If a game dies, drop what was played and start again."""
        for __ in range(ATTEMPTS - 1):
            try:
                return self._play(first, test_mode)
            except GameLost as error:
                warnings.warn(
                    _("a game was lost ({error}); its episode is dropped and played again").format(error=error),
                    stacklevel=2,
                )
        return self._play(first, test_mode)

    def _play(self, first: int, test_mode: bool) -> tuple[dict[str, Tensor], int]:
        """Play from the reset to the end of the longest episode. Uses numpy, which writes single rows fastest."""
        env, info, runs = self.env, self.env.info, self.batch_size
        env.reset(first=first)
        self.controller.begin(env.episode, self.epsilon, test_mode, self.coplayers)
        company = self.controller.company()
        length = info.episode_limit + 1
        data: dict[str, np.ndarray] = {
            "obs": np.zeros((runs, length, info.n_agents, info.obs_dim), np.float32),
            "state": np.zeros((runs, length, info.state_dim), np.float32),
            "actions": np.zeros((runs, length, info.n_agents, 1), np.int64),
            "avail_actions": np.zeros((runs, length, info.n_agents, info.n_actions), bool),
            "reward": np.zeros((runs, length, 1), np.float32),
            "terminated": np.zeros((runs, length, 1), bool),
            "filled": np.zeros((runs, length, 1), bool),
        }
        if info.records_alive:
            data["alive"] = np.zeros((runs, length, info.n_agents, 1), bool)
        self.returns, self.wins = np.zeros(runs, np.float32), np.zeros(runs, bool)
        own_reward = info.general_sum and "seat" in company
        playing = np.ones(runs, bool)
        seen: slice | np.ndarray = slice(None)  # rows to record at this step: all, or their numbers
        running = seen  # those of them that have not finished
        for t in range(length):
            if not self._watched:
                check_shown(env, playing)
            obs, avail_actions = env.obs(), env.avail_actions()
            data["obs"][seen, t] = obs.numpy(force=True)[seen]
            data["state"][seen, t] = env.state().numpy(force=True)[seen]
            data["avail_actions"][seen, t] = avail_actions.numpy(force=True)[seen]
            if info.records_alive:
                data["alive"][seen, t, :, 0] = env.alive().numpy(force=True)[seen]
            data["filled"][seen, t] = True
            if not playing.any():
                break
            if t == info.episode_limit:
                raise endless(info)
            actions = self.controller.select_actions(env, obs, avail_actions, t)
            told = env.step(actions)
            reward, done, outcome = told if self._watched else check_outcome(env, told)
            if own_reward:
                reward = outcome["rewards"][torch.arange(runs), company["seat"]]
            paid = reward.numpy(force=True)[running]
            data["actions"][running, t, :, 0] = actions.numpy(force=True)[running]
            data["reward"][running, t, 0] = paid
            self.returns[running] += paid
            ended, seen = playing & done.numpy(force=True), running
            if ended.any():
                data["terminated"][ended, t, 0] = ~outcome["episode_limit"].numpy(force=True)[ended]
                self.wins |= ended & outcome["battle_won"].numpy(force=True)
                playing &= ~ended
                running = np.flatnonzero(playing)
        self._watched = True
        steps = int(data["filled"].sum()) - runs
        each = {key: rearrange(x, "r -> r 1 1").expand(runs, length, 1).clone() for key, x in company.items()}
        return {key: torch.from_numpy(x) for key, x in data.items()} | each, steps

    def close(self) -> None:
        """Release the environments. You may close twice."""
        self.env.close()


class EpisodeRunner(Runner):
    """One episode at a time, as in the released code."""

    def __init__(
        self, config: OMGConfig, env: BatchedEnv, controller: Players, coplayers: CoPlayers | None = None
    ) -> None:
        super().__init__(config, env, controller, coplayers)
        assert self.batch_size == 1


class ParallelRunner(Runner):
    """R > 1 episodes as one batch, such as the A seats of one group."""
