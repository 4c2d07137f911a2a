"""Predict a run's bytes before it runs: shapes times dtypes, compared with what this process may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from omg_lib.buffer import NOT_STORED
from omg_lib.config import ConfigError, OMGConfig, team_sizes
from omg_lib.predict import predict
from omg_lib.trace import ShapeTrace


@dataclass(frozen=True)
class Need:
    """Maximum bytes of a configuration: a full buffer of episodes of maximum length, a sample, the regrouped sample.

    Weights, gradients and Python itself are not included, so a process needs more than `total`.
    """

    n_agents: int
    buffer: int
    sample: int
    regrouped: int

    @property
    def total(self) -> int:
        return self.buffer + self.sample + self.regrouped


def row_bytes(config: OMGConfig, plan: ShapeTrace | None = None) -> dict[str, int]:
    """Return the bytes of one time step of a stored episode, per field; actions use the smallest dtype that fits."""
    plan = plan or predict(config)
    small = np.min_scalar_type(plan.sizes["C"]).itemsize
    fields = {key: field for key, field in plan["runner.run"].fields.items() if key not in NOT_STORED}
    rows = {key: field.bytes // (plan.sizes["R"] * (plan.sizes["L"] + 1)) for key, field in fields.items()}
    return rows | {"actions": plan.sizes["A"] * small}


def stored_bytes(config: OMGConfig, rows: Sequence[int]) -> int:
    """Return the bytes of stored episodes with this many rows each."""
    return sum(rows) * sum(row_bytes(config).values())


def need(config: OMGConfig) -> Need:
    """Return what this configuration needs once its buffer is full, if every episode has the maximum length."""
    plan = predict(config)
    seats = config.n_agents if config.has_teammates else 1
    episodes = config.buffer_size // seats * seats
    regrouped = sum(f.bytes for f in plan["learner.regroup"].fields.values()) if config.has_teammates else 0
    sample = sum(field.bytes for field in plan["buffer.sample"].fields.values())
    return Need(config.n_agents, stored_bytes(config, [plan.sizes["L"] + 1]) * episodes, sample, regrouped)


def needs(config: OMGConfig) -> list[Need]:
    """Return the need at every n_agents that the environment and the buffer allow, all else equal."""
    found = []
    for n_agents in team_sizes(config.env):
        try:
            found.append(need(replace(config, n_agents=n_agents, batch_size_run=1)))
        except ConfigError:  # the buffer cannot hold a sample
            continue
    return found


def gives_up_at(found: Sequence[Need], limit: int | float) -> int | None:
    """Return the first n_agents that needs more than `limit` bytes; None if all fit."""
    return next((one.n_agents for one in found if one.total > limit), None)
