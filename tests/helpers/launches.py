"""Count what each stage of an update asks of a device, on the device double.

python -m tests.helpers.launches     writes data/results/launches.csv: the second update of each learner, at the
                                     defaults, with all seats of a group played at once
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import omg_lib as omg
from omg_lib.config import LEARNERS, OMGConfig
from omg_lib.learners.q_learner import QLearner
from omg_lib.trace import Recorder
from tests.helpers import device_double
from tests.helpers.device_double import Counts, counting

TABLE = Path(__file__).parents[2] / "data" / "results" / "launches.csv"
WHOLE = "learner.train"
"""The row of the whole train: its stages, and what lies between them."""


@contextmanager
def each_stage() -> Iterator[dict[str, Counts]]:
    """Count by stage what runs inside, all calls of a stage together."""
    found: dict[str, Counts] = {}
    call, train = Recorder.call, QLearner.train

    def add(name, work, *args):
        with counting() as counts:
            result = work(*args)
        found[name] = found.get(name, Counts()) + counts
        return result

    def counted_train(learner, *args):
        return add(WHOLE, train, learner, *args)

    def counted_call(recorder, name, *args):
        return add(name, call, recorder, name, *args)

    with patch.object(Recorder, "call", counted_call), patch.object(QLearner, "train", counted_train):
        yield found


def counts_of_update(config: OMGConfig) -> dict[str, Counts]:
    """Train twice on the double and return the counts of the second update, by stage."""
    with device_double.as_gpu(), omg.Training(config) as run:
        updates = iter(run)
        next(updates)
        with each_stage() as found:
            next(updates)
    return found


def main() -> None:
    with TABLE.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["learner", "stage", "launches", "uploads", "downloads", "waits"])
        for learner in LEARNERS:
            probe = OMGConfig(learner=learner)
            width = probe.n_agents if probe.has_teammates else 1
            found = counts_of_update(OMGConfig(learner=learner, device="cuda", batch_size_run=width, t_max=10**6))
            for name, c in found.items():
                table.writerow([learner, name, c.launches, c.uploads, c.downloads, c.waits])


if __name__ == "__main__":
    main()
