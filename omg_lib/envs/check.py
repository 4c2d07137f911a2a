"""The checks of `envs.check("name", n)`: play a game against the whole contract; ConfigError says what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import torch
from torch import Tensor

from omg_lib.envs.base import BatchedEnv, EnvInfo
from omg_lib.envs.watch import check_outcome, check_shown, check_tensor, endless, fault
from omg_lib.words import _

EPISODES = 4
Make = Callable[[int], BatchedEnv]
Story = list[list[Tensor]]
"""One episode in one row: for each step obs, state, available actions, alive and, after the first, step()'s results."""


def check_contract(info: EnvInfo, make: Make) -> None:
    """Play episodes with random available actions, one row at a time and three side by side, and check everything
    against the contract of `BatchedEnv`. `make(R)` creates R rows of one seed. ConfigError for the first fault.
    """
    stories = {rows: _told(info, make, rows) for rows in (1, 3)}
    again = _told(info, make, 1)
    for k in range(EPISODES):
        if not _same(stories[1][k], again[k]):
            said = _("episode {k} is another one when it is played again; expected is chance from (seed, k)")
            raise fault(info, said.format(k=k))
        if not _same(stories[1][k], stories[3][k]):
            said = _(
                "episode {k} differs beside others or after others; expected is one that depends on (seed, k) and "
                "the actions only"
            )
            raise fault(info, said.format(k=k))
    with closing(make(2)) as env:
        _check_results_are_kept(env)
    with closing(make(2)) as env:
        _check_scripts(env)


def _told(info: EnvInfo, make: Make, rows: int) -> dict[int, Story]:
    """Return the stories of the first episodes; a row that is done begins the next one."""
    told: dict[int, Story] = {}
    with closing(make(rows)) as env:
        if env.info != info:
            raise fault(info, _("it has info={info}; expected is what describe() says").format(info=env.info))
        env.reset()
        if sorted(env.episode) != list(range(rows)):
            said = _("episode is {found} after reset(); expected is {wanted}")
            raise fault(info, said.format(found=list(env.episode), wanted=list(range(rows))))
        check_shown(env, np.ones(rows, bool))
        _check_finite(env)
        begun: list[Story] = [[_shown(env, row)] for row in range(rows)]
        time = np.zeros(rows, int)
        check_shown(env, np.ones(rows, bool))
        while not set(range(EPISODES)) <= told.keys():
            reward, done, outcome = check_outcome(env, env.step(_actions(env, time)))
            time += 1
            _check_sum(info, reward, outcome)
            ended = done.numpy(force=True)
            check_shown(env, ~ended)
            _check_finite(env, reward)
            if (time[~ended] >= info.episode_limit).any():
                raise endless(info)
            for row in range(rows):
                given = [x[row].clone() for x in (reward, done, *(outcome[key] for key in sorted(outcome)))]
                begun[row].append(given + _shown(env, row))
            for row in np.flatnonzero(ended).tolist():
                told[int(env.episode[row])], begun[row], time[row] = begun[row], [], 0
            if ended.any():
                _check_frozen(env, ended)
                env.reset(torch.from_numpy(ended))
                for row in np.flatnonzero(ended).tolist():
                    begun[row] = [_shown(env, row)]
    return told


def _shown(env: BatchedEnv, row: int) -> list[Tensor]:
    return [x[row].clone() for x in (env.obs(), env.state(), env.avail_actions(), env.alive())]


def _actions(env: BatchedEnv, time: np.ndarray) -> np.ndarray:
    """Choose an available action for each seat, by (episode, time, seat) only: every row plays an episode alike."""
    available = env.avail_actions().numpy(force=True)
    chances = [np.random.default_rng((int(k), int(t))) for k, t in zip(env.episode, time, strict=True)]
    return (np.stack([chance.random(available.shape[1:]) for chance in chances]) * available).argmax(-1)


def _check_finite(env: BatchedEnv, reward: Tensor | None = None) -> None:
    """Check that no number is NaN or infinite; in a run, the runner does this for each episode."""
    given = {"obs()": env.obs(), "state()": env.state()} | ({} if reward is None else {"step()'s reward": reward})
    for call, x in given.items():
        if not x.isfinite().all():
            raise fault(env.info, _("{call} holds NaN or infinity; expected are finite numbers").format(call=call))


def _check_sum(info: EnvInfo, reward: Tensor, outcome: dict[str, Any]) -> None:
    if info.general_sum and not torch.allclose(reward, outcome["rewards"].sum(1), rtol=1e-4, atol=1e-4):
        raise fault(info, _("step()'s reward is not the sum of info['rewards']; expected is the sum over seats"))


def _check_frozen(env: BatchedEnv, ended: np.ndarray) -> None:
    """Check that a done row shows the same and pays nothing until it is reset. Only when all rows are done, because a
    step would move the others.
    """
    if not ended.all():
        return
    before = [_shown(env, row) for row in range(env.batch)]
    reward, done, __ = env.step(_actions(env, np.zeros(env.batch, int)))
    if not done.all() or reward.any():
        raise fault(env.info, _("step() moves a row that is done; expected is reward 0 and done until it is reset"))
    if not all(_same([one], [_shown(env, row)]) for row, one in enumerate(before)):
        raise fault(env.info, _("step() changes what a done row shows; expected is the last step until it is reset"))


def _check_results_are_kept(env: BatchedEnv) -> None:
    """Check that no later step writes to what a call returned."""
    env.reset()
    given = {"obs()": env.obs(), "state()": env.state(), "avail_actions()": env.avail_actions()}
    copies = {call: x.clone() for call, x in given.items()}
    env.step(_actions(env, np.zeros(env.batch, int)))
    env.obs(), env.state(), env.avail_actions()
    for call, x in given.items():
        if not _same([[x]], [[copies[call]]]):
            said = _("a later step wrote to what {call} had returned; expected is a new tensor each time")
            raise fault(env.info, said.format(call=call))


def _check_scripts(env: BatchedEnv) -> None:
    info = env.info
    if not info.styles:
        return
    env.reset()
    for style in range(len(info.styles)):
        actions = env.scripted_actions(np.full((env.batch, info.n_agents), style))
        check_tensor(info, "scripted_actions()", actions, torch.int64, (env.batch, info.n_agents))
        inside = ((actions >= 0) & (actions < info.n_actions)).all()
        if not inside or not env.avail_actions().gather(2, actions[..., None]).all():
            said = _("scripted_actions() of {style} is not available; expected is one that is")
            raise fault(info, said.format(style=repr(info.styles[style])))
    if any(len(team) != info.n_agents or max(team) >= len(info.styles) for team in info.teams):
        raise fault(info, _("EnvInfo.teams does not name a style for each seat; expected are positions in styles"))


def _same(one: Story, other: Story) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )
