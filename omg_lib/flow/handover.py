"""What Python hands to the page: the contract of every learner with its axes by name, and a table of sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from omg_lib.config import ENVIRONMENTS, ConfigError, OMGConfig, team_sizes
from omg_lib.contract import DTYPES, ROUND, contract
from omg_lib.envs import env_info
from omg_lib.flow.page_text import texts
from omg_lib.flow.reasons import HEADLINES, difference_text, reasons
from omg_lib.flow.svg import MARKS
from omg_lib.plots.axes import KINDS, kinds_of
from omg_lib.predict import Difference
from omg_lib.registry import learner_names
from omg_lib.trace import ShapeTrace
from omg_lib.words import _

RUNNERS = {"episode": "1", "parallel": "A"}
"""Name of a runner in the controls -> R, as an axis."""
RANGES = {"n_agents": (2, 16), "batch_size": (1, 64)}
"""The ends of the sliders; a box takes whatever OMGConfig allows."""
GROUPED = {"grouped": True, "whole": False}


def handover(
    config: OMGConfig, devices: Sequence[str] = ("auto", "cpu", "cuda"), runners: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return plain data from which the page computes `predict` of every setting of its controls.

    Settings without a control (`teammates`, `horizon`, ...) are those of `config`. A learner that they do not allow, or
    whose own stages are wrong, is left out. `runners` is R of each runner as an axis, by default those of RUNNERS. Axes
    are symbolic ("G*A T A O"); the sizes of an environment are L, O, S and C of each team size.
    """
    width = config.batch_size_run
    runner = {1: "episode", config.n_agents: "parallel"}.get(width, str(width))
    if runners is None:
        runners = RUNNERS if runner in RUNNERS else RUNNERS | {runner: str(width)}
    shown = {name: getattr(config, name) for name in ("n_agents", "batch_size", "env", "learner", "device", "seed")}
    return {
        "schema": 1,
        "settings": shown | {"runner": runner},
        "ranges": {name: list(ends) for name, ends in RANGES.items()},
        "runners": dict(runners),
        "devices": list(dict.fromkeys([*devices, config.device])),
        "fixed": {"Z": config.subgoal_dim, "H": config.horizon, "B": config.buffer_size},
        "bytes": {name: getattr(torch, name).itemsize for name in DTYPES},
        "learners": {name: made for name in learner_names() if (made := _learner(config, name))},
        "envs": {name: _sizes(name) for name in dict.fromkeys([*ENVIRONMENTS, config.env])},
        "words": {
            name: {"headline": _(HEADLINES[grouped]), "reasons": reasons(grouped)} for name, grouped in GROUPED.items()
        },
        "texts": texts(),
        "kinds": {kind: colour for kind, (colour, __) in KINDS.items()},
        "marks": {state: list(look) for state, look in MARKS.items()},
    }


def _learner(config: OMGConfig, learner: str) -> dict[str, Any] | None:
    """Return a learner's stages as [name, calls, {field: [axes, dtype]}]; a third entry names what a field needs."""
    own = {} if learner == config.learner else {"extra": {}}
    try:
        config = OMGConfig.from_dict(config.to_dict() | {"learner": learner, "batch_size_run": 1} | own)
        told, without = contract(config, records_alive=True), contract(config)
    except ConfigError:
        return None
    stages = []
    for name, (__, fields) in told.items():
        plain = without[name][1]
        made = {key: [*field] if key in plain else [*field, "alive"] for key, field in fields.items()}
        stages.append([name, "A/R" if name in ROUND and config.has_teammates else "1", made])
    grouped = config.has_teammates
    axes = sorted({axis for __, __, fields in stages for text, *_ in fields.values() for axis in text.split()})
    return {
        "grouped": grouped,
        "rings": "A" if grouped else "1",
        "stages": stages,
        "kinds": kinds_of([*axes, "A", "G", "G*A"], grouped),
    }


def _sizes(env: str) -> dict[str, Any]:
    """Return [L, O, S, C] of each team size, and whether its episodes record who lives."""
    infos = {n: env_info(env, n) for n in team_sizes(env)}
    sizes = {n: [i.episode_limit, i.obs_dim, i.state_dim, i.n_actions] for n, i in infos.items()}
    return {"alive": any(info.records_alive for info in infos.values()), "sizes": sizes}


def measured_of(
    trace: ShapeTrace,
    differences: Sequence[Difference] = (),
    books: Mapping[str, Any] | None = None,
    milliseconds: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return a measured update as plain data: its trace, what differs from the plan, the run's bookkeeping.

    `books` as in `omg_lib.widgets.live.Live`; `milliseconds` is the running mean of each stage, by default of
    this update.
    """
    wrong = {difference.stage: difference_text(difference) for difference in reversed(differences)}
    own = {stage.name: 1000 * stage.seconds for stage in trace.stages if stage.seconds is not None}
    told = trace.to_dict()
    return {
        "update": trace.update,
        "device": trace.device,
        "config": {name: trace.config[name] for name in ("n_agents", "batch_size", "env", "learner")},
        "sizes": told["sizes"],
        "stages": told["stages"],
        "wrong": wrong,
        "ms": dict(milliseconds or own),
        "books": dict(books) if books else None,
    }
