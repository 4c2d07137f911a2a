"""Predator and prey: the paper's second task, `simple_tag` of the package `mpe2` (the extra `envs`).

Predators and a faster prey move in a field with two obstacles (Lowe et al. 2017; Terry et al. 2021).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from omg_lib.envs.base import EnvInfo, whole_number
from omg_lib.envs.games import Game, Games, Moment, extra, no_options

LIMIT, OBSTACLES = 25, 2
"""Steps of an episode and number of obstacles: the package's defaults; the paper does not publish its own."""
MOVES = np.array([[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
"""The direction of each action: stay, west, east, south, north."""
FORESIGHT = 5
STYLES = {"chase": 0.0, "head off": 0.5}
"""Scripted predators head for where the prey will be in this many seconds (a step is 0.1) at its current velocity."""


class PredatorPrey(Games):
    """n predators learn to catch a scripted prey, n = 2..16; the paper's game has 3.

    Cooperative: in each step the team gets 10 for each predator that touches the prey, which is what the package pays
    to every predator. An episode is always cut at 25 steps, and there is no winner. With three predators, a team that
    plays at random gets about 0.6 in an episode, one that chases 17, one that heads off 24. Do not compare the paper's
    scores, 7 to 12, with these: the paper gives neither its rewards nor its limit, and its prey is trained.

    The prey is a script, the same in every episode. It simulates each action for 5 steps with the predators at rest,
    and takes the one that leaves the nearest predator farthest away, minus the package's penalty for leaving the field
    (-0.9 to 0.9 is free) and 10 times the overlap with the 0.05 margin around an obstacle.

    Every action is always available: 0 stay, 1-4 west, east, south, north. A seat's observation is the package's, in
    the field's units, in this order:

    | part | entries |
    |---|---|
    | oneself | velocity x, y; position x, y |
    | obstacles | 2 x (x, y), from the seat |
    | others | (A-1) x (x, y), from the seat, by seat; then the prey's |
    | prey | velocity x, y |

    The state is A x (position x, y, velocity x, y) by seat, the same for the prey, then 2 x (position x, y) of the
    obstacles: everything but the time. A frame adds position [A+1, 2], the prey last, and obstacles [2, 2].
    """

    @classmethod
    def describe(cls, n_agents: int | Any, **options: Any) -> EnvInfo:
        """Return the sizes at n = 2..16: O = 2n + 10, S = 4n + 8, C = 5. ConfigError for another n or any option."""
        no_options("predator_prey", options)
        n = whole_number("n_agents", n_agents, 2, 16)
        return EnvInfo(
            "predator_prey",
            n_agents=n,
            obs_dim=2 * n + 10,
            state_dim=4 * n + 8,
            n_actions=len(MOVES),
            episode_limit=LIMIT,
            has_winner=False,
            styles=tuple(STYLES),
            teams=tuple((style,) * n for style in range(len(STYLES))),
        )

    def make_game(self) -> Game:
        with extra("predator_prey", "mpe2"):
            from mpe2.simple_tag_v3 import raw_env
        return Tag(raw_env(num_adversaries=self.info.n_agents, num_obstacles=OBSTACLES, max_cycles=LIMIT))


class Tag(Game):
    """One game of the package. Its agents are the predators, then the prey."""

    def __init__(self, package: Any) -> None:
        self.package, self.world = package, package.world
        *self.predators, self.prey = self.world.agents

    def begin(self, chance: np.random.Generator) -> Moment:
        self.package.np_random = chance
        self.package.reset()
        return self._moment(0.0)

    def step(self, actions: list[int]) -> Moment:
        for action in [*actions, self.flee()]:  # the package moves all agents once the last has chosen
            self.package.step(action)
        return self._moment(self.package.rewards[self.predators[0].name])

    def _moment(self, reward: float) -> Moment:
        obs = [self.package.observe(predator.name) for predator in self.predators]
        moving = [x for agent in self.world.agents for x in (agent.state.p_pos, agent.state.p_vel)]
        state = np.concatenate([*moving, *(block.state.p_pos for block in self.world.landmarks)])
        return Moment(obs, state, True, reward)

    def flee(self) -> int:
        """Choose the prey's action: see PredatorPrey."""
        world, prey = self.world, self.prey
        position, velocity = prey.state.p_pos, prey.state.p_vel
        for _ in range(FORESIGHT):
            position = position + velocity * world.dt
            velocity = velocity * (1 - world.damping) + MOVES * prey.accel * world.dt
            speed = np.linalg.norm(velocity, axis=1, keepdims=True)
            velocity = velocity * np.minimum(1.0, prey.max_speed / np.maximum(speed, prey.max_speed))
        gap = _distances(position, self.predators).min(1)
        crowded = np.maximum(0.0, prey.size + 0.2 + 0.05 - _distances(position, world.landmarks)).max(1)
        return int((gap - fine(position) - 10 * crowded).argmax())

    def scripted_actions(self, styles: list[int]) -> list[int]:
        """Choose the direction in which each predator is farthest from its target."""
        ahead = np.array(list(STYLES.values()))[styles, None]
        here = np.array([predator.state.p_pos for predator in self.predators])
        way = self.prey.state.p_pos + ahead * self.prey.state.p_vel - here
        return (way @ MOVES.T).argmax(1).tolist()

    def frame(self) -> dict[str, Any]:
        def places(entities: list[Any]) -> np.ndarray:
            return np.array([entity.state.p_pos for entity in entities])

        return {"position": places(self.world.agents), "obstacles": places(self.world.landmarks)}


def _distances(points: Float[np.ndarray, "N 2"], entities: list[Any]) -> Float[np.ndarray, "N E"]:
    places = np.array([entity.state.p_pos for entity in entities])
    return np.linalg.norm(points[:, None] - places, axis=-1)


def fine(position: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, " N"]:
    """Return the package's penalty per step for a prey at these positions: for each axis on which it is far out."""
    far = np.abs(position)
    outside = np.minimum(np.exp(2 * far - 2), 10.0)
    return np.where(far < 0.9, 0.0, np.where(far < 1.0, 10 * (far - 0.9), outside)).sum(-1)
