"""ExperimentPanel: train every seed of both arms of a plan in a worker thread, and save the results."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as W

from omg_lib.config import ConfigError
from omg_lib.lessons.experiment import UPDATES, read_plan, run_experiment, save_results
from omg_lib.widgets.naming import naming
from omg_lib.widgets.panel import Panel
from omg_lib.words import _


class ExperimentPanel(Panel):
    """`ExperimentPanel(plan, "results.json")` as a cell's last line, where `plan()` returns a dict for `read_plan`.

    The slider sets the updates per run. Run trains; Stop ends training without saving; results are saved when all runs
    have finished. `panel.run(updates=5)` does the same from Python, and waits.
    """

    def __init__(self, plan: Callable[[], object], path: str | Path) -> None:
        self.plan, self.path = plan, Path(path)
        self.stopping = threading.Event()
        self.worker: threading.Thread | None = None
        self.updates = W.IntSlider(100, UPDATES.start, UPDATES.stop - 1, step=5, readout=False)
        self.number = W.BoundedIntText(100, UPDATES.start, UPDATES.stop - 1, step=5, description=_("updates"))
        W.link((self.updates, "value"), (self.number, "value"))
        self.number.layout.width = "170px"
        self.start, self.stop = W.Button(description=_("Run")), W.Button(description=_("Stop"), disabled=True)
        self.progress, self.status = W.FloatProgress(value=0.0, min=0.0, max=1.0), W.HTML()
        self.start.on_click(lambda _: self.begin())
        self.stop.on_click(lambda _: self.stopping.set())
        for name in ("updates", "start", "stop", "status"):
            getattr(self, name).add_class(f"omg-experiment-{name}")
        buttons = W.HBox([self.start, self.stop, self.progress])
        handles = {".omg-experiment-updates [role=slider]": _("updates slider")}
        names = naming("omg-experiment", "omg-experiment-status", handles)
        super().__init__([W.HBox([self.number, self.updates]), buttons, self.status, names])
        self.add_class("omg-experiment")
        self.keep(self.status)
        self._say(_("Choose how many updates each run gets, then press Run."))

    def run(self, updates: int) -> None:
        """Train all runs and wait for them."""
        self.number.value = updates
        self.begin()
        if self.worker:
            self.worker.join()

    def begin(self) -> None:
        """Start all runs in a thread, unless they are already running."""
        if self.worker and self.worker.is_alive():
            return
        self.stopping.clear()
        self.start.disabled, self.stop.disabled = True, False
        self.worker = threading.Thread(target=self._work, args=(self.number.value,), name="omg-experiment", daemon=True)
        self.worker.start()

    def _work(self, updates: int) -> None:
        try:
            self._say(self._train(updates))
        except NotImplementedError:
            self._say(_("Not answered yet: first write the plan and run its cell."))
        except Exception as error:  # shown in the panel: a thread has nowhere else to report it
            self._say(str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}")
        self.start.disabled, self.stop.disabled = False, True

    def _train(self, updates: int) -> str:
        plan = read_plan(self.plan())
        results = run_experiment(plan, updates, self._hear, self.stopping)
        if results is None:
            return _("Stopped: nothing was saved.")
        save_results(results, self.path)
        return _("Done: {difference}, {seeds} seeds each, saved in {name}.").format(
            difference=plan.difference, seeds=len(plan.seeds), name=self.path.name
        )

    def _hear(self, text: str, share: float) -> None:
        self.progress.value = share
        self._say(text)

    def _say(self, text: Any) -> None:
        self.status.value = f'<div role="status" aria-live="polite">{escape(str(text))}</div>'
