"""Runners play whole episodes and hand them over as one EpisodeBatch [R, L+1, ...]."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.envs import BatchedEnv, GameLost
from omg_lib.episodes import EpisodeBatch
from omg_lib.faults import NotFiniteError
from omg_lib.seeds import TEST_EPISODES
from omg_lib.trace import stage

ATTEMPTS = 3
"""How often the same episodes are begun before a game that dies each time ends the run."""


class Runner:
    """Plays R episodes in lockstep; a row that has finished waits for the others.

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

    def __init__(self, config: OMGConfig, env: BatchedEnv, controller: Controller) -> None:
        self.config, self.env, self.controller = config, env, controller
        self.batch_size = env.batch
        self.t_env = self.episode = self.test_episode = 0
        self.epsilon = config.epsilon_start

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
        self.controller.begin(env.episode, self.epsilon, test_mode)
        length = info.episode_limit + 1
        data = {
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
        own_reward = info.general_sum and self.config.has_teammates
        playing = np.ones(runs, bool)
        seen = running = slice(None)  # rows that are shown this step, and those of them that play on: all, or numbers
        for t in range(length):
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
            reward, done, outcome = env.step(actions)
            if own_reward:
                reward = outcome["rewards"][self.controller.row, self.controller.seat]
            reward = reward.numpy(force=True)[running]
            data["actions"][running, t, :, 0] = actions.numpy(force=True)[running]
            data["reward"][running, t, 0] = reward
            self.returns[running] += reward
            ended, seen = playing & done.numpy(force=True), running
            if ended.any():
                data["terminated"][ended, t, 0] = ~outcome["episode_limit"].numpy(force=True)[ended]
                self.wins |= ended & outcome["battle_won"].numpy(force=True)
                playing &= ~ended
                running = np.flatnonzero(playing)
        steps = int(data["filled"].sum()) - runs
        return {key: torch.from_numpy(x) for key, x in data.items()} | self._company(), steps

    def _company(self) -> dict[str, Tensor]:
        """Where the learner sat, and for the oracle with whom: [R, L+1, 1] each, the same at every step."""
        found = {}
        if self.config.has_teammates:
            found["seat"] = self.controller.seat
        if self.config.learner == "oracle":
            found["team"] = self.controller.set_ids
        shape = (self.batch_size, self.env.info.episode_limit + 1, 1)
        return {key: rearrange(x, "r -> r 1 1").expand(shape).clone() for key, x in found.items()}

    def close(self) -> None:
        """Release the environments; closing twice is fine."""
        self.env.close()


class EpisodeRunner(Runner):
    """One episode at a time, as in the released code."""

    def __init__(self, config: OMGConfig, env: BatchedEnv, controller: Controller) -> None:
        super().__init__(config, env, controller)
        assert self.batch_size == 1


class ParallelRunner(Runner):
    """R > 1 episodes as one batch, such as the A seats of one group."""
