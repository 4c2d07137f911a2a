"""What shape is this tensor here? The contract of every stage, and the recorder that measures the real run.

`contract(config)` is the prediction, written once as named axes. `@stage("...")` marks the functions that
really run; inside `Recorder.recording()` each of them leaves its shapes, bytes and seconds. When nobody records, a
stage costs one look-up.
"""

from __future__ import annotations

import functools
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from tensordict import TensorDictBase

from omg_lib.config import ConfigError, OMGConfig

LETTERS = "AGRLTOSCZH"
"""The sizes of a trace, in the order of its schema."""


@dataclass(frozen=True)
class Field:
    """One tensor of a stage: its shape, the names of its axes, its dtype and its bytes."""

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * getattr(torch, self.dtype).itemsize


@dataclass(frozen=True)
class Stage:
    """One stage of an update. `leading` is the first axis of its tensors; `seconds` is the sum over its calls."""

    name: str
    calls: int
    leading: int | None
    fields: Mapping[str, Field]
    seconds: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))

    def __reduce__(self) -> tuple:
        return type(self), (self.name, self.calls, self.leading, dict(self.fields), self.seconds)


@dataclass(frozen=True)
class ShapeTrace:
    """All stages of one update in the order in which they run, predicted (no seconds) or measured."""

    config: Mapping[str, Any]
    device: str
    update: int | None
    sizes: Mapping[str, int]
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", MappingProxyType(dict(self.config)))
        object.__setattr__(
            self, "sizes", MappingProxyType({key: self.sizes[key] for key in sorted(self.sizes, key=LETTERS.find)})
        )

    def __reduce__(self) -> tuple:
        return type(self), (dict(self.config), self.device, self.update, dict(self.sizes), self.stages)

    def __getitem__(self, name: str) -> Stage:
        for entry in self.stages:
            if entry.name == name:
                return entry
        raise KeyError(f"no stage {name!r}; there are " + ", ".join(s.name for s in self.stages))

    def to_dict(self) -> dict[str, Any]:
        """The trace as plain data, schema 1."""
        stages = []
        for entry in self.stages:
            row: dict[str, Any] = {"name": entry.name, "calls": entry.calls, "leading": entry.leading}
            if entry.seconds is not None:
                row["seconds"] = entry.seconds
            row["fields"] = {
                key: {"shape": list(f.shape), "axes": list(f.axes), "dtype": f.dtype, "bytes": f.bytes}
                for key, f in entry.fields.items()
            }
            stages.append(row)
        return {
            "schema": 1,
            "config": dict(self.config),
            "device": self.device,
            "update": self.update,
            "sizes": dict(self.sizes),
            "stages": stages,
        }

    def save(self, path: str | Path) -> None:
        """Write the trace as JSON. ConfigError if the file cannot be written."""
        try:
            Path(path).write_text(json.dumps(self.to_dict(), indent=1) + "\n")
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError("trace", str(path), f"cannot be written ({reason}); allowed is a file that can") from None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ShapeTrace:
        """The trace of what `to_dict` gave, perhaps read from a file."""
        stages = []
        for row in values["stages"]:
            fields = {k: Field(tuple(f["shape"]), tuple(f["axes"]), f["dtype"]) for k, f in row["fields"].items()}
            stages.append(Stage(row["name"], row["calls"], row["leading"], fields, row.get("seconds")))
        return cls(values["config"], values["device"], values["update"], values["sizes"], tuple(stages))


def load_trace(path: str | Path) -> ShapeTrace:
    """A trace that `save` wrote, or `python -m omg_lib train --trace`. ConfigError if it is none."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        return ShapeTrace.from_dict(data)
    except OSError as error:
        reason = error.strerror or error
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = "it holds no trace of schema 1"
    raise ConfigError("trace", str(path), f"cannot be read ({reason}); allowed is a file that --trace wrote")


# --- the contract ----------------------------------------------------------------------------------------------------

PER_AGENT = {"obs": ("O", "float32"), "actions": ("1", "int64"), "avail_actions": ("C", "bool")}
PER_EPISODE = {
    "state": ("S", "float32"),
    "reward": ("1", "float32"),
    "terminated": ("1", "bool"),
    "filled": ("1", "bool"),
}
SUBGOAL_FIELDS = {
    "infer_mu": ("G T-1 A Z", "float32"),
    "infer_log_var": ("G T-1 A Z", "float32"),
    "candidates": ("G T-1 A H Z", "float32"),
    "values": ("G T-1 A H", "float32"),
    "chosen": ("G T-1 A", "int64"),
}


def contract(config: OMGConfig) -> dict[str, tuple[int, dict[str, tuple[str, str]]]]:
    """Stage name -> (calls in one update, field -> (axes, dtype)), in the order in which the stages run."""
    per_episode = PER_EPISODE | ({"team": ("1", "int64")} if config.learner == "oracle" else {})
    fields = {key: (f"A {width}", dtype) for key, (width, dtype) in PER_AGENT.items()} | per_episode
    if config.has_teammates:
        fields["seat"] = ("1", "int64")

    def episodes(leading: str, time_axis: str) -> dict[str, tuple[str, str]]:
        return {key: (f"{leading} {time_axis} {axes}", dtype) for key, (axes, dtype) in fields.items()}

    sample = "G*A" if config.has_teammates else "G"
    runs = config.runs_per_update
    stages = {
        "runner.run": (runs, episodes("R", "L+1")),
        "buffer.insert_episode_batch": (runs, episodes("R", "L+1")),
        "buffer.sample": (1, episodes(sample, "L+1")),
        "truncate": (1, episodes(sample, "T")),
        "to_device": (1, episodes(sample, "T")),
    }
    if config.has_teammates:
        regrouped = {key: (f"G T A {width}", dtype) for key, (width, dtype) in (PER_AGENT | per_episode).items()}
        stages["learner.regroup"] = (1, regrouped | {"last_actions": ("G T A A", "int64")})
    if config.learner == "omg":
        stages["learner.omg_loss"] = (1, SUBGOAL_FIELDS)
    stages["controller.init_hidden"] = (1, {"hidden": (f"G A {config.rnn_hidden_dim}", "float32")})
    stages["learner.q_values"] = (1, {"q": ("G T A C", "float32")})
    stages["learner.td_loss"] = (1, {"loss": ("", "float32")})
    stages["learner.step"] = (1, {})
    return stages


def axis_size(axis: str, sizes: Mapping[str, int]) -> int:
    """The length of a named axis: "A", "G*A", "T-1", "64".

    >>> axis_size("G*A", {"G": 32, "A": 8}), axis_size("L+1", {"L": 120}), axis_size("64", {})
    (256, 121, 64)
    """
    match = re.fullmatch(r"(\w+)(?:([*+-])(\w+))?", axis)
    if match is None:
        raise ValueError(f"axis {axis!r} is not of the form A, G*A, L+1, T-1 or 64")
    left, sign, right = match.groups()
    value = [int(part) if part.isdigit() else sizes[part] for part in (left, right) if part]
    if sign is None:
        return value[0]
    return {"*": value[0] * value[1], "+": value[0] + value[1], "-": value[0] - value[1]}[sign]


def trace_of(config: OMGConfig, sizes: Mapping[str, int], device: str, update: int | None = None) -> ShapeTrace:
    """The contract with every axis put in: what an update must look like at these sizes."""
    stages = []
    for name, (calls, fields) in contract(config).items():
        made = {}
        for key, (text, dtype) in fields.items():
            axes = tuple(text.split())
            made[key] = Field(tuple(axis_size(axis, sizes) for axis in axes), axes, dtype)
        shapes = [f.shape for f in made.values() if f.shape]
        stages.append(Stage(name, calls, shapes[0][0] if shapes else None, made))
    return ShapeTrace(config.to_dict(), device, update, sizes, tuple(stages))


# --- the recorder ----------------------------------------------------------------------------------------------------

_recorder: ContextVar[Recorder | None] = ContextVar("omg_lib_recorder", default=None)


def stage(name: str) -> Callable[[Callable], Callable]:
    """Mark a function as a stage. It returns its fields as a TensorDict, or a tuple that ends with that TensorDict."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            recorder = _recorder.get()
            if recorder is None:
                return function(*args, **kwargs)
            return recorder.call(name, function, args, kwargs)

        return call

    return decorate


@dataclass
class Recorder:
    """Collects the stages of one update. A stage that runs inside another one is part of it and not listed.

    The record keeps shapes, no values; `hear(name, fields)` is handed what each stage returned.
    """

    device: torch.device
    _rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    hear: Callable[[str, TensorDictBase], None] | None = None

    @contextmanager
    def recording(self) -> Iterator[None]:
        token = _recorder.set(self)
        try:
            yield
        finally:
            _recorder.reset(token)

    def calls(self, name: str) -> int:
        """How often a stage ran so far."""
        return self._rows[name]["calls"] if name in self._rows else 0

    def copy(self) -> Recorder:
        """A recorder that goes on from here and leaves this one as it is."""
        return Recorder(self.device, {name: dict(row) for name, row in self._rows.items()}, self.hear)

    def call(self, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        token = _recorder.set(None)
        try:
            start = self._now()
            result = function(*args, **kwargs)
            seconds = self._now() - start
        finally:
            _recorder.reset(token)
        row = self._rows.setdefault(name, {"calls": 0, "seconds": 0.0})
        row["calls"] += 1
        row["seconds"] += seconds
        made = result[-1] if isinstance(result, tuple) else result
        if self.hear and isinstance(made, TensorDictBase):
            self.hear(name, made)
        fields = _fields(made)
        if row.setdefault("first", fields) == row.get("fields", fields):
            row["fields"] = fields  # of all calls, or of the first one that differs
        return result

    def finish(self, config: OMGConfig, sizes: Mapping[str, int], update: int) -> ShapeTrace:
        """The measured trace; `sizes["T"]` comes from what `truncate` really returned."""
        truncated = self._rows["truncate"]["fields"]["obs"][0]
        sizes = dict(sizes) | {"T": truncated[1]}
        axes = {name: fields for name, (_, fields) in contract(config).items()}
        stages = []
        for name, row in self._rows.items():
            made = {}
            for key, (shape, dtype) in row["fields"].items():
                text = axes.get(name, {}).get(key, (" ".join("?" * len(shape)), dtype))[0]
                made[key] = Field(shape, tuple(text.split()), dtype)
            leading = next((f.shape[0] for f in made.values() if f.shape), None)
            stages.append(Stage(name, row["calls"], leading, made, row["seconds"]))
        return ShapeTrace(config.to_dict(), str(self.device), update, sizes, tuple(stages))

    def _now(self) -> float:
        if self.device.type == "cuda":  # kernels run behind Python's back: wait, so that a stage pays for its own
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _fields(made: Any) -> dict[str, tuple[tuple[int, ...], str]]:
    if not isinstance(made, TensorDictBase):
        return {}
    return {key: (tuple(x.shape), str(x.dtype).removeprefix("torch.")) for key, x in made.items()}
