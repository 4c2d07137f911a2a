"""Predict every shape of an update from the configuration alone, and compare the prediction with a real run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from omg_lib.config import OMGConfig
from omg_lib.envs import env_info
from omg_lib.episodes import sizes_of
from omg_lib.trace import ShapeTrace, Stage, trace_of
from omg_lib.words import _


@dataclass(frozen=True)
class Difference:
    """One difference between a run and its prediction. `field` names a tensor, or is "calls", "leading" or "T"."""

    stage: str
    field: str
    predicted: Any
    measured: Any


def predict(config: OMGConfig) -> ShapeTrace:
    """Predict the trace of a run of this configuration, without running anything. T is at its maximum, L + 1."""
    info = env_info(config.env, config.n_agents)
    sizes = sizes_of(config, info)
    return trace_of(config, sizes | {"T": sizes["L"] + 1}, config.device, records_alive=info.records_alive)


def compare(plan: ShapeTrace, trace: ShapeTrace | None) -> list[Difference]:
    """Return every difference between a measured trace and its prediction at the measured T; [] if there is none.

    T depends on the data: it must satisfy 1 < T <= L + 1. Calls, leading axes, shapes, dtypes and bytes must be equal.
    ValueError before the first update, when there is no trace.
    """
    if trace is None:
        raise ValueError(_("compare: nothing has been measured; finish the first update first"))
    steps, limit = trace.sizes["T"], plan.sizes["L"]
    if not 1 < steps <= limit + 1:
        return [Difference("truncate", "T", f"2 to {limit + 1}", steps)]
    measured = {entry.name: entry for entry in trace.stages}
    planned = {entry.name: _at(entry, steps) for entry in plan.stages}
    found = []
    ran, order = [entry.name for entry in trace.stages], [entry.name for entry in plan.stages]
    if ran != order and set(ran) == set(order):
        found.append(Difference("stages", "order", order, ran))
    for name in [*planned, *(name for name in measured if name not in planned)]:
        found += _differences(name, planned.get(name), measured.get(name))
    return found


def _at(entry: Stage, steps: int) -> Stage:
    """Return a planned stage at the measured T."""
    known = {"T": steps, "T-1": steps - 1}
    fields = {
        key: replace(f, shape=tuple(known.get(axis, size) for axis, size in zip(f.axes, f.shape, strict=True)))
        for key, f in entry.fields.items()
    }
    return replace(entry, fields=fields)


def _differences(name: str, planned: Stage | None, measured: Stage | None) -> list[Difference]:
    if planned is None or measured is None:
        return [Difference(name, "calls", planned.calls if planned else 0, measured.calls if measured else 0)]
    pairs: list[tuple[str, Any, Any]] = [("calls", planned.calls, measured.calls)]
    pairs.append(("leading", planned.leading, measured.leading))
    for key in [*planned.fields, *(key for key in measured.fields if key not in planned.fields)]:
        one, other = planned.fields.get(key), measured.fields.get(key)
        pairs.append(
            (
                key,
                one and (one.shape, one.dtype, one.bytes),
                other and (other.shape, other.dtype, other.bytes),
            )
        )
    return [Difference(name, key, one, other) for key, one, other in pairs if one != other]
