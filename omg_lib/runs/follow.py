"""The training loop for users: it records the reports, and an interrupt ends it between two updates."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType

from omg_lib.callbacks import CallbackError
from omg_lib.config import RunError
from omg_lib.errors import printable
from omg_lib.faults import NotFiniteError
from omg_lib.runs.folder import RunFolder
from omg_lib.training import Report, Training
from omg_lib.words import _


def follow(run: Training, folder: RunFolder | None = None) -> Iterator[Report]:
    """Yield the reports of a run. With a folder, each becomes a row there, and the loop always ends with a checkpoint.

        for report in follow(run, RunFolder.create("runs/first", run.config)):
            print(report.update, report.metrics["loss"])

    Ctrl-C, or a notebook's interrupt, finishes the update, saves, prints where, and then raises KeyboardInterrupt; a
    second one, or one before the first update, does not wait for the update. RunError as in Training and RunFolder;
    after NaN or infinity it names the checkpoint of the state right before.
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
        except CallbackError:
            _save(run, folder)
            raise
        except NotFiniteError as error:
            if folder is None:
                raise
            raise RunError(
                _("{error}; the state before it is in {path}").format(error=error, path=folder.save(run))
            ) from None
        except GeneratorExit:  # the caller left the loop over the reports
            _save(run, folder)
            raise
        finally:
            if folder:
                folder.close()
        if interrupted:
            raise KeyboardInterrupt


def _save(run: Training, folder: RunFolder | None) -> None:
    if folder:
        print(printable(_("saved {path}").format(path=folder.save(run))), file=sys.stderr)


class Interrupt:
    """Inside it, in the main thread, the first SIGINT is only noted; the second stops the run within its update."""

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
