"""Runners play whole episodes and hand them over as one EpisodeBatch [R, L+1, ...]."""

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

ATTEMPTS = 3
"""How often the same episodes are begun before a game that dies each time ends the run."""


@runtime_checkable
class Players(Protocol):
    """What moves every seat: the `Controller`, or any object with these three methods."""

    def begin(self, episodes: np.ndarray, epsilon: float, test_mode: bool, coplayers: CoPlayers | None = None) -> None:
        """Take seats for R episodes, by their numbers."""

    def select_actions(
        self, env: BatchedEnv, obs: Float[Tensor, "R A O"], avail_actions: Bool[Tensor, "R A C"], t: int
    ) -> Int[Tensor, "R A"]:
        """What every seat does at step t."""

    def company(self) -> dict[str, Int[Tensor, " R"]]:
        """What is recorded with each episode of who plays it: `seat`, the learner's, where only one learns; `team`."""


class Runner:
    """Plays R episodes in lockstep; a row that has finished waits for the others.

    `coplayers` sit beside the learner instead of the controller's own.

    | attribute | meaning |
    |---|---|
    | batch_size | R |
    | t_env | environment steps played in training so far |
    | episode | number of the next training episode |
    | returns, wins | of the episodes of the latest `run`, [R] each; returns add up the rewards that are recorded |

    The reward is the team's; with teammates in a general-sum game it is the learner seat's own.
    With teammates epsilon stays the same while the seat goes round once, so that an episode does not depend on R;
    without, it moves at each run.
    """

    def __init__(
        self, config: OMGConfig, env: BatchedEnv, controller: Players, coplayers: CoPlayers | None = None
    ) -> None:
        self.config, self.env, self.controller, self.coplayers = config, env, controller, coplayers
        self.batch_size = env.batch
        self.t_env = self.episode = self.test_episode = 0
        self.epsilon = config.epsilon_start
        self._watched = False  # the first episodes are held against the contract

    @stage("runner.run")
    def run(self, test_mode: bool = False) -> EpisodeBatch:
        """Play R episodes to their end; with teammates the learner sits in seat k mod A of episode k.

        `test_mode` acts greedily, counts no step and plays the test battles, which no training ever plays.
        NotFiniteError, before anything is counted, if the game gives a number that is none.
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
        """The counters that the next training episode depends on."""
        return {"episode": self.episode, "t_env": self.t_env, "epsilon": self.epsilon}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.episode, self.t_env, self.epsilon = state["episode"], state["t_env"], state["epsilon"]

    def epsilon_at(self, t_env: int) -> float:
        """Linear from epsilon_start to epsilon_finish over epsilon_anneal_time steps."""
        config = self.config
        share = min(1.0, t_env / config.epsilon_anneal_time)
        return config.epsilon_start + share * (config.epsilon_finish - config.epsilon_start)

    def _play_whole(self, first: int, test_mode: bool) -> tuple[dict[str, Tensor], int]:
        """Play episodes `first` to first + R - 1; where a game dies, what was played is dropped and begun again."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self._play(first, test_mode)
            except GameLost as error:
                warnings.warn(f"a game was lost ({error}); its half episode is dropped and begun again", stacklevel=2)
        return self._play(first, test_mode)

    def _play(self, first: int, test_mode: bool) -> tuple[dict[str, Tensor], int]:
        """Play from the reset to the end of the longest episode; numpy, because single rows are written fastest so."""
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
        seen: slice | np.ndarray = slice(None)  # rows that are shown this step: all, or their numbers
        running = seen  # those of them that play on
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
            actions = self.controller.select_actions(env, obs, avail_actions, t)
            if t == info.episode_limit:
                raise endless(info)
            reward, done, outcome = env.step(actions)
            if not self._watched:
                check_outcome(env, reward, done, outcome)
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
        """Release the environments; closing twice is fine."""
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
