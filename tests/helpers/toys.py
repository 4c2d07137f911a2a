"""A small game for the tests of the environments; in a module's file, where worker processes can import it."""

import os
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from omg_lib import config, envs
from omg_lib.envs import EnvInfo
from omg_lib.envs.base import whole_number
from omg_lib.envs.games import Game, Games, Moment

LIMIT = 9


class Toy(Games):
    """A general-sum game of pure chance: observations, rewards and available actions are noise, and it may end early.

    With a folder `meet`, each step goes on when `guests` games are in it, and the game then always lasts. If the file
    `trap` is there in step 2, it is removed, and the `deed` done: die, hang or fail.
    """

    @classmethod
    def describe(cls, n_agents, meet=None, guests=0, trap=None, deed="die"):
        n = whole_number("n_agents", n_agents, 2, 5)
        return EnvInfo(
            "toy", n, obs_dim=4, state_dim=3, n_actions=3, episode_limit=LIMIT, general_sum=True, deaths="told",
            styles=("low", "high"), teams=((0,) * n, (1,) * n),
        )  # fmt: skip

    def make_game(self, meet=None, guests=0, trap=None, deed="die"):
        return Noise(self.info.n_agents, meet and Path(meet), guests, trap and Path(trap), deed)


@contextmanager
def toy_registered():
    """Allow `env="toy"` inside."""
    envs.register("toy", Toy, range(2, 6))
    yield
    del envs.ENVIRONMENTS["toy"], config.ENVIRONMENTS["toy"]


class Noise(Game):
    def __init__(self, n, meet, guests, trap, deed):
        self.n, self.meet, self.guests, self.trap, self.deed = n, meet, guests, trap, deed
        self.available = np.ones((n, 3), bool)

    def begin(self, chance):
        self.chance, self.time = chance, 0
        return self.moment(np.zeros(self.n))

    def step(self, actions):
        self.time += 1
        if self.meet:
            self.wait_for_others()
        if self.time == 2 and self.trap:
            with suppress(FileNotFoundError):
                self.trap.unlink()  # only one of the games gets it
                self.do()
        return self.moment(self.chance.random(self.n) + actions)

    def wait_for_others(self):
        (self.meet / f"{self.time} {os.getpid()} {id(self)}").touch()
        while len(list(self.meet.glob(f"{self.time} *"))) < self.guests:
            time.sleep(0.01)

    def do(self):
        if self.deed == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.deed == "hang":
            time.sleep(1000)
        raise ZeroDivisionError("a fault of the game")

    def moment(self, rewards):
        self.available = self.chance.random((self.n, 3)) < 0.5
        self.available[:, 1] = True
        over = self.time > 2 and not self.meet and self.chance.random() < 0.2
        noise = self.chance.random((self.n, 4)), self.chance.random(3)
        won = over and bool(self.chance.random() < 0.5)
        return Moment(*noise, self.available, rewards, over, won, alive=np.arange(self.n) != self.time - 1)

    def scripted_actions(self, styles):
        ends = [np.flatnonzero(row) for row in self.available]
        return [int(row[(0, -1)[style]]) for row, style in zip(ends, styles, strict=True)]

    def frame(self):
        return {"available": self.available.copy()}
