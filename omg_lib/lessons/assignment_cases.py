"""What the assignments ask: arguments for an answer, and what the library says to them.

A case is (arguments, truth). The truth is data, or a function that judges an answer: [] if it is right, else sentences.
VISIBLE holds the cases of the instant checks; hidden tests make others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor

from omg_lib.checks import four_numbers
from omg_lib.config import OMGConfig
from omg_lib.envs import env_info
from omg_lib.episodes import sizes_of
from omg_lib.lessons.regroup_answers import labelled
from omg_lib.regroup import regroup
from omg_lib.trace import ShapeTrace, trace_of

Case = tuple[tuple, object]


# --- assignment 1: shapes --------------------------------------------------------------------------------------------

REGROUPED = ("obs", "reward", "last_actions")
SUBGOALS = ("infer_mu", "candidates", "values", "chosen")


def arithmetic(config: OMGConfig) -> Case:
    """From four settings to the numbers of a run; t_max counts environment steps, as in the configuration."""
    args = (config.n_agents, config.batch_size, config.batch_size_run, config.t_max, config.has_teammates)
    names = ("sample_size", "runs_per_update", "t_max_total")
    return args, {name: getattr(config, name) for name in names} | {"network_rows": four_numbers(config)[3]}


def plan(config: OMGConfig, steps: int) -> tuple[ShapeTrace, dict[str, int]]:
    """The predicted trace of an update whose sample is `steps` rows long, and its sizes by letter."""
    sizes = sizes_of(config, env_info(config.env, config.n_agents)) | {"T": steps}
    return trace_of(config, sizes, "cpu"), sizes


def shapes_of(trace: ShapeTrace, stage: str, fields: Sequence[str] | None = None) -> dict[str, list[int]]:
    return {key: list(f.shape) for key, f in trace[stage].fields.items() if fields is None or key in fields}


def acting(config: OMGConfig) -> Case:
    """Every field of what the runner returns, which the buffer takes in as it is."""
    trace, sizes = plan(config, 2)
    return tuple(sizes[letter] for letter in "ARLOSC"), shapes_of(trace, "runner.run")


def sampling(config: OMGConfig, steps: int) -> Case:
    """obs and reward, from the sample to the learner's device."""
    trace, sizes = plan(config, steps)
    stages = {"sample": "buffer.sample", "truncate": "truncate", "to_device": "to_device"}
    truth = {
        f"{name} {key}": shape
        for name, stage in stages.items()
        for key, shape in shapes_of(trace, stage, ("obs", "reward")).items()
    }
    return tuple(sizes[letter] for letter in "AGLTO"), truth


def learning(config: OMGConfig, steps: int) -> Case:
    """From the regrouped batch to the loss."""
    trace, sizes = plan(config, steps)
    truth = shapes_of(trace, "learner.regroup", REGROUPED) | shapes_of(trace, "learner.omg_loss", SUBGOALS)
    for stage in ("controller.init_hidden", "learner.q_values", "learner.td_loss"):
        truth |= shapes_of(trace, stage)
    return tuple(sizes[letter] for letter in "AGTOCZH"), truth


def to_rows(x: Float[Tensor, "G T A F"]) -> Case:
    """A regrouped field as the rows that a recurrent network steps: time first, then one row for each slot."""
    return (x,), rearrange(x, "g t a f -> t (g a) f")


def to_slots(values: Float[Tensor, " G"], n_agents: int) -> Case:
    """One number for each group, given to each of its rows."""
    return (values, n_agents), repeat(values, "g -> (g a)", a=n_agents)


def own_seat(groups: int, agents: int, steps: int) -> Case:
    """Labels of a sample whose rows go round the seats in order."""
    sample = labelled(groups, agents, steps)
    return (sample["obs"],), regroup(sample)["obs"]


def counted(*shape: int) -> Tensor:
    """A tensor in which every element is another number, so that whoever moved is found out."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)


EIGHT = OMGConfig(n_agents=8, batch_size=32)

VISIBLE: dict[str, Callable[[], list[Case]]] = {
    "a1-arithmetic": lambda: [arithmetic(EIGHT), arithmetic(OMGConfig(learner="iql"))],
    "a1-acting": lambda: [acting(EIGHT)],
    "a1-sampling": lambda: [sampling(EIGHT, 52)],
    "a1-learning": lambda: [learning(EIGHT, 52)],
    "a1-rows": lambda: [to_rows(counted(2, 3, 4, 5))],
    "a1-slots": lambda: [to_slots(counted(3), 4)],
    "a1-seat": lambda: [own_seat(2, 3, 4)],
}
"""Task -> its visible cases."""
