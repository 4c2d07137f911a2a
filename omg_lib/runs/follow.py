"""The training loop as people use it: what it reports is recorded, and an interrupt ends it between two updates."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType

from omg_lib.config import RunError
from omg_lib.faults import NotFiniteError
from omg_lib.runs.folder import RunFolder
from omg_lib.training import Report, Training


def follow(run: Training, folder: RunFolder | None = None) -> Iterator[Report]:
    """The reports of a run; with a folder each becomes a row there, and however the loop ends it leaves a checkpoint.

        for report in follow(run, RunFolder.create("runs/first", run.config)):
            print(report.update, report.metrics["loss"])

    Ctrl-C, or a notebook's interrupt, finishes the update, saves, says where, and then raises KeyboardInterrupt; a
    second one, or one before the first update, does not wait for the update. RunError as in Training and RunFolder;
    after a number that is none it names the checkpoint that stands right before it.
    """
    with Interrupt(run) as interrupted:
        try:
            for report in run:
                if folder:
                    folder.record(report)
                    folder.save_if_due(run)
                yield report
                if interrupted:
                    break
            _save(run, folder)
        except NotFiniteError as error:
            if folder is None:
                raise
            raise RunError(f"{error}; the state before it is in {folder.save(run)}") from None
        except GeneratorExit:  # the loop that read the reports was left
            _save(run, folder)
            raise
        finally:
            if folder:
                folder.close()
        if interrupted:
            raise KeyboardInterrupt


def _save(run: Training, folder: RunFolder | None) -> None:
    if folder:
        print(f"saved {folder.save(run)}", file=sys.stderr)


class Interrupt:
    """While it is entered, in the main thread, SIGINT is noted; the second one stops the run within its update."""

    def __init__(self, run: Training) -> None:
        self.run, self.count = run, 0

    def __enter__(self) -> Interrupt:
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGINT, self)
        return self

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1 or self.run.update == 0:
            self.run.stop()

    def __bool__(self) -> bool:
        return self.count > 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)
