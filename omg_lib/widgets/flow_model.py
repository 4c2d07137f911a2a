"""What the flow panel knows and does, without Jupyter: settings, prediction, a run in a worker thread, saving."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.flow import flow_svg
from omg_lib.plots import curves_png
from omg_lib.predict import Difference, compare, predict
from omg_lib.trace import ShapeTrace
from omg_lib.training import Report, Training, resolve_device

FOREVER = 10**9
"""Environment steps of a run that ends by Stop: none will get there."""
EVERY = {"progress": 0.15, "flow": 0.5, "curves": 1.0, "status": 5.0}
"""Least seconds between two announcements of one kind while a run goes on."""
RUNNERS = ("episode", "parallel")


class FlowModel:
    """The flow panel without its view.

    | call | what it does |
    |---|---|
    | `set(n_agents=4, ...)` | new settings and their prediction; a run goes on with its old ones until `start` |
    | `start(updates=None)` | trains in a worker thread until `stop()`, or for so many updates; returns at once |
    | `stop()` | ends the run at its next chunk of work; returns at once |
    | `run(updates)` | start and wait, for notebooks without a browser: the measured trace, or the run's error |
    | `wait(timeout)` | waits until nothing runs; False if it still does |
    | `reset()` | the first settings again, no curves |
    | `save(folder)` | trace.json, flow.svg, curves.csv and curves.png |

    Settings are the fields of OMGConfig, and `runner`: "episode" (R = 1) or "parallel" (R = n_agents). What is not
    allowed becomes `status`, one sentence, and changes nothing else.

    State: `plan`, and of the run `trace`, `differences`, `reports`, `previous` (reports of the run before), `state`
    (idle, running, stopping), `status`, `progress` (text, share or None). `listen(f)` calls f(part) when a part of
    it changed, also from the worker: settings, flow, curves, progress or status. Read several of them under `lock`.
    """

    def __init__(self, **settings: Any) -> None:
        self.lock = threading.RLock()
        self._listeners: list[Callable[[str], None]] = []
        self._told: dict[str, float] = {}
        self._job: _Job | None = None  # the latest thread
        self._shown: _Job | None = None  # the run whose results are shown: none after a reset
        self._first = {
            "n_agents": 8,
            "batch_size": 32,
            "env": "skirmish",
            "learner": "omg",
            "runner": "episode",
        }
        self._first |= {"device": "auto", "seed": 0} | settings
        self.settings = dict(self._first)
        self.config = _config(self.settings)
        self._forget()
        self.status = _predicted(self.plan)

    def _forget(self) -> None:
        """No run yet."""
        self.plan = predict(self.config)
        self.trace: ShapeTrace | None = None
        self.differences: list[Difference] = []
        self.reports: list[Report] = []
        self.previous: list[Report] = []
        self.state, self.progress = "idle", ("not started", 0.0)

    # --- what the view asks for ------------------------------------------------------------------------------

    def listen(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)

    def set(self, **settings: Any) -> None:
        """Change settings: all rows are predictions again. A value that is not allowed leaves the picture as it was."""
        with self.lock:
            changed = self.settings | settings
            if changed == self.settings:
                return
            self.settings = changed
            try:
                self.config = _config(changed)
                self.plan = predict(self.config)
            except ConfigError as error:
                self._say(str(error))
            else:
                self.trace, self.differences = None, []
                self._tell("flow")
                if self.state == "idle":
                    self._say(_predicted(self.plan))
                else:
                    self._say("Training goes on with the settings before; Run starts again with these.")
            self._tell("settings")

    def start(self, updates: int | None = None) -> None:
        """Train with the present settings; a run that goes on is stopped, and this one begins when it has ended."""
        with self.lock:
            try:
                self.config = _config(self.settings)
                resolve_device(self.config.device)
            except ConfigError as error:
                return self._say(str(error))
            before = self._job
            if before:
                before.stop()
            self.trace, self.differences = None, []
            self.previous, self.reports = self.reports or self.previous, []
            self.state, self.progress = "running", ("starting", 0.0)
            self._job = self._shown = _Job(self, self.config, updates, before)
            self._say(
                "Starting"
                if before is None or not before.is_alive()
                else "Starting again with these settings"
            )
            for part in ("flow", "progress"):
                self._tell(part)
            self._job.start()

    def stop(self) -> None:
        with self.lock:
            if self.state == "idle":
                return self._say("Nothing is running")
            self._job.stop()
            self.state = "stopping"
            self._say("Stopping")

    def wait(self, timeout: float | None = None) -> bool:
        job = self._job
        if job:
            job.join(timeout)
        return not (job and job.is_alive())

    def run(self, updates: int) -> ShapeTrace:
        """Train for `updates` updates and wait. Raises what went wrong: ConfigError for settings that are not allowed."""
        _config(self.settings)
        resolve_device(self.config.device)
        self.start(updates)
        self.wait()
        if self._job.error:
            raise self._job.error
        return self.trace

    def reset(self) -> None:
        with self.lock:
            if self._job:
                self._job.stop()
            self._shown = None
            self.settings = dict(self._first)
            self.config = _config(self.settings)
            self._forget()
            self._say("Reset. " + _predicted(self.plan))
            for part in ("settings", "flow", "progress"):
                self._tell(part)
        self._tell("curves")

    def save(self, folder: str | Path) -> list[Path]:
        """Write what the panel shows; returns the files, none if the folder cannot be written (`status` says why)."""
        with self.lock:
            plan, trace, differences = self.plan, self.trace, self.differences
            reports, previous = list(self.reports), list(self.previous)
        try:
            files = _write(Path(folder).expanduser(), plan, trace, differences, reports, previous)
        except OSError as error:
            self._say(
                str(ConfigError("folder", str(folder), f"it cannot be written ({error.strerror or error})"))
            )
            return []
        except ConfigError as error:
            self._say(str(error))
            return []
        self._say(f"Saved {', '.join(file.name for file in files)} in {folder}")
        return files

    # --- what the worker reports -----------------------------------------------------------------------------

    def _heard(self, job: _Job, text: str, share: float | None, phase: str) -> None:
        with self.lock:
            if job is not self._shown or self.state != "running":
                return
            fresh = self.progress[0].split()[:1] != text.split()[:1]
            self.progress = (text, share)
            if fresh or self._due("progress"):
                self._tell("progress")
            if fresh or self._due("status"):
                self._say(text)

    def _measured(self, job: _Job, trace: ShapeTrace | None, last: bool = False) -> None:
        """Take over a trace, unless the settings have moved on since its run began."""
        with self.lock:
            if trace is None or job is not self._shown or job.config != self.config:
                return
            if self.trace is None or last or self._due("flow"):
                self.trace, self.differences = trace, compare(self.plan, trace)
                self._tell("flow")

    def _reported(self, job: _Job, report: Report) -> None:
        with self.lock:
            if job is not self._shown:
                return
            self.reports.append(report)
        if len(self.reports) == 1 or self._due("curves"):
            self._tell("curves")

    def _ended(self, job: _Job) -> None:
        with self.lock:
            if job is not self._shown:
                return
            update = self.reports[-1].update if self.reports else 0
            self.state = "idle"
            if job.error:
                kind = (
                    ""
                    if isinstance(job.error, ConfigError)
                    else f"The run failed: {type(job.error).__name__}: "
                )
                self._say(kind + str(job.error).split("\n")[0])
            else:
                self._say(f"{'Stopped' if job.cancelled.is_set() else 'Finished'} at update {update}")
            self.progress = (self.status, self.progress[1])
            self._tell("progress")
        self._tell("curves")

    def _due(self, part: str) -> bool:
        return time.monotonic() - self._told.get(part, 0.0) >= EVERY[part]

    def _say(self, text: str) -> None:
        self.status = text
        self._tell("status")

    def _tell(self, part: str) -> None:
        for listener in self._listeners:
            listener(part)
        self._told[part] = (
            time.monotonic()
        )  # after the listeners: a slow drawing is followed by as long a rest


class _Job(threading.Thread):
    """One run with a Training of its own; it begins when the job before it has ended."""

    def __init__(self, model: FlowModel, config: OMGConfig, updates: int | None, before: _Job | None) -> None:
        super().__init__(name="omg-training", daemon=True)
        self.model, self.config, self.updates, self.before = model, config, updates, before
        self.cancelled = threading.Event()
        self.training: Training | None = None
        self.error: Exception | None = None

    def stop(self) -> None:
        self.cancelled.set()
        if self.training:
            self.training.stop()

    def run(self) -> None:
        try:
            if self.before:
                self.before.join()
                self.before = None
            self.model._tell("curves")
            if not self.cancelled.is_set():
                self._train()
        except Exception as error:  # whatever it is: the kernel lives on, and the panel says it
            self.error = error
        self.model._ended(self)

    def _train(self) -> None:
        forever = OMGConfig.from_dict(self.config.to_dict() | {"updates": None, "t_max": FOREVER})
        with Training(forever, self._progress) as self.training:
            if self.cancelled.is_set():
                return
            for report in self.training:
                self.model._measured(self, self.training.trace)
                self.model._reported(self, report)
                text = f"Update {report.update}: {report.t_env:,} environment steps"
                self.model._heard(self, text, self.updates and report.update / self.updates, "update")
                if report.update == self.updates or self.cancelled.is_set():
                    break
            self.model._measured(self, self.training.trace, last=True)

    def _progress(self, phase: str, done: int, total: int) -> None:
        words = {
            "collect": "Collecting episode {} of {}",
            "prior": "Pre-training the subgoal prior, step {} of {}",
        }
        if phase in words:
            self.model._heard(self, words[phase].format(done, total), done / total, phase)


def _config(settings: dict[str, Any]) -> OMGConfig:
    """The configuration of these settings; `runner` becomes batch_size_run, unless that is set itself."""
    values = dict(settings)
    runner = values.pop("runner")
    if runner not in RUNNERS:
        raise ConfigError("runner", runner, "allowed are " + ", ".join(RUNNERS))
    values.setdefault("batch_size_run", values["n_agents"] if runner == "parallel" else 1)
    config = OMGConfig.from_dict(values)
    resolve_device(config.device)
    return config


def _predicted(plan: ShapeTrace) -> str:
    numbers = [plan[name].leading for name in ("runner.run", "buffer.sample", "learner.q_values")]
    return (
        "Predicted: the runner steps {}, the sample holds {}, the learner sees {}. Run measures it.".format(
            *numbers
        )
    )


def device_text(config: OMGConfig) -> str:
    """The device that this configuration uses, by name, with its memory."""
    device = resolve_device(config.device)
    if device.type == "cpu":
        return "CPU" if torch.cuda.is_available() else "CPU (torch sees no CUDA GPU here)"
    card = torch.cuda.get_device_properties(device)
    peak = torch.cuda.max_memory_allocated(device)
    return (
        f"GPU {card.name}, {card.total_memory / 2**30:.0f} GiB, of which {peak / 2**30:.2f} GiB used at most"
    )


def _write(
    folder: Path,
    plan: ShapeTrace,
    trace: ShapeTrace | None,
    differences: list[Difference],
    reports: list[Report],
    previous: list[Report],
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in ("trace.json", "flow.svg", "curves.csv", "curves.png")]
    (trace or plan).save(files[0])
    files[1].write_text(flow_svg(plan, trace, differences))
    names = list(dict.fromkeys(name for report in reports for name in report.metrics))
    with files[2].open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["update", "t_env", *names])
        for report in reports:
            table.writerow([report.update, report.t_env, *(report.metrics.get(name, "") for name in names)])
    files[3].write_bytes(curves_png(reports, previous))
    return files
