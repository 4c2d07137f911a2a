"""One run of the flow panel in a worker thread: training in a callback would freeze the notebook."""

from __future__ import annotations

import threading
import traceback
from typing import Protocol, runtime_checkable

from omg_lib.config import OMGConfig
from omg_lib.trace import ShapeTrace
from omg_lib.training import Report, Training
from omg_lib.widgets.live import Live
from omg_lib.words import N_, _

FOREVER = 10**9
"""Environment steps of a run that only Stop ends: no run gets that far."""
LIVE_EPISODES = 1024
"""Episodes that such a run keeps (at least one sample): after a few minutes its memory stops growing."""
PHASES = {
    "collect": (N_("Collecting the first {} episodes"), N_("Collecting episode {} of {}")),
    "prior": (N_("Pre-training the subgoal prior"), N_("Pre-training the subgoal prior, step {} of {}")),
}
"""Phase of Training -> text of the status, text of the progress bar."""


@runtime_checkable
class JobListener(Protocol):
    """Receives a job's events, in the job's thread."""

    def began(self, job: Job) -> None: ...

    def progressed(self, job: Job, status: str, text: str, share: float | None) -> None: ...

    def updated(self, job: Job, report: Report, trace: ShapeTrace) -> None: ...

    def ended(self, job: Job) -> None: ...


class Job(threading.Thread):
    """Trains a configuration until `stop()`, or for `updates` updates; starts when the previous job has ended.

    `live` has what the run reports meanwhile. `error` holds any exception, so the kernel survives. `cancelled` is set
    if the job was stopped.
    """

    def __init__(self, listener: JobListener, config: OMGConfig, updates: int | None, before: Job | None) -> None:
        super().__init__(name="omg-training", daemon=True)
        self.listener, self.config, self.updates, self.before = listener, config, updates, before
        self.cancelled = threading.Event()
        self.training: Training | None = None
        self.live = Live()
        self.error: Exception | None = None

    def stop(self) -> None:
        """End at the next chunk of work; returns at once."""
        self.cancelled.set()
        if self.training:
            self.training.stop()

    def run(self) -> None:
        try:
            if self.before:
                self.before.join()
                self.before = None
            if not self.cancelled.is_set():
                self.listener.began(self)
                self._train()
        except Exception as error:
            traceback.clear_frames(error.__traceback__)  # else keeping the error keeps the run's tensors
            self.error = error.with_traceback(None)
        self.training = self.live.training = None  # its buffer may hold gigabytes
        self.listener.ended(self)

    def _train(self) -> None:
        kept = max(self.config.sample_size, min(self.config.buffer_size, LIVE_EPISODES))
        live = {"updates": None, "steps": None, "t_max": FOREVER, "buffer_size": kept}
        forever = OMGConfig.from_dict(self.config.to_dict() | live)
        with Training(forever, self._progress, on_stage=self.live.on_stage, on_run=self.live.on_run) as training:
            self.training = self.live.training = training
            if self.cancelled.is_set():  # stopped during construction
                return
            for report in training:
                self.live.updated(training.trace)
                self.listener.updated(self, report, training.trace)
                text = _("Update {update}, {t_env:,} environment steps").format(
                    update=report.update, t_env=report.t_env
                )
                share = report.update / self.updates if self.updates else None
                sizes = f"n_agents {self.config.n_agents}, batch_size {self.config.batch_size}"
                self.listener.progressed(self, _("Training with {sizes}").format(sizes=sizes), text, share)
                if report.update == self.updates or self.cancelled.is_set():
                    break

    def _progress(self, phase: str, done: int, total: int) -> None:
        if phase in PHASES:
            status, text = PHASES[phase]
            self.listener.progressed(self, _(status).format(total), _(text).format(done, total), done / total)
