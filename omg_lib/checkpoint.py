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

import io
import json
import os
import shutil
import time
import warnings
from pathlib import Path

from omg_lib.config import ConfigError, OMGConfig, RunError
from omg_lib.files import read_json, reason, settle, write_tensors, write_text
from omg_lib.metrics import append, begin, cut, has_two_rows
from omg_lib.saved import (
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
from omg_lib.training import Progress, Report, Training

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

SECONDS_BETWEEN = 10.0
KEPT = 2


class RunFolder:
    """Writes one run to a folder. `create` and `resume` make one; both raise ConfigError in one sentence.

    `notice` says what had to be left aside when the run was resumed; empty if nothing was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints, self.segments = path / "checkpoints", path / "checkpoints" / "episodes"
        self.notice = ""
        self._saved_at = -SECONDS_BETWEEN
        self._ends: dict[str, list[int]] = {}  # segment -> what the buffer's `inserted` was when it was written
        self._sums: dict[str, str] = {}  # segment -> its checksum
        self._kept: dict[str, set[str]] = {}  # checkpoint -> its segments
        self._lock: io.TextIOBase | None = None

    @classmethod
    def create(cls, path: str | Path, config: OMGConfig) -> RunFolder:
        """A new run's folder; it may exist, but not hold a run that has got to a checkpoint."""
        folder = cls(Path(path))
        if folder._holds_a_run():
            raise ConfigError("out", str(path), "the folder holds a run already; allowed is a new one, or resume it")
        try:
            folder.segments.mkdir(parents=True, exist_ok=True)
            folder._claim("out")
            folder._begin(config)
        except OSError as error:
            allowed = f"cannot be written ({reason(error)}); allowed is a folder that can"
            raise ConfigError("out", str(path), allowed) from None
        return folder

    def _holds_a_run(self) -> bool:
        """Whether there is a checkpoint, or more than the one row that is written before the first of them."""
        if any(self.checkpoints.glob("*update-*")):
            return True
        return (self.path / "config.json").exists() and has_two_rows(self.path / "metrics.csv")

    def _begin(self, config: OMGConfig) -> None:
        for segment in self.segments.glob("*.safetensors"):
            segment.unlink()
        write_text(self.path / "config.json", json.dumps(config.to_dict(), indent=1) + "\n")
        begin(self.path / "metrics.csv")

    def _claim(self, name: str) -> None:
        """Keep other processes out for as long as this object lives; where the system can, also over their deaths."""
        if fcntl is None:
            return
        self._lock = (self.path / ".lock").open("w")
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            allowed = "another process trains in this folder; allowed is a folder of its own, or to wait"
            raise ConfigError(name, str(self.path), allowed) from None
        except OSError:  # a file system without locks
            self._lock = None

    # --- while it trains ---------------------------------------------------------------------------------------------

    def record(self, report: Report) -> None:
        """Add the row of one update to metrics.csv, and flush it. RunError if that fails."""
        try:
            append(self.path / "metrics.csv", report)
        except OSError as error:
            raise self._failure(f"the row of update {report.update}", error) from None

    def save_if_due(self, run: Training) -> None:
        """Save after the first update, then every 10 seconds."""
        if time.monotonic() - self._saved_at >= SECONDS_BETWEEN:
            self.save(run)

    def save(self, run: Training) -> Path:
        """Write a checkpoint of a run that stands between two updates, or was stopped within one; the last two are
        kept. RunError if that fails: the ones before are still there.
        """
        name = f"update-{run.update:09d}" + (f"+{run.runner.episode:09d}" if run.round else "")
        if name not in self._kept:  # else the very same state is there
            try:
                self._write(name, run)
                self._prune()
            except OSError as error:
                raise self._failure(name, error) from None
        self._saved_at = time.monotonic()
        return self.checkpoints / name

    def _write(self, name: str, run: Training) -> None:
        self._write_segment(run)
        draft = self.checkpoints / f".{name}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            arrays = {key: x.numpy(force=True) for key, x in tensors_of(run).items()}
            files = {"weights.safetensors": write_tensors(draft / "weights.safetensors", arrays)}
            state = state_of(run) | {"files": files, "segments": dict(self._sums)}
            write_text(draft / "state.json", json.dumps(state | {"sha256": digest(state)}, indent=1) + "\n")
            os.replace(draft, self.checkpoints / name)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        settle(self.checkpoints)
        self._kept[name] = set(self._sums)

    def _write_segment(self, run: Training) -> None:
        """Write the episodes that came since the last segment; forget segments that the buffer has forgotten."""
        rings, since = run.buffer.rings, list(self._ends.values())[-1] if self._ends else [0] * len(run.buffer.rings)
        episodes = run.buffer.segment(since)
        if episodes:
            name = f"{sum(since):09d}.safetensors"
            self.segments.mkdir(exist_ok=True)
            self._sums[name] = write_tensors(self.segments / name, episodes)
            self._ends[name] = run.buffer.inserted
        for name, end in list(self._ends.items()):
            if all(number <= ring.inserted - ring.capacity for number, ring in zip(end, rings, strict=True)):
                del self._ends[name], self._sums[name]

    def _prune(self) -> None:
        """Remove all but the latest checkpoints, and segments that none of those needs."""
        for name in sorted(self._kept)[:-KEPT]:
            shutil.rmtree(self.checkpoints / name)
            del self._kept[name]
        needed = set().union(*self._kept.values())
        for segment in self.segments.glob("*"):
            if segment.name not in needed:
                segment.unlink()

    def _failure(self, what: str, error: OSError) -> RunError:
        last = max(self._kept, default=None)
        left = f"{last} is there to be resumed" if last else "no checkpoint is there yet"
        return RunError(f"{what} could not be written in {self.path} ({reason(error)}); {left}")

    # --- going on ----------------------------------------------------------------------------------------------------

    @classmethod
    def resume(cls, path: str | Path, run: Training) -> RunFolder:
        """Put the latest checkpoint of a folder that is whole into a fresh run; later rows and episodes are removed.

        A run that was broken before its first checkpoint begins anew. ConfigError, before the run is changed, if its
        configuration is another one than the folder's.
        """
        folder = cls(Path(path))
        if not (folder.path / "config.json").is_file():
            allowed = "no config.json in it; allowed is a folder written by --out"
            raise ConfigError("resume", str(path), allowed)
        try:
            folder._claim("resume")
            if folder._holds_a_run():
                folder._tidy(folder._restore(run), run.update)
            else:
                folder.segments.mkdir(parents=True, exist_ok=True)
                folder._begin(run.config)
                folder.notice = f"no checkpoint in {path} yet: the run begins anew"
        except OSError as error:
            allowed = f"cannot be written ({reason(error)}); allowed is a folder that can"
            raise ConfigError("resume", str(path), allowed) from None
        return folder

    def _tidy(self, damaged: list[Path], update: int) -> None:
        """Leave what belongs to the restored checkpoint and to those before it; set aside what is damaged."""
        for found in damaged:
            aside = found.with_name(f"damaged-{found.name}")
            shutil.rmtree(aside, ignore_errors=True)
            os.replace(found, aside)
        for draft in (*self.path.glob(".*.draft"), *self.checkpoints.glob(".update-*")):
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
        self._prune()
        self.notice += cut(self.path / "metrics.csv", update)
        self._saved_at, self.notice = time.monotonic(), self.notice.strip()

    def _restore(self, run: Training, with_episodes: bool = True) -> list[Path]:
        """Restore the latest checkpoint that is whole; the later ones, which are not. ConfigError if none is."""
        faults: dict[Path, str] = {}
        for found in sorted(self.checkpoints.glob("update-*"), reverse=True):
            try:
                state = read_state(found)
                check_config("resume", str(self.path), state.get("config", run.config.to_dict()), run.config)
                check_pool("resume", str(self.path), state, run)
                self._ends, self._sums = load_checkpoint(run, found, self.segments, state, with_episodes)
            except ConfigError:
                raise
            except UNREADABLE as error:
                faults[found] = f"{found.name}: {reason(error)}"
                continue
            if faults:
                self.notice = f"{'; '.join(faults.values())[:200]}: the run goes on from {found.name}."
            self._kept = {name: segments_of(self.checkpoints / name) for name in self._names() if name < found.name}
            self._kept[found.name] = set(self._sums)
            return list(faults)
        if faults:
            why = f"no checkpoint can be read ({next(iter(faults.values()))})"
        else:
            why = "there is no checkpoint; allowed is a folder written by --out"
        raise ConfigError("resume", str(self.path), why)

    def _names(self) -> list[str]:
        return [path.name for path in self.checkpoints.glob("update-*")]


def saved_config(path: str | Path) -> OMGConfig:
    """The configuration of a run's folder; ConfigError if there is none or it is not readable.

    A pool or prior with a relative path is also looked for from the folder's parents, so that a run can be loaded from
    elsewhere than where it was trained.
    """
    try:
        values = read_json(Path(path) / "config.json")
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
    run, folder = Training(saved_config(path), progress), RunFolder(Path(path))
    folder._restore(run, with_episodes=False)
    if folder.notice:
        warnings.warn(folder.notice, stacklevel=2)
    return run


def copy_learner(run: Training, other: Training) -> None:
    """Make another run of the same networks learn on from where this one stands; its buffer stays its own."""
    load_tensors(other, {key: x.clone() for key, x in tensors_of(run).items()})
    other.update = other.learner.updates = run.update
    other.learner.last_target_update = run.learner.last_target_update
    other.runner.t_env, other.runner.episode = run.runner.t_env, run.runner.episode
