"""The contents of a checkpoint: everything that the next update depends on, saved from a run and loaded into one.

Weights and optimiser states are tensors; counters and the current round are JSON; the episodes are in segments. Before
it is loaded, each part is checked against the run that loads it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from omg_lib.buffer import NOT_STORED
from omg_lib.config import ConfigError, OMGConfig, own_settings
from omg_lib.settings.words import DEFAULTS, flat
from omg_lib.system.files import (
    Layout,
    check_layout,
    count,
    finite,
    flag,
    listed,
    open_tensors,
    read_json,
    sha256,
    share,
    shown,
)
from omg_lib.system.places import Place
from omg_lib.trace import Field
from omg_lib.training import RECENT_EPISODES, Training
from omg_lib.words import _, listing

MAY_CHANGE = (
    "updates", "t_max", "steps", "lr", "omg_lr", "epsilon_start", "epsilon_finish", "epsilon_anneal_time", "device",
    "buffer_device", "runner", "actors",
)  # fmt: skip
"""Settings that may change when a run continues; the run's folder records the changes."""
PATHS = ("teammates", "prior")
"""Settings that may be paths, and may be given relative to another folder when a run is resumed."""
ADAM = ("step", "exp_avg", "exp_avg_sq")
MEMORY = {"RMSprop": ("step", "square_avg"), "Adam": ADAM, "AdamW": ADAM}
"""The state that an optimiser keeps for each weight."""
UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError)
"""Errors that reading a damaged file may raise."""
PRIOR_STEPS = 10_000
"""An upper limit: more steps than pre-training ever has within a run."""


# --- files -----------------------------------------------------------------------------------------------------------


def digest(state: Mapping[str, Any]) -> str:
    """Return the checksum of a checkpoint's counters."""
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def read_state(folder: Path | Place) -> dict[str, Any]:
    """Return the counters of a checkpoint. Raise ValueError if they have changed since they were written."""
    state = read_json(folder / "state.json")
    if "sha256" in state and state.pop("sha256") != digest(state):
        raise ValueError(_("state.json is not what was written: it is damaged"))
    return state


def segments_of(folder: Place) -> set[str]:
    """Return the names of the segments that a checkpoint needs; an empty set if it cannot be read."""
    try:
        return set(read_state(folder).get("segments", {}))
    except UNREADABLE:
        return set()


def load_checkpoint(
    run: Training, folder: Place, episodes: Place, state: Mapping[str, Any], with_episodes: bool
) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Load the checkpoint of a folder into a run, then its episodes, which may be missing unless `with_episodes`. Check
    everything first, except the contents of the episodes. Return where each segment ends, and its checksum.
    """
    # older runs, saved without their episodes, have no checksums
    written = state["files"]["weights.safetensors"] if "files" in state else None
    arrays = read_tensors(folder / "weights.safetensors", lambda found: wanted_tensors(run, found), written)
    inserted, sums = check_inserted(run, state["inserted"]), dict(state.get("segments", {}))
    if not sums or not episodes.is_folder():
        if with_episodes and any(inserted):
            raise ValueError(_("its episodes are gone: you can play it, but not train it further"))
        sums, inserted = {}, [0] * len(inserted)
    paths = {name: episodes / _plain(name) for name in sorted(sums)}
    for name, path in paths.items():
        read_segment(run, path, sums[name])
    load_state(run, state)
    load_tensors(run, {key: torch.from_numpy(x) for key, x in arrays.items()})
    ends: dict[str, list[int]] = {}
    restored: list[set[int]] = [set() for _ in inserted]
    for name, path in paths.items():
        came = load_segment(run, read_segment(run, path, sums[name]), inserted)
        restored = [held | more for held, more in zip(restored, came, strict=True)]
        ends[name] = run.buffer.inserted
    check_buffer(run, inserted, restored)
    return ends, {name: str(sums[name]) for name in paths}


def read_tensors(path: Place, wanted_of: Callable[[Layout], Layout], written: object) -> dict[str, np.ndarray]:
    """Return the tensors of a file. Raise ValueError unless they have the wanted layout and the file has the recorded
    checksum, if there is one. The size is checked before the whole file is read.
    """
    with open_tensors(path) as file:
        wanted = wanted_of(file.layout)
        check_layout(file.layout, wanted)
        if written is not None and sha256(path, file.size) != written:
            raise ValueError(_("{name} is not what was written: it is damaged").format(name=path.name))
        return file.arrays(wanted)


def read_segment(run: Training, path: Place, written: object) -> dict[str, np.ndarray]:
    """Return the episodes of one segment; see `wanted_segment`."""
    return read_tensors(path, lambda found: wanted_segment(run, found), written or "")


def _plain(name: str) -> str:
    """Return the name if it is a segment's, so that it stays in its folder. Raise ValueError otherwise."""
    if not re.fullmatch(r"\d{1,20}\.safetensors", name):
        raise ValueError(_("{name} is not the name of a segment").format(name=shown(name)))
    return name


# --- tensors ---------------------------------------------------------------------------------------------------------


def tensors_of(run: Training) -> dict[str, torch.Tensor]:
    """Return weights and optimiser states by name: not copied, on their device."""
    tensors = {}
    for name, module in run.learner.modules().items():
        tensors |= {f"{name}.{key}": x.contiguous() for key, x in module.state_dict().items()}
    for name, optimiser in run.learner.optimisers().items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{name}.{index}.{key}": x for key, x in state.items()}
    return tensors


def wanted_tensors(run: Training, found: Iterable[str]) -> Layout:
    """Return the layout that a file with these names must have for this run. Untrained weights have none."""
    modules = run.learner.modules().items()
    wanted = {f"{name}.{key}": x for name, module in modules for key, x in module.state_dict().items()}
    found, step = set(found), torch.zeros(())
    for name, optimiser in run.learner.optimisers().items():
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        for index, weight in enumerate(weights):
            keys = {key: f"optimiser.{name}.{index}.{key}" for key in MEMORY[type(optimiser).__name__]}
            if not found.isdisjoint(keys.values()):
                wanted |= {full: step if key == "step" else weight for key, full in keys.items()}
    return {key: (str(x.dtype).removeprefix("torch."), tuple(x.shape)) for key, x in wanted.items()}


def load_tensors(run: Training, tensors: Mapping[str, torch.Tensor]) -> None:
    """Load weights and optimiser states into a run, and move each tensor to its device."""
    for name, module in run.learner.modules().items():
        module.load_state_dict({key: tensors[f"{name}.{key}"] for key in module.state_dict()})
    for name, optimiser in run.learner.optimisers().items():
        states: dict[int, dict[str, torch.Tensor]] = {}
        for key, x in tensors.items():
            if key.startswith(f"optimiser.{name}."):
                _, _, index, field = key.split(".")
                states.setdefault(int(index), {})[field] = x
        optimiser.load_state_dict(optimiser.state_dict() | {"state": states})


# --- counters --------------------------------------------------------------------------------------------------------


def state_of(run: Training) -> dict[str, Any]:
    """Return everything except tensors and episodes, as plain data."""
    return {"config": run.config.to_dict(), "pool": pool_digest(run)} | run.buffer.state_dict() | run.state_dict()


def load_state(run: Training, state: Mapping[str, Any]) -> None:
    """Load the counters into a run, and empty its buffer for the episodes that follow. Raise ValueError, KeyError or
    TypeError, before changing anything, for values that no run can have.
    """
    checked = {
        "recent": [(finite(total), flag(won)) for total, won in listed(state["recent"], RECENT_EPISODES)],
        "prior_errors": [finite(error) for error in listed(state.get("prior_errors", []), PRIOR_STEPS)],
        "epsilon": share(state["epsilon"]),
        "win_rate": None if state["win_rate"] is None else share(state["win_rate"]),
        "round": state.get("round"),
    }
    counters = ("update", "episode", "t_env", "last_target_update", "tested_at")
    run.load_state_dict(checked | {key: count(state[key]) for key in counters})
    run.buffer.clear()


def check_config(name: str, path: str, saved: object, config: OMGConfig) -> None:
    """Raise ConfigError if a saved run's configuration differs from the one to continue with, and name each field."""
    if not isinstance(saved, dict):
        raise ValueError(_("its configuration is not a JSON object"))
    differ = []
    before, own = DEFAULTS | own_settings(config.learner) | flat(saved), flat(config.to_dict())
    for key, mine in own.items():
        theirs = before[key]
        moved = key in PATHS and isinstance(theirs, str) and str(mine).endswith(theirs)
        if key not in MAY_CHANGE and mine != theirs and not moved:
            said = _("{key}={mine} here and {theirs} there")
            differ.append(said.format(key=key, mine=shown(mine), theirs=shown(theirs)))
    if differ:
        raise ConfigError(
            name,
            path,
            _("{differ}; only {names} may differ").format(
                differ=listing(differ, "; ")[:150], names=listing(MAY_CHANGE)
            ),
        )


def pool_digest(run: Training) -> str | None:
    """Return the checksum of the pool on disk that a run's teammates come from; None if there is no such pool."""
    return run.controller.coplayers and run.controller.coplayers.pool.digest


def check_pool(name: str, path: str, state: Mapping[str, Any], run: Training) -> None:
    """Raise ConfigError if the pool at its path is not the one that a saved run was trained with. Older checkpoints
    have no checksum of the pool and pass.
    """
    if state.get("pool", pool_digest(run)) != pool_digest(run):
        where = f"teammates={shown(run.config.teammates)}"
        raise ConfigError(
            name,
            path,
            _("the pool {where} is not the one it was trained with; allowed is that one").format(where=where),
        )


# --- episodes --------------------------------------------------------------------------------------------------------


def played_fields(run: Training) -> Mapping[str, Field]:
    """Return the fields of one run of the runner, [R, L+1, ...], from the contract."""
    return run.plan["runner.run"].fields


def check_inserted(run: Training, inserted: object) -> list[int]:
    """Return how many episodes each seat ever received. Raise ValueError for what this run's buffer cannot have."""
    counts = [count(came) for came in listed(inserted, len(run.buffer.rings))]
    if len(counts) != len(run.buffer.rings):
        raise ValueError(
            _("inserted names {counts} seats of {rings}").format(counts=len(counts), rings=len(run.buffer.rings))
        )
    return counts


def wanted_segment(run: Training, found: Layout) -> Layout:
    """Return the layout of a segment with as many episodes and rows. Raise ValueError if there cannot be so many."""
    (episodes,), rows = found["lengths"][1], found["reward"][1][0]
    if not 0 < episodes <= run.config.buffer_size or not episodes < rows <= episodes * (run.env.info.episode_limit + 1):
        raise ValueError(
            _("{episodes} episodes with {rows} rows are not possible in this run").format(episodes=episodes, rows=rows)
        )
    wanted = {key: (f.dtype, (rows, *f.shape[2:])) for key, f in played_fields(run).items() if key not in NOT_STORED}
    wanted["actions"] = np.min_scalar_type(run.env.info.n_actions).name, wanted["actions"][1]
    return wanted | dict.fromkeys(("lengths", "seats", "numbers"), ("int64", (episodes,)))


def load_segment(run: Training, arrays: dict[str, np.ndarray], inserted: list[int]) -> list[set[int]]:
    """Put a segment's episodes into the run's buffer. Return their numbers by seat. Raise ValueError if impossible."""
    lengths, seats, numbers = (arrays[key] for key in ("lengths", "seats", "numbers"))
    if lengths.min() < 2 or lengths.max() > run.env.info.episode_limit + 1 or lengths.sum() != len(arrays["reward"]):
        raise ValueError(_("its episodes are longer or shorter than its rows"))
    if seats.min() < 0 or seats.max() >= len(inserted):
        raise ValueError(_("it names seats that do not exist"))
    if numbers.min() < 0 or (numbers >= np.array(inserted)[seats]).any():
        raise ValueError(_("it numbers episodes that were never played"))
    if not 0 <= arrays["actions"].min() <= arrays["actions"].max() < run.env.info.n_actions:
        raise ValueError(_("it holds actions that do not exist"))
    run.buffer.restore(arrays)
    return [set(numbers[seats == seat].tolist()) for seat in range(len(inserted))]


def check_buffer(run: Training, inserted: list[int], restored: list[set[int]]) -> None:
    """Raise ValueError unless the buffer again holds every episode that it held when the checkpoint was written."""
    for ring, came, numbers in zip(run.buffer.rings, inserted, restored, strict=True):
        held = min(came, ring.capacity)
        if len(numbers.intersection(range(came - held, came))) < held:
            raise ValueError(_("some of its episodes are missing"))
    layout = {key: (f.shape[1:], np.dtype(f.dtype)) for key, f in played_fields(run).items()}
    run.buffer.load_state_dict({"inserted": inserted}, layout)
