"""What a run reports while it trains: its stage, its milliseconds, its buffer, and its bookkeeping of a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tensordict import TensorDictBase

from omg_lib.regroup import rows_of_seats
from omg_lib.trace import ShapeTrace
from omg_lib.words import _

if TYPE_CHECKING:
    from omg_lib.training import Training


class Live:
    """The run's thread writes it and only stores values; another thread may read it at any time.

    `books`, of the latest sample, lists for each of its episodes `seats` (who learnt), `lengths` (filled rows) and
    `places` (in its ring); `rows` has the episode that slot a of group g takes at g * A + a; `fill` and `capacity` are
    the rings'. None before the first sample.
    """

    def __init__(self) -> None:
        self.running = ""
        self.training: Training | None = None
        self.books: dict[str, Any] | None = None
        self._seconds: dict[str, float] = {}
        self._updates = 0

    def on_run(self, name: str) -> None:
        self.running = name

    def on_stage(self, name: str, fields: TensorDictBase) -> None:
        if name != "buffer.sample" or self.training is None:
            return
        buffer, agents = self.training.buffer, self.training.config.n_agents
        seated = "seat" in fields.keys()
        places = [int(ring[g]) for g in range(len(buffer.drawn[0])) for ring in buffer.drawn]
        self.books = {
            "seats": fields["seat"][:, 0, 0].tolist() if seated else [0] * len(places),
            "lengths": fields["filled"].sum(dim=1).flatten().tolist(),
            "places": places,
            "rows": rows_of_seats(fields["seat"], agents).flatten().tolist() if seated else list(range(len(places))),
        } | self._rings()

    def _rings(self) -> dict[str, Any]:
        rings = self.training.buffer.rings
        return {"fill": [len(ring.episodes) for ring in rings], "capacity": rings[0].capacity}

    def updated(self, trace: ShapeTrace) -> None:
        """Add an update's seconds to the means."""
        self._updates += 1
        for stage in trace.stages:
            self._seconds[stage.name] = self._seconds.get(stage.name, 0.0) + (stage.seconds or 0.0)

    @property
    def milliseconds(self) -> dict[str, float]:
        """The mean of each stage over all updates so far, rounded."""
        return {name: float(f"{1000 * total / self._updates:.3g}") for name, total in list(self._seconds.items())}

    def state(self) -> dict[str, Any]:
        """Return what the page shows now, as plain data."""
        training = self.training
        if training is None:
            return {"live": ""}
        rings = self._rings()
        held, needed = sum(rings["fill"]), training.config.sample_size
        words = (
            _("episode {held} of {needed}").format(held=held, needed=needed)
            if held < needed
            else _("holds {held:,} of {buffer_size:,}").format(held=held, buffer_size=training.config.buffer_size)
        )
        return {"live": self.running, "held": words, "ms": self.milliseconds or None} | rings
