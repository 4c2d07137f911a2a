"""Battles for the tests of the environments."""

import numpy as np
import torch

from omg_lib.envs import BatchedEnv, make_env


def started(name="skirmish", n=3, batch=1, first=None, **options) -> BatchedEnv:
    env = make_env(name, n, batch=batch, **options)
    env.reset(first=first)
    return env


def squads(env: BatchedEnv, *names: str) -> np.ndarray:
    """Return styles [R, A]: the given names in turn, over the seats."""
    one = [env.info.styles.index(names[seat % len(names)]) for seat in range(env.info.n_agents)]
    return np.tile(one, (env.batch, 1))


def mixed_squads(env: BatchedEnv) -> np.ndarray:
    """Return styles [R, A]: every style in turn over all seats of all rows."""
    shape = (env.batch, env.info.n_agents)
    return (np.arange(shape[0] * shape[1]) % len(env.info.styles)).reshape(shape)


def random_actions(env: BatchedEnv, rng: np.random.Generator) -> torch.Tensor:
    available = env.avail_actions().numpy(force=True)
    return torch.from_numpy(np.where(available, rng.random(available.shape), -1).argmax(-1))


def look(env: BatchedEnv) -> dict[str, torch.Tensor]:
    return {"obs": env.obs(), "state": env.state(), "avail": env.avail_actions()}


def play(env: BatchedEnv, styles: np.ndarray, steps: int = 200) -> list[dict[str, torch.Tensor]]:
    """Play scripts until every row is done; return what was seen and earned at each step."""
    story = []
    for _ in range(steps):
        seen = look(env)
        actions = env.scripted_actions(styles)
        reward, done, info = env.step(actions)
        story.append({**seen, "actions": actions, "reward": reward, "done": done, **info})
        if done.all():
            break
    return story
