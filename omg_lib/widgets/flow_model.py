"""The flow panel without Jupyter: settings, prediction, a run in a thread, saving."""

from __future__ import annotations

import csv
import io
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from omg_lib.config import ConfigError, OMGConfig, RunError
from omg_lib.errors import printable
from omg_lib.flow import flow_page, handover, measured_of
from omg_lib.flow.handover import RUNNERS
from omg_lib.flow.svg import flow_svg
from omg_lib.memory.need import need
from omg_lib.memory.peak import TooLargeError
from omg_lib.plots.curves import curves_png
from omg_lib.plots.units import bytes_text
from omg_lib.predict import Difference, compare, predict
from omg_lib.system.doctor import usable_memory
from omg_lib.system.files import reason, write_bytes, write_text
from omg_lib.system.places import check_target
from omg_lib.trace import ShapeTrace
from omg_lib.training import Report, resolve_device
from omg_lib.widgets.job import Job
from omg_lib.words import _, listing

SHOWN = ("n_agents", "batch_size", "env", "learner", "device", "seed")
"""Fields of OMGConfig with a control; `runner` is the seventh setting."""
EVERY = {"progress": 0.15, "flow": 0.5, "curves": 3.0}
"""Minimum seconds between two drawings of one part during a run."""
SHARE = 0.02
"""Maximum share of the time that goes into drawing one part: what is slow to draw is drawn less often."""


class FlowModel:
    """The flow panel without its view.

    | call | what it does |
    |---|---|
    | `set(n_agents=4, ...)` | changes settings and predicts; a run in progress keeps the old ones |
    | `start(updates=None)` | trains in a thread until `stop()`, or for `updates` updates; returns at once |
    | `stop()` | ends the run at its next chunk of work; returns at once |
    | `run(updates)` | starts and waits: returns the measured trace or raises the run's error (for cells and tests) |
    | `wait(timeout)` | waits until nothing is running; False if something still is |
    | `reset()` | goes back to the first settings and clears the curves |
    | `save(folder)` | writes trace.json, flow.svg, flow.html, curves.csv and curves.png |
    | `export(path)` | writes the page alone: it needs neither Jupyter nor a kernel |

    Settings are the fields of OMGConfig, except `runner`: "episode" (R = 1) or "parallel" (R = n_agents), in this
    process. An invalid setting sets `status`, one sentence, and changes nothing else.

    State: `plan`; of the run, `trace`, `differences`, `reports`, `previous` (reports of the run before), `state` (idle,
    running, stopping), `live` (its latest state: see `Live`), `status`, `progress` (text, share or None), `offers`
    (settings that would fit if the run does not fit into memory). `listen(f)` calls f(part) when a part changes, also
    from the run's thread: settings, flow, curves, progress, offers or status. Hold `lock` to read several of them.
    """

    def __init__(self, **settings: Any) -> None:
        self.lock = threading.RLock()
        self._listeners: list[Callable[[str], None]] = []
        self._drawn: dict[str, tuple[float, float]] = {}  # when a part was drawn, and the seconds that took
        self._job: Job | None = None  # the latest thread
        self._shown: Job | None = None  # the run whose results are shown
        defaults = OMGConfig()
        self._first = {name: getattr(defaults, name) for name in SHOWN} | {"runner": "episode"} | settings
        self._restart()

    def _restart(self) -> None:
        """Go back to the first settings, with no run yet."""
        self.settings = dict(self._first)
        self.config = _config(self.settings)
        self.plan = predict(self.config)
        self.trace: ShapeTrace | None = None
        self.differences: list[Difference] = []
        self.reports: list[Report] = []
        self.previous: list[Report] = []
        self.state, self.progress, self._phase = "idle", (_("Not started"), 0.0), ""
        self.offers: dict[str, int] = {}
        self.status = _predicted(self.plan)

    # --- what the view asks for ---------------------------------------------------------------------------------------

    def listen(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)

    def set(self, **settings: Any) -> None:
        """Change settings: all rows become predictions again. An invalid setting leaves the picture as it was."""
        with self.lock:
            if self.settings | settings == self.settings:
                return
            if settings.get("learner", self.settings["learner"]) != self.settings["learner"]:
                self.settings = {k: v for k, v in self.settings.items() if k != "extra"}  # another learner's own ones
            self.settings = self.settings | settings
            try:
                self.config = _config(self.settings)
                self.plan = predict(self.config)
            except ConfigError as error:
                self._say(str(error))
            else:
                self.trace, self.differences = None, []
                self._offer({})
                self._tell("flow")
                if self.state == "idle":
                    self._say(_predicted(self.plan))
                elif self._is_shown():
                    self._say(self._phase or _("Starting"))
                else:
                    self._say(_("Training continues with the previous settings. Press Run to start again with these."))
            self._tell("settings")

    def start(self, updates: int | None = None) -> None:
        """Train with the current settings. A run in progress is stopped first; this one starts when it has ended."""
        with self.lock:
            try:
                config = _config(self.settings)
                _fits(config)
            except ConfigError as error:
                self._say(str(error))
                return
            before, self.config = self._job, config
            if before:
                before.stop()
            self.trace, self.differences, self._phase = None, [], ""
            self._offer({})
            self.previous, self.reports = self.reports or self.previous, []
            self.state, self.progress = "running", (_("Starting"), 0.0)
            self._say(_("Starting"))
            self._tell("flow")
            self._tell("progress")
            self._job = self._shown = Job(self, self.config, updates, before)
            self._job.start()

    def stop(self) -> None:
        with self.lock:
            if self.state == "idle":
                self._say(_("Nothing is running"))
            else:
                self._job.stop()
                self.state = "stopping"
                self._say(_("Stopping"))

    def wait(self, timeout: int | float | None = None) -> bool:
        job = self._job
        if job:
            job.join(timeout)
        return not (job and job.is_alive())

    def run(self, updates: int) -> ShapeTrace | None:
        """Train for `updates` updates and wait. Raises the run's error, such as ConfigError for the settings."""
        _fits(_config(self.settings))
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
            self._restart()
            for part in ("settings", "flow", "progress", "offers", "status"):
                self._tell(part)
        self._tell("curves")

    def save(self, folder: str | Path) -> list[Path]:
        """Write what the panel shows. Returns the files, or none if the folder cannot be written (see `status`)."""
        with self.lock:
            plan, trace, differences = self.plan, self.trace, self.differences
            reports, previous = list(self.reports), list(self.previous)
        names = ("trace.json", "flow.svg", "flow.html", "curves.csv", "curves.png")
        try:
            files = [Path(folder).expanduser() / name for name in names]
            files[0].parent.mkdir(parents=True, exist_ok=True)
            for file in files:  # all of them, or none
                check_target(file)
            (trace or plan).save(files[0])
            write_text(files[1], flow_svg(plan, trace, differences))
            write_text(files[2], self.page())
            write_text(files[3], _curves(reports))
            write_bytes(files[4], curves_png(reports, previous))
        except (OSError, RuntimeError, ValueError) as error:  # "~name" of an unknown user; a name that no system takes
            self._refused("folder", folder, error)
            return []
        self._saved(files)
        return files

    def export(self, path: str | Path) -> Path | None:
        """Write the page to one file and return it, or None if it cannot be written (see `status`)."""
        try:
            file = Path(path).expanduser()
            write_text(file, self.page())
        except (OSError, RuntimeError) as error:
            self._refused("path", path, error)
            return None
        self._saved([file])
        return file

    def _saved(self, files: list[Path]) -> None:
        named = listing(file.name for file in files)
        self._say(printable(_("Saved {name} in {parent}").format(name=named, parent=files[0].parent)))

    def _refused(self, name: str, path: str | Path, error: Exception) -> None:
        why = _("it cannot be written ({reason})").format(reason=reason(error))
        self._say(str(ConfigError(name, str(path), why)))

    # --- what a page shows --------------------------------------------------------------------------------------------

    def handover(self) -> dict[str, Any]:
        """Return the contract with the current settings, for the page's module."""
        cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
        devices = ["auto", "cpu", "cuda", *(f"cuda:{index}" for index in range(1, cards))]
        shown = {name: getattr(self.config, name) for name in SHOWN} | {"runner": self.settings["runner"]}
        fixed = self.settings.get("batch_size_run")
        widths = RUNNERS if fixed is None else dict.fromkeys(RUNNERS, str(fixed))
        return handover(self.config, devices, widths) | {"settings": shown}

    def measured(self) -> dict[str, Any] | None:
        """Return the measurements that are shown, with the run's bookkeeping, as plain data; None without any."""
        with self.lock:
            if self.trace is None:
                return None
            live = self._shown.live
            return measured_of(self.trace, self.differences, self._books, live.milliseconds)

    def page(self, framed: bool = False) -> str:
        """Return a self-contained page with everything that is shown now."""
        with self.lock:
            data = self.handover() | {"measured": self.measured()}
            return flow_page(data, flow_svg(self.plan, self.trace, self.differences), framed=framed)

    @property
    def live(self) -> dict[str, Any]:
        return {"live": ""} if self._shown is None else self._shown.live.state()

    # --- what the run's thread reports --------------------------------------------------------------------------------

    def began(self, job: Job) -> None:
        self._tell("curves")

    def progressed(self, job: Job, status: str, text: str, share: float | None) -> None:
        """Update the progress a few times a second. Screen readers read the status out: update it only if it changed
        and the settings on screen are the run's.
        """
        with self.lock:
            if job is not self._shown or self.state != "running":
                return
            self.progress = (text, share)
            if self._due("progress"):
                self._tell("progress")
            if status != self._phase:
                self._phase = status
                if self._is_shown():
                    self._say(status + self._verdict())

    def updated(self, job: Job, report: Report, trace: ShapeTrace) -> None:
        """Store the numbers, and the trace unless the settings have changed since the run began."""
        with self.lock:
            if job is not self._shown:
                return
            first = not self.reports
            self.reports.append(report)
            self._latest, self._latest_books = trace, job.live.books
            if self.trace is None or self._due("flow"):
                self._measure()
        if first or self._due("curves"):
            self._tell("curves")

    def ended(self, job: Job) -> None:
        with self.lock:
            if job is not self._shown:
                return
            if self.reports:
                self._measure()
            update = self.reports[-1].update if self.reports else 0
            self.state = "idle"
            self._offer(job.error.fits if isinstance(job.error, TooLargeError) else {})
            if isinstance(job.error, (ConfigError, RunError)):
                status = str(job.error)
            elif job.error:
                status = (
                    _("The run failed: {name}: {error}")
                    .format(name=type(job.error).__name__, error=job.error)
                    .split("\n")[0]
                )
            else:
                said = _("Stopped at update {update}") if job.cancelled.is_set() else _("Finished at update {update}")
                status = said.format(update=update)
            self.progress = (_("Update {update}").format(update=update) if update else _("Not started"), 0.0)
            self._tell("progress")
            self._say(status)
        self._tell("curves")

    def _offer(self, sizes: dict[str, int]) -> None:
        if sizes != self.offers:
            self.offers = dict(sizes)
            self._tell("offers")

    def _is_shown(self) -> bool:
        """Return whether the settings are those of the current run."""
        return self._shown is not None and self._shown.config == self.config

    def _measure(self) -> None:
        if self._is_shown():
            self.trace, self.differences = self._latest, compare(self.plan, self._latest)
            self._books = self._latest_books
            self._tell("flow")

    def _verdict(self) -> str:
        if self.trace is None:
            return ""
        wrong = len({difference.stage for difference in self.differences})
        said = _(": {wrong} of {stages} stages differ") if wrong else _(": every prediction held")
        return said.format(wrong=wrong, stages=len(self.trace.stages))

    def _due(self, part: str) -> bool:
        drawn, took = self._drawn.get(part, (0.0, 0.0))
        return time.monotonic() - drawn >= max(EVERY[part], took / SHARE)

    def _say(self, text: str) -> None:
        self.status = text
        self._tell("status")

    def _tell(self, part: str) -> None:
        began = time.monotonic()
        for listener in self._listeners:
            listener(part)
        self._drawn[part] = time.monotonic(), time.monotonic() - began


def _config(settings: dict[str, Any]) -> OMGConfig:
    """Return the configuration of these settings, on an available device; `runner` sets batch_size_run."""
    values = dict(settings)
    runner = values.pop("runner")
    if runner not in RUNNERS:
        raise ConfigError("runner", runner, _("allowed are {names}").format(names=listing(RUNNERS)))
    values.setdefault("batch_size_run", values["n_agents"] if runner == "parallel" else 1)
    config = OMGConfig.from_dict(values)
    resolve_device(config.device)
    return config


def _fits(config: OMGConfig) -> None:
    """Raise ConfigError if one sample, the episodes it is drawn from and its groups do not fit into memory."""
    room, least = usable_memory(), need(replace(config, buffer_size=config.sample_size)).total
    if room is not None and least > room:
        reason = _("with n_agents {n_agents} one update takes {least} of memory").format(
            n_agents=config.n_agents, least=bytes_text(least)
        )
        raise ConfigError(
            "batch_size",
            config.batch_size,
            _("{reason}; this process may use {room}").format(reason=reason, room=bytes_text(room)),
        )


def _predicted(plan: ShapeTrace) -> str:
    run, sample, learner = (plan[name].leading for name in ("runner.run", "buffer.sample", "learner.q_values"))
    sizes = _("the runner steps {run}, the sample holds {sample}, the learner sees {learner}").format(
        run=run, sample=sample, learner=learner
    )
    return _("Predicted: {sizes}. Press Run to measure.").format(sizes=sizes)


def _curves(reports: list[Report]) -> str:
    """Return all numbers of all reports as CSV."""
    names, out = list(dict.fromkeys(name for report in reports for name in report.metrics)), io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow(["update", "t_env", *names])
    for report in reports:
        table.writerow([report.update, report.t_env, *(report.metrics.get(name, "") for name in names)])
    return out.getvalue()


def device_text(config: OMGConfig) -> str:
    """Describe the device that this configuration uses: its name and its memory."""
    device = resolve_device(config.device)
    if device.type == "cpu":
        return "CPU" if torch.cuda.is_available() else _("CPU (torch sees no CUDA GPU here)")
    card = torch.cuda.get_device_properties(device)
    used = torch.cuda.max_memory_allocated(device)
    return _("GPU {name}, {total_memory:.0f} GiB, of which {used:.2f} GiB used at most").format(
        name=card.name, total_memory=card.total_memory / 2**30, used=used / 2**30
    )
