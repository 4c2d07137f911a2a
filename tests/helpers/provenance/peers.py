"""Learners of PyMARL and EPyMARL from a checkout, without their framework: a batch, and `train` on it."""

from __future__ import annotations

import importlib
import linecache
import logging
import os
import re
import types
from inspect import getsource, unwrap
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest
import torch

from benchmarks.pymarl_side import importing_from

PYMARL, EPYMARL = os.environ.get("OMG_PYMARL"), os.environ.get("OMG_EPYMARL")
needs_pymarl = pytest.mark.skipif(not PYMARL, reason="OMG_PYMARL names no checkout of oxwhirl/pymarl")
needs_epymarl = pytest.mark.skipif(not EPYMARL, reason="OMG_EPYMARL names no checkout of uoe-agents/epymarl")

AXES = {
    "state": "e t _", "obs": "e t a _", "actions": "e t a _", "avail_actions": "e t a _", "reward": "e t _",
    "terminated": "e t _", "filled": "e t _", "actions_onehot": "e t a _",
}  # fmt: skip
SETTINGS = dict(
    device="cpu", use_cuda=False, learner_log_interval=10**12, gamma=0.99, lr=0.0005, critic_lr=0.0005,
    optim_alpha=0.99, optim_eps=0.00001, grad_norm_clip=10, agent="rnn", obs_agent_id=True, obs_last_action=True,
    obs_individual_obs=False, use_rnn=True, action_selector="epsilon_greedy", epsilon_start=0.1, epsilon_finish=0.1,
    epsilon_anneal_time=50000, evaluation_epsilon=0.0, test_greedy=True, mask_before_softmax=True,
    agent_output_type="q", double_q=True, mixer=None, mixing_embed_dim=8, hypernet_layers=1, hypernet_embed=8,
    target_update_interval=200, target_update_interval_or_tau=200, td_lambda=0.8, q_nstep=5, entropy_coef=0.01,
    add_value_last_step=True, standardise_returns=False, standardise_rewards=True, common_reward=True, epochs=2,
    eps_clip=0.2, qtran_arch="qtran_paper", network_size="small", opt_loss=1, nopt_min_loss=0.1,
    critic_type="ac_critic",
)  # fmt: skip


class Logger:
    console_logger = logging.getLogger("peers")

    def log_stat(self, *args, **kwargs) -> None:
        pass


def build(checkout, learner="q_learner.QLearner", episodes=3, agents=4, length=8, hidden=16, seed=0, **settings):
    """A learner with a batch of `episodes` of unequal lengths; `train()` runs one update on `inputs`."""
    names = {
        "batch": "components.episode_buffer.EpisodeBatch",
        "onehot": "components.transforms.OneHot",
        "mac": "controllers.basic_controller.BasicMAC",
        "learner": f"learners.{learner}",
    }
    with importing_from(Path(checkout) / "src", {}):
        parts = {}
        for key, path in names.items():
            module, name = path.rsplit(".", 1)
            parts[key] = getattr(importlib.import_module(module), name)
    obs, actions, state = 6, 5, 9
    args = SimpleNamespace(**(SETTINGS | settings), n_agents=agents, n_actions=actions, state_shape=state)
    args.hidden_dim = args.rnn_hidden_dim = hidden
    layout = dict(
        scheme={
            "state": {"vshape": state},
            "obs": {"vshape": obs, "group": "agents"},
            "actions": {"vshape": (1,), "group": "agents", "dtype": torch.long},
            "avail_actions": {"vshape": (actions,), "group": "agents", "dtype": torch.int},
            "reward": {"vshape": (1,)},
            "terminated": {"vshape": (1,), "dtype": torch.uint8},
        },
        groups={"agents": agents},
        preprocess={"actions": ("actions_onehot", [parts["onehot"](out_dim=actions)])},
    )
    batch = parts["batch"](**layout, batch_size=episodes, max_seq_length=length)
    fill(batch.data.transition_data, episodes, length, agents, actions, torch.Generator().manual_seed(seed))
    torch.manual_seed(seed)
    mac = parts["mac"](batch.scheme, layout["groups"], args)
    made = parts["learner"](mac, batch.scheme, Logger(), args)
    inputs = {name: (batch[name], axes) for name, axes in AXES.items()}
    return SimpleNamespace(batch=batch, mac=mac, learner=made, inputs=inputs, train=lambda: made.train(batch, 0, 0))


def fill(fields, episodes, length, agents, actions, generator) -> None:
    """Random episodes; the first is as long as allowed, and cut there."""
    steps = torch.arange(length)
    lengths = torch.randint(2, length - 1, (episodes,), generator=generator)
    lengths[0] = length - 1
    filled = steps[None] <= lengths[:, None]
    fields["filled"][:] = filled[..., None]
    for key in ("obs", "state", "reward"):
        x = fields[key]
        x[:] = torch.randn(x.shape, generator=generator) * filled.reshape(episodes, length, *[1] * (x.ndim - 2))
    avail = torch.rand(episodes, length, agents, actions, generator=generator) < 0.5
    avail[..., 1] = True
    fields["avail_actions"][:] = avail * filled[..., None, None]
    taken = torch.multinomial(avail.flatten(0, 2).float(), 1, generator=generator).view(episodes, length, agents, 1)
    fields["actions"][:] = taken * filled[..., None, None]
    one_hot = torch.zeros(episodes, length, agents, actions).scatter_(-1, taken, 1.0)
    fields["actions_onehot"][:] = one_hot * filled[..., None, None]
    ended = (steps[None] == lengths[:, None] - 1) & (lengths[:, None] < length - 1)
    fields["terminated"][:] = ended[..., None]


def planted(function, old: str, new: str):
    """A function with one piece of its source exchanged, and the file and line at which it stands then."""
    function = unwrap(function)
    source = dedent(getsource(function))
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {function.__name__}"
    line = source[: source.index(old)].count("\n") + 1
    source = source.replace(old, new).replace("super()", "super(type(self), self)")
    name = f"<planted {function.__qualname__}: {re.sub(r'[^a-zA-Z0-9]+', ' ', new)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    space = {}
    exec(compile(source, name, "exec"), function.__globals__, space)
    return space[function.__name__], (name, line)


def plant(owner, method: str, old: str, new: str) -> tuple[str, int]:
    """Plant a fault in a method of one object; returns where it stands."""
    function, where = planted(getattr(type(owner), method), old, new)
    setattr(owner, method, types.MethodType(function, owner))
    return where


def judged(faults, whole, traced) -> list[str]:
    """What `traced` finds of each fault: "named" at its line, "elsewhere", "clean", or the verdict's kind.

    A fault is (whose, what, what instead, the kinds that name it); `whole` has the whole function of each author.
    """
    results = []
    for name, old, new, kinds in faults:
        function, (file, line) = planted(whole[name], old, new)
        verdict = traced(name, function).verdict
        right = verdict is not None and verdict.kind in kinds.split()
        near = right and any(place == file and abs(number - line) <= 1 for place, number in verdict.lines)
        results.append("clean" if verdict is None else "named" if near else "elsewhere" if right else verdict.kind)
        print(f"  {results[-1]:10} {name:11} {new}")
    print({result: results.count(result) for result in results})
    return results
