"""A run's folder: config.json, metrics.csv with a row per update, and checkpoints from which it goes on exactly.

Weights, optimisers and episodes are safetensors, everything else is JSON: no file here can run code. Since every random
draw is a function of (seed, which one), there is no generator to save. Episodes are written once, in segments that all
checkpoints share.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.training import Progress, Report, Training

COLUMNS = (
    "update", "t_env", "loss", "td_loss", "omg_loss", "train_win_rate", "win_rate", "train_return", "epsilon",
    "grad_norm", "recon_loss", "kl_loss", "model_loss",
)  # fmt: skip
SECONDS_BETWEEN = 10.0
KEPT = 2


class RunFolder:
    """Writes one run to a folder. `create` and `resume` make one; both raise ConfigError in one sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints, self.segments = path / "checkpoints", path / "checkpoints" / "episodes"
        self._saved_at = -SECONDS_BETWEEN
        self._ends: dict[Path, list[int]] = {}  # segment -> what the buffer's `inserted` was when it was written

    @classmethod
    def create(cls, path: str | Path, config: OMGConfig) -> RunFolder:
        """A new run's folder; it may exist, but not hold a run."""
        folder = cls(Path(path))
        if (folder.path / "config.json").exists():
            raise ConfigError("out", str(path), "the folder holds a run already; allowed is a new one, or resume it")
        try:
            folder.segments.mkdir(parents=True, exist_ok=True)
            _write(folder.path / "config.json", json.dumps(config.to_dict(), indent=1) + "\n")
            with (folder.path / "metrics.csv").open("w", newline="") as file:
                csv.writer(file).writerow(COLUMNS)
        except OSError as error:
            raise ConfigError(
                "out", str(path), f"cannot be written ({error.strerror or error}); allowed is a folder that can"
            ) from None
        return folder

    def record(self, report: Report) -> None:
        """Add the row of one update to metrics.csv, and flush it."""
        row = {"update": report.update, "t_env": report.t_env} | report.metrics
        with (self.path / "metrics.csv").open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)

    def save_if_due(self, run: Training) -> None:
        """Save after the first update, then every 10 seconds."""
        if time.monotonic() - self._saved_at >= SECONDS_BETWEEN:
            self.save(run)

    def save(self, run: Training) -> Path:
        """Write a checkpoint of a run that stands between two updates; the last two are kept."""
        self._save_segment(run)
        name = f"update-{run.update:09d}"
        draft = self.checkpoints / f".{name}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        save_file(_tensors(run), draft / "weights.safetensors")
        _write(draft / "state.json", json.dumps(_state(run), indent=1) + "\n")
        final = self.checkpoints / name
        shutil.rmtree(final, ignore_errors=True)
        os.replace(draft, final)
        for old in sorted(self.checkpoints.glob("update-*"))[:-KEPT]:
            shutil.rmtree(old)
        self._saved_at = time.monotonic()
        return final

    def _save_segment(self, run: Training) -> None:
        """Write the episodes that came since the last segment; remove segments that the buffer has forgotten."""
        rings, since = run.buffer.rings, list(self._ends.values())[-1] if self._ends else [0] * len(run.buffer.rings)
        episodes = run.buffer.segment(since)
        if episodes:
            path = self.segments / f"{sum(since):09d}.safetensors"
            draft = path.with_suffix(".draft")
            save_arrays(episodes, draft)
            os.replace(draft, path)
            self._ends[path] = run.buffer.inserted
        for path, end in list(self._ends.items()):
            if all(count <= ring.inserted - ring.capacity for count, ring in zip(end, rings, strict=True)):
                path.unlink()
                del self._ends[path]

    @classmethod
    def resume(cls, path: str | Path, run: Training) -> RunFolder:
        """Put the latest checkpoint of a folder into a fresh run; later rows and episodes are removed."""
        folder = cls(Path(path))
        folder._restore(run)
        for segment in folder.segments.glob("*.safetensors"):
            if segment not in folder._ends:
                segment.unlink()
        metrics = folder.path / "metrics.csv"
        with metrics.open(newline="") as file:
            header, *rows = csv.reader(file)
        kept = [header, *(row for row in rows if row and int(row[0]) <= run.update)]
        _write(metrics, "".join(",".join(row) + "\r\n" for row in kept))
        folder._saved_at = time.monotonic()
        return folder

    def _restore(self, run: Training) -> None:
        found = sorted(self.checkpoints.glob("update-*"))
        if not found:
            raise ConfigError("resume", str(self.path), "there is no checkpoint; allowed is a folder written by --out")
        try:
            _load_tensors(run, load_file(found[-1] / "weights.safetensors"))  # each goes to its device from here
            state = json.loads((found[-1] / "state.json").read_text())
            _load_state(run, state)
            for segment in sorted(self.segments.glob("*.safetensors")):
                if int(segment.stem) < sum(state["inserted"]):  # others were written after this checkpoint
                    run.buffer.restore(load_arrays(segment))
                    self._ends[segment] = run.buffer.inserted
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = str(error).split("\n")[0][:120]
            raise ConfigError("resume", str(found[-1]), f"the checkpoint cannot be read ({reason})") from None


def saved_config(path: str | Path) -> OMGConfig:
    """The configuration of a run's folder; ConfigError if there is none or it is not readable.

    A pool or prior with a relative path is also looked for from the folder's parents, so that a run can be loaded from
    elsewhere than where it was trained.
    """
    try:
        values = json.loads((Path(path) / "config.json").read_text())
        if not isinstance(values, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            "resume", str(path), f"no readable config.json ({reason}); allowed is a folder written by --out"
        ) from None
    for name in ("teammates", "prior"):
        values |= {name: _found(values.get(name), Path(path))}
    return OMGConfig.from_dict(values)


def _found(name: object, folder: Path) -> object:
    """A path as it is if it leads somewhere, else from the nearest parent of a folder from which it does."""
    if not isinstance(name, str) or Path(name).exists():
        return name
    return next((str(p / name) for p in folder.absolute().parents if (p / name).exists()), name)


def load(path: str | Path, progress: Progress | None = None) -> Training:
    """A saved run as it was at its latest checkpoint: play, test or train on with it; its folder stays as it is."""
    run = Training(saved_config(path), progress)
    RunFolder(Path(path))._restore(run)
    return run


def copy_learner(run: Training, other: Training) -> None:
    """Make another run of the same networks learn on from where this one stands; its episodes stay its own."""
    _load_tensors(other, {key: x.clone() for key, x in _tensors(run).items()})
    other.update = other.learner.updates = run.update
    other.runner.t_env = run.runner.t_env


# --- what a checkpoint holds -----------------------------------------------------------------------------------------


def _tensors(run: Training) -> dict[str, torch.Tensor]:
    tensors = {}
    for name, module in run.learner.modules().items():
        tensors |= {f"{name}.{key}": x.contiguous() for key, x in module.state_dict().items()}
    for name, optimiser in run.learner.optimisers().items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{name}.{index}.{key}": x for key, x in state.items()}
    return tensors


def _load_tensors(run: Training, tensors: dict[str, torch.Tensor]) -> None:
    for name, module in run.learner.modules().items():
        module.load_state_dict({key: tensors[f"{name}.{key}"] for key in module.state_dict()})
    for name, optimiser in run.learner.optimisers().items():
        states: dict[int, dict[str, torch.Tensor]] = {}
        for key, x in tensors.items():
            if key.startswith(f"optimiser.{name}."):
                _, _, index, field = key.split(".")
                states.setdefault(int(index), {})[field] = x
        optimiser.load_state_dict(optimiser.state_dict() | {"state": states})


def _state(run: Training) -> dict[str, Any]:
    return {
        "update": run.update,
        "episode": run.runner.episode,
        "t_env": run.runner.t_env,
        "epsilon": run.runner.epsilon,
        "last_target_update": run.learner.last_target_update,
        "recent": list(run.recent),
        "win_rate": run.win_rate,
        "tested_at": run.tested_at,
        "inserted": run.buffer.inserted,
        "layout": {key: [list(shape), dtype.name] for key, (shape, dtype) in run.buffer.layout.items()},
    }


def _load_state(run: Training, state: dict[str, Any]) -> None:
    run.update, run.win_rate, run.tested_at = int(state["update"]), state["win_rate"], int(state["tested_at"])
    run.runner.episode, run.runner.t_env = int(state["episode"]), int(state["t_env"])
    run.runner.epsilon = float(state["epsilon"])
    run.learner.last_target_update, run.learner.updates = int(state["last_target_update"]), run.update
    run.buffer.layout = {key: (tuple(shape), np.dtype(dtype)) for key, (shape, dtype) in state["layout"].items()}
    run.recent.extend((float(total), bool(won)) for total, won in state["recent"])


def _write(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text)
    os.replace(draft, path)
