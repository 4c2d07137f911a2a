"""The shapes of one update, predicted by the contract or measured by the recorder.

`@stage("...")` marks the functions that run. Inside `Recorder.recording()` each records its shapes, bytes and seconds;
otherwise a stage costs one look-up.
"""

from __future__ import annotations

import functools
import json
import math
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
from omg_lib.contract import DTYPES, LETTERS, ROUND, axis_size, contract
from omg_lib.system.files import count, finite, listed, read_json, reason, short_text, shown, write_text
from omg_lib.words import _


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
    """One stage of an update. `leading` is the first axis of its tensors; `seconds` is summed over its calls."""

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
    """All stages of one update in the order they run, predicted (no seconds) or measured."""

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
        """Return the trace as plain data, schema 1."""
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
            write_text(Path(path), json.dumps(self.to_dict(), indent=1) + "\n")
        except OSError as error:
            allowed = _("cannot be written ({reason}); allowed is a writable file").format(reason=reason(error))
            raise ConfigError("trace", str(path), allowed) from None

    @classmethod
    def load(cls, path: str | Path) -> ShapeTrace:
        """Read the trace from a JSON file that `save` wrote. ConfigError for anything else."""
        try:
            return cls.from_dict(read_json(Path(path)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                "trace", str(path), _("is not a readable trace ({reason})").format(reason=reason(error))
            ) from None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ShapeTrace:
        """Rebuild a trace from `to_dict`. ValueError, KeyError or TypeError for anything else."""
        if values["schema"] != 1:
            raise ValueError(_("schema {value}, allowed is 1").format(value=shown(values["schema"])))
        stages = []
        for row in listed(values["stages"], 100):
            fields = {key: _field(f) for key, f in row["fields"].items()}
            if any(len(f.shape) != len(f.axes) for f in fields.values()):
                raise ValueError(
                    _("the names and the sizes of the axes of {name} differ in number").format(
                        name=short_text(row["name"])
                    )
                )
            seconds = None if row.get("seconds") is None else finite(row["seconds"])
            leading = None if row["leading"] is None else count(row["leading"])
            stages.append(Stage(short_text(row["name"]), count(row["calls"]), leading, fields, seconds))
        update = None if values["update"] is None else count(values["update"])
        sizes = {short_text(key): count(size) for key, size in values["sizes"].items() if key in LETTERS}
        return cls(dict(values["config"]), short_text(values["device"]), update, sizes, tuple(stages))


def _field(values: Mapping[str, Any]) -> Field:
    axes = tuple(short_text(axis) for axis in listed(values["axes"], 8))
    return Field(_shape(values["shape"]), axes, _dtype(values["dtype"]))


def _shape(value: object) -> tuple[int, ...]:
    return tuple(count(size) for size in listed(value, 8))


def _dtype(value: object) -> str:
    if value not in DTYPES:
        raise ValueError(_("{value} is not a dtype of a trace").format(value=shown(value)))
    return str(value)


def trace_of(
    config: OMGConfig, sizes: Mapping[str, int], device: str, update: int | None = None, records_alive: bool = False
) -> ShapeTrace:
    """Return the contract at these sizes, with the length of every axis filled in."""
    stages = []
    for name, (calls, fields) in contract(config, records_alive).items():
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
    """Collect the stages of one update. A stage that runs inside another is part of it and is not listed.

    The record keeps shapes, not values; `on_stage(name, fields)` receives what each stage returned; `on_run(name)` is
    called when a stage begins, `on_run("")` when it ends.
    """

    device: torch.device
    _rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    on_stage: Callable[[str, TensorDictBase], None] | None = None
    on_run: Callable[[str], None] | None = None

    @contextmanager
    def recording(self) -> Iterator[None]:
        token = _recorder.set(self)
        try:
            yield
        finally:
            _recorder.reset(token)

    def calls(self, name: str) -> int:
        """Return how often a stage has run so far."""
        return self._rows[name]["calls"] if name in self._rows else 0

    def copy(self) -> Recorder:
        """Return a recorder that continues from here; this one stays unchanged."""
        return Recorder(self.device, {name: dict(row) for name, row in self._rows.items()}, self.on_stage, self.on_run)

    def to_dict(self) -> dict[str, Any]:
        """Return what was recorded so far as plain data."""
        return {
            name: {
                "calls": row["calls"],
                "seconds": row["seconds"],
                "fields": {key: [list(shape), dtype] for key, (shape, dtype) in row["fields"].items()},
            }
            for name, row in self._rows.items()
        }

    @classmethod
    def from_dict(
        cls,
        device: torch.device,
        rows: Mapping[str, Any],
        most: int,
        on_stage: Callable[[str, TensorDictBase], None] | None = None,
        on_run: Callable[[str], None] | None = None,
    ) -> Recorder:
        """Return a recorder that continues from `to_dict` (at most `most` calls a round). ValueError for other data."""
        made = {}
        for name, row in rows.items():
            if name not in ROUND or not 0 < count(row["calls"]) <= most:
                raise ValueError(
                    _("{name} is not a stage of a round, or was called too often").format(name=shown(name))
                )
            fields = {key: (_shape(shape), _dtype(dtype)) for key, (shape, dtype) in row["fields"].items()}
            made[name] = {"calls": row["calls"], "seconds": finite(row["seconds"]), "first": fields, "fields": fields}
        return cls(device, made, on_stage, on_run)

    def call(self, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        token = _recorder.set(None)
        if self.on_run:
            self.on_run(name)
        try:
            start = self._now()
            result = function(*args, **kwargs)
            seconds = self._now() - start
        finally:
            _recorder.reset(token)
            if self.on_run:
                self.on_run("")
        row = self._rows.setdefault(name, {"calls": 0, "seconds": 0.0})
        row["calls"] += 1
        row["seconds"] += seconds
        made = result[-1] if isinstance(result, tuple) else result
        if self.on_stage and isinstance(made, TensorDictBase):
            self.on_stage(name, made)
        fields = _fields(made)
        if row.setdefault("first", fields) == row.get("fields", fields):
            row["fields"] = fields  # of all calls, or of the first one that differs
        return result

    def finish(
        self, config: OMGConfig, sizes: Mapping[str, int], update: int, records_alive: bool = False
    ) -> ShapeTrace:
        """Return the measured trace; `sizes["T"]` is the length that `truncate` returned."""
        truncated = self._rows["truncate"]["fields"]["obs"][0]
        sizes = dict(sizes) | {"T": truncated[1]}
        axes = {name: fields for name, (_, fields) in contract(config, records_alive).items()}
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
        if self.device.type == "cuda":  # kernels run asynchronously: wait, so that each stage is charged for its own
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _fields(made: Any) -> dict[str, tuple[tuple[int, ...], str]]:
    if not isinstance(made, TensorDictBase):
        return {}
    return {key: (tuple(x.shape), str(x.dtype).removeprefix("torch.")) for key, x in made.items()}
