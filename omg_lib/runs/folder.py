"""A run's folder: config.json, metrics.csv with a row per update, and checkpoints from which it goes on exactly.

    config.json                     written once
    metrics.csv                     a flushed row after each update
    checkpoints/update-000000012/   weights.safetensors; state.json with counters and every file's checksum
    checkpoints/episodes/           segments of episodes, written once, which checkpoints share

Weights, optimisers and episodes are safetensors, everything else is JSON: no file here can run code. Since every random
draw is a function of (seed, which one), there is no generator to save. A checkpoint appears under its name when all of
it is on the disk, and the one before stays, so whatever breaks a write, one that is whole is left.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from omg_lib.config import ConfigError, OMGConfig, RunError
from omg_lib.runs.claims import Claim
from omg_lib.runs.metrics import begin, cut, has_two_rows, record
from omg_lib.runs.state import (
    PATHS,
    UNREADABLE,
    check_config,
    check_pool,
    digest,
    load_checkpoint,
    load_tensors,
    read_state,
    segments_of,
    state_of,
    tensors_of,
)
from omg_lib.system.files import read_json, reason, write_tensors, write_text
from omg_lib.system.places import Place, make_folder, names, remove, rename, settle
from omg_lib.training import Progress, Report, Training

SECONDS_BETWEEN = 10.0
KEPT = 2


class RunFolder:
    """Writes one run to a folder. `create` and `resume` make one; both raise ConfigError in one sentence.

    It keeps all others out of the folder, in this process too, until `close`, which `follow` calls. What is recorded or
    saved later keeps them out again, if nobody has written there in between. `notice` says what had to be left aside
    when the run was resumed; empty if nothing was.
    """

    def __init__(self, path: str | Path | Place) -> None:
        self._place = path if isinstance(path, Place) else Place(Path(path))
        self.path = self._place.path
        self._checkpoints = self._place / "checkpoints"
        self._segments = self._checkpoints / "episodes"
        self.notice = ""
        self._saved_at = -SECONDS_BETWEEN
        self._ends: dict[str, list[int]] = {}  # segment -> what the buffer's `inserted` was when it was written
        self._sums: dict[str, str] = {}  # segment -> its checksum
        self._kept: dict[str, set[str]] = {}  # checkpoint -> its segments
        self._claim = Claim(self._place)

    @classmethod
    def create(cls, path: str | Path | Place, config: OMGConfig) -> RunFolder:
        """A new run's folder; it may exist, but not hold a run that has got to a checkpoint."""
        folder = cls(path)
        with folder._refusing("out"):
            if folder._holds_a_run():
                allowed = "the folder holds a run already; allowed is a new one, or resume it"
                raise ConfigError("out", str(folder.path), allowed)
            folder._make()
            folder._claim.take()
            folder._begin(config)
        return folder

    @contextlib.contextmanager
    def _refusing(self, name: str) -> Iterator[None]:
        """Let go of the folder, and say in a sentence why it cannot be used."""
        try:
            yield
        except BlockingIOError:
            who = "another run, of this process or of another process, trains in this folder"
            allowed = f"{who}; allowed is a folder of its own, or to wait"
            raise ConfigError(name, str(self.path), allowed) from None
        except OSError as error:
            self.close()
            allowed = f"cannot be written ({reason(error)}); allowed is a folder that can"
            raise ConfigError(name, str(self.path), allowed) from None
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        if not self._place.parts:
            self.path.mkdir(parents=True, exist_ok=True)
        for folder in (self._place, self._checkpoints, self._segments):
            if folder.parts:
                make_folder(folder)

    def _holds_a_run(self) -> bool:
        """Whether there is a checkpoint, or more than the one row that is written before the first of them."""
        if any("update-" in name for name in names(self._checkpoints)):
            return True
        return (self._place / "config.json").is_file() and has_two_rows(self._place / "metrics.csv")

    def _begin(self, config: OMGConfig) -> None:
        for name in names(self._segments):
            if name.endswith(".safetensors"):
                remove(self._segments / name)
        write_text(self._place / "config.json", json.dumps(config.to_dict(), indent=1) + "\n")
        begin(self._place / "metrics.csv")

    def _hold(self) -> None:
        """OSError unless the folder is still the one that was claimed, and nobody else has written there."""
        if self._claim.held:
            self._claim.check()
            return
        try:
            self._claim.take()
        except BlockingIOError:
            raise OSError(errno.EBUSY, "another run trains there") from None
        if self._names() != sorted(self._kept):
            self.close()
            raise OSError(errno.EBUSY, "another run has gone on there")

    def close(self) -> None:
        """Let others write there."""
        self._claim.release()

    # --- while it trains ---------------------------------------------------------------------------------------------

    def record(self, report: Report) -> None:
        """Add the row of one update to metrics.csv, and flush it. RunError if that fails."""
        try:
            self._hold()
            record(self._place / "metrics.csv", report)
        except OSError as error:
            raise self._failure(f"the row of update {report.update}", error) from None

    def save_if_due(self, run: Training) -> None:
        """Save after the first update, then every 10 seconds."""
        if time.monotonic() - self._saved_at >= SECONDS_BETWEEN:
            self.save(run)

    def save(self, run: Training) -> Path:
        """Write a checkpoint of a run that stands between two updates, or was stopped within one; the last two are
        kept. RunError if that fails, or a weight is no finite number: the ones before are still there.
        """
        name = f"update-{run.update:09d}" + (f"+{run.runner.episode:09d}" if run.round else "")
        if name not in self._kept:  # else the very same state is there
            arrays = {key: x.numpy(force=True) for key, x in tensors_of(run).items()}
            for key in [key for key, x in arrays.items() if not np.isfinite(x).all()]:
                raise RunError(f"update {run.update} left NaN or infinity in {key}; nothing was saved, {self._left()}")
            try:
                self._hold()
                self._write(name, run, arrays)
                self._prune()
            except OSError as error:
                raise self._failure(name, error) from None
        self._saved_at = time.monotonic()
        return (self._checkpoints / name).path

    def _write(self, name: str, run: Training, arrays: dict[str, np.ndarray]) -> None:
        self._write_segment(run)
        draft = self._checkpoints / f".{name}"
        remove(draft)
        make_folder(draft)
        try:
            files = {"weights.safetensors": write_tensors(draft / "weights.safetensors", arrays)}
            state = state_of(run) | {"files": files, "segments": dict(self._sums)}
            write_text(draft / "state.json", json.dumps(state | {"sha256": digest(state)}, indent=1) + "\n")
            rename(draft, name)
        except BaseException:
            with contextlib.suppress(OSError):
                remove(draft)
            raise
        settle(self._checkpoints)
        self._kept[name] = set(self._sums)

    def _write_segment(self, run: Training) -> None:
        """Write the episodes that came since the last segment; forget segments that the buffer has forgotten."""
        rings, since = run.buffer.rings, list(self._ends.values())[-1] if self._ends else [0] * len(run.buffer.rings)
        episodes = run.buffer.segment(since)
        if episodes:
            name = f"{sum(since):09d}.safetensors"
            make_folder(self._segments)
            self._sums[name] = write_tensors(self._segments / name, episodes)
            self._ends[name] = run.buffer.inserted
        for name, end in list(self._ends.items()):
            if all(number <= ring.inserted - ring.capacity for number, ring in zip(end, rings, strict=True)):
                del self._ends[name], self._sums[name]

    def _prune(self) -> None:
        """Remove all but the latest checkpoints, and segments that none of those needs."""
        for name in sorted(self._kept)[:-KEPT]:
            remove(self._checkpoints / name)
            del self._kept[name]
        needed = set().union(*self._kept.values())
        for name in names(self._segments):
            if name not in needed:
                remove(self._segments / name)

    def _failure(self, what: str, error: OSError) -> RunError:
        return RunError(f"{what} could not be written in {self.path} ({reason(error)}); {self._left()}")

    def _left(self) -> str:
        """What is there to go on from, by what really is there."""
        try:
            last = max(set(self._kept).intersection(self._names()), default=None)
        except OSError:
            last = None
        return f"{last} is there to be resumed" if last else "no checkpoint is there to be resumed"

    # --- going on ----------------------------------------------------------------------------------------------------

    @classmethod
    def resume(cls, path: str | Path | Place, run: Training) -> RunFolder:
        """Put the latest checkpoint of a folder that is whole into a fresh run; later rows and episodes are removed.

        A run that was broken before its first checkpoint begins anew. ConfigError, before the run is changed, if its
        configuration is another one than the folder's.
        """
        folder = cls(path)
        if not (folder._place / "config.json").is_file():
            allowed = "no config.json in it; allowed is a folder written by --out"
            raise ConfigError("resume", str(folder.path), allowed)
        with folder._refusing("resume"):
            folder._claim.take()
            if folder._holds_a_run():
                folder._tidy(folder._restore(run), run.update)
            else:
                folder._make()
                folder._begin(run.config)
                folder.notice = f"no checkpoint in {folder.path} yet: the run begins anew"
        return folder

    def _tidy(self, damaged: list[str], update: int) -> None:
        """Leave what belongs to the restored checkpoint and to those before it; set aside what is damaged."""
        for name in damaged:
            remove(self._checkpoints / f"damaged-{name}")
            rename(self._checkpoints / name, f"damaged-{name}")
        drafts = [self._place / name for name in names(self._place) if name[0] == "." and name.endswith(".draft")]
        drafts += [self._checkpoints / name for name in names(self._checkpoints) if name.startswith(".update-")]
        for draft in drafts:
            remove(draft)
        self._prune()
        self.notice += cut(self._place / "metrics.csv", update)
        self._saved_at, self.notice = time.monotonic(), self.notice.strip()

    def _restore(self, run: Training, with_episodes: bool = True) -> list[str]:
        """Restore the latest checkpoint that is whole; the later ones, which are not. ConfigError if none is."""
        faults: dict[str, str] = {}
        for name in reversed(self._names()):
            try:
                state = read_state(self._checkpoints / name)
                check_config("resume", str(self.path), state.get("config", run.config.to_dict()), run.config)
                check_pool("resume", str(self.path), state, run)
                found = self._checkpoints / name
                self._ends, self._sums = load_checkpoint(run, found, self._segments, state, with_episodes)
            except ConfigError:
                raise
            except UNREADABLE as error:
                faults[name] = f"{name}: {reason(error)}"
                continue
            if faults:
                self.notice = f"{'; '.join(faults.values())[:200]}: the run goes on from {name}."
            self._kept = {older: segments_of(self._checkpoints / older) for older in self._names() if older < name}
            self._kept[name] = set(self._sums)
            return list(faults)
        if faults:
            why = f"no checkpoint can be read ({next(iter(faults.values()))})"
        else:
            why = "there is no checkpoint; allowed is a folder written by --out"
        raise ConfigError("resume", str(self.path), why)

    def _names(self) -> list[str]:
        return [name for name in names(self._checkpoints) if name.startswith("update-")]


def saved_config(path: str | Path) -> OMGConfig:
    """The configuration of a run's folder; ConfigError if there is none or it is not readable.

    A pool or prior with a relative path is also looked for from the folder's parents, so that a run can be loaded from
    elsewhere than where it was trained.
    """
    try:
        values = read_json(Place(Path(path)) / "config.json")
    except (OSError, ValueError) as error:
        allowed = f"no readable config.json ({reason(error)}); allowed is a folder written by --out"
        raise ConfigError("resume", str(path), allowed) from None
    return OMGConfig.from_dict(values | {name: _found(values.get(name), Path(path)) for name in PATHS})


def _found(name: object, folder: Path) -> object:
    """A path as it is if it leads somewhere, else from the nearest parent of a folder from which it does; from there it
    may lead down only.
    """
    if not isinstance(name, str) or ".." in Path(name).parts or os.path.exists(name):
        return name
    return next((str(p / name) for p in folder.absolute().parents if os.path.exists(p / name)), name)


def load(path: str | Path, progress: Progress | None = None) -> Training:
    """A saved run as it was at its latest checkpoint: play, test or train on with it; its folder stays as it is."""
    run, folder = Training(saved_config(path), progress), RunFolder(path)
    try:
        folder._restore(run, with_episodes=False)
    except OSError as error:
        raise ConfigError("resume", str(path), f"cannot be read ({reason(error)})") from None
    if folder.notice:
        warnings.warn(folder.notice, stacklevel=2)
    return run


def copy_learner(run: Training, other: Training) -> None:
    """Make another run of the same networks learn on from where this one stands; its buffer stays its own."""
    load_tensors(other, {key: x.clone() for key, x in tensors_of(run).items()})
    other.load_state_dict(other.state_dict() | run.runner.state_dict() | run.learner.state_dict())
