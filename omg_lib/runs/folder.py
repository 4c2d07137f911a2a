"""A run's folder: config.json, metrics.csv with a row per update, and checkpoints for an exact resume.

    config.json                     the settings, and the versions it began with
    changes.csv                     what a continued run changed, and at which update; absent if nothing
    metrics.csv                     one row per update, flushed
    checkpoints/update-000000012/   weights.safetensors; state.json with counters and every file's checksum
    checkpoints/episodes/           segments of episodes, written once and shared by checkpoints

Weights, optimisers and episodes are safetensors, everything else is JSON: no file here can run code. Every random draw
depends only on (seed, index), so there is no generator to save. A checkpoint gets its name only when all of it is on
disk, and the previous one stays, so a complete checkpoint survives any failed write.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import errno
import io
import json
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from omg_lib.config import ConfigError, OMGConfig, RunError
from omg_lib.errors import printable
from omg_lib.registry import check_named_in_file
from omg_lib.runs.claims import Claim, busy
from omg_lib.runs.metrics import begin, cut, has_two_rows, record, seconds_of
from omg_lib.runs.state import (
    MAY_CHANGE,
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
from omg_lib.settings.words import DEFAULTS
from omg_lib.system.files import no_formula, read_json, reason, write_tensors, write_text
from omg_lib.system.places import Place, append, make_folder, names, remove, rename, settle
from omg_lib.system.versions import differing, versions
from omg_lib.training import Progress, Report, Training, resolve_device
from omg_lib.words import _, listing

SECONDS_BETWEEN = 10.0
KEPT = 2


class RunFolder:
    """Write one run to a folder. Use `create` or `resume`; both raise ConfigError in one sentence.

    It keeps all other runs out of the folder, in this process too, until `close`, which `follow` calls. Recording or
    saving later claims the folder again, if no other run has written there in between. `notice` lists what was skipped
    when the run was resumed; it is empty if nothing was.
    """

    def __init__(self, path: str | Path | Place) -> None:
        self._place = path if isinstance(path, Place) else Place(Path(path))
        self.path = self._place.path
        self._checkpoints = self._place / "checkpoints"
        self._segments = self._checkpoints / "episodes"
        self.notice = ""
        self._saved_at = -SECONDS_BETWEEN
        self._began = time.monotonic()
        self._ends: dict[str, list[int]] = {}  # segment -> the buffer's `inserted` when it was written
        self._sums: dict[str, str] = {}  # segment -> its checksum
        self._kept: dict[str, set[str]] = {}  # checkpoint -> its segments
        self._claim = Claim(self._place)

    @classmethod
    def create(cls, path: str | Path | Place, config: OMGConfig) -> RunFolder:
        """Create a new run's folder. It may exist, but not hold a run that has a checkpoint."""
        folder = cls(path)
        with folder._refusing("out"):
            folder._check_free()  # first, because a folder that holds a run stays as it is
            folder._make()
            folder._claim.take()
            folder._check_free()  # again, because another run may have begun and ended in between
            folder._begin(config)
        return folder

    def _check_free(self) -> None:
        if self._holds_a_run():
            allowed = _("the folder already holds a run; allowed is a new folder, or resume the run")
            raise ConfigError("out", str(self.path), allowed)

    @contextlib.contextmanager
    def _refusing(self, name: str) -> Iterator[None]:
        """Release the folder, and return an error with the reason why it cannot be used."""
        try:
            yield
        except BlockingIOError:
            raise busy(name, self.path) from None
        except OSError as error:
            self.close()
            allowed = _("cannot be written ({reason}); allowed is a writable folder").format(reason=reason(error))
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
        """Return whether there is a checkpoint, or more than the one row written before the first checkpoint."""
        if any("update-" in name for name in names(self._checkpoints)):
            return True
        return (self._place / "config.json").is_file() and has_two_rows(self._place / "metrics.csv")

    def _begin(self, config: OMGConfig) -> None:
        for name in names(self._segments):
            if name.endswith(".safetensors"):
                remove(self._segments / name)
        written = config.to_dict() | {"versions": versions(resolve_device(config.device))}
        write_text(self._place / "config.json", json.dumps(written, indent=1) + "\n")
        begin(self._place / "metrics.csv")

    def _hold(self) -> None:
        """Raise OSError unless the folder is still the claimed one and no other run has written there."""
        if self._claim.held:
            self._claim.check()
            return
        try:
            self._claim.take()
        except BlockingIOError:
            raise OSError(errno.EBUSY, _("another run is training there")) from None
        if self._names() != sorted(self._kept):
            self.close()
            raise OSError(errno.EBUSY, _("another run has continued there"))

    def close(self) -> None:
        """Release the folder."""
        self._claim.release()

    # --- while it trains ---------------------------------------------------------------------------------------------

    def record(self, report: Report) -> None:
        """Append the row of one update to metrics.csv and flush it. RunError if that fails."""
        try:
            self._hold()
            record(self._place / "metrics.csv", report, time.monotonic() - self._began)
        except OSError as error:
            raise self._failure(_("the row of update {update}").format(update=report.update), error) from None

    def save_if_due(self, run: Training) -> None:
        """Save after the first update, then every 10 seconds."""
        if time.monotonic() - self._saved_at >= SECONDS_BETWEEN:
            self.save(run)

    def save(self, run: Training) -> Path:
        """Write a checkpoint of a run that is between two updates, or was stopped within one; keep the last two.
        RunError if that fails or a weight is not finite: the previous checkpoints are still there.
        """
        name = f"update-{run.update:09d}" + (f"+{run.runner.episode:09d}" if run.round else "")
        if name not in self._kept:  # otherwise this state is already saved
            arrays = {key: x.numpy(force=True) for key, x in tensors_of(run).items()}
            for key in [key for key, x in arrays.items() if not np.isfinite(x).all()]:
                raise RunError(
                    _("update {update} left NaN or infinity in {key}; nothing was saved; {left}").format(
                        update=run.update, key=key, left=self._left()
                    )
                )
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
        """Write the episodes inserted since the last segment; drop segments whose episodes have left the buffer."""
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
        """Remove all but the latest checkpoints, and the segments that they do not need."""
        for name in sorted(self._kept)[:-KEPT]:
            remove(self._checkpoints / name)
            del self._kept[name]
        needed = set().union(*self._kept.values())
        for name in names(self._segments):
            if name not in needed:
                remove(self._segments / name)

    def _failure(self, what: str, error: OSError) -> RunError:
        return RunError(
            _("{what} could not be written in {path} ({reason}); {left}").format(
                what=what, path=self.path, reason=reason(error), left=self._left()
            )
        )

    def _left(self) -> str:
        """Return what can be resumed, from what is really on disk."""
        try:
            last = max(set(self._kept).intersection(self._names()), default=None)
        except OSError:
            last = None
        return _("you can resume from {last}").format(last=last) if last else _("there is no checkpoint to resume from")

    # --- resuming ----------------------------------------------------------------------------------------------------

    @classmethod
    def resume(cls, path: str | Path | Place, run: Training) -> RunFolder:
        """Load a folder's latest complete checkpoint into a fresh run; later rows and episodes are removed.

        A run that was interrupted before its first checkpoint starts over. ConfigError, before the run is changed, if
        its configuration differs from the folder's.
        """
        folder = cls(path)
        if not (folder._place / "config.json").is_file():
            allowed = _("it has no config.json; allowed is a folder written by --out")
            raise ConfigError("resume", str(folder.path), allowed)
        with folder._refusing("resume"):
            folder._claim.take()
            if folder._holds_a_run():
                folder._tidy(folder._restore(run), run.update)
                folder._note_changes(run)
            else:
                folder._make()
                folder._begin(run.config)
                said = _("no checkpoint in {path} yet: the run starts from the beginning")
                folder.notice = printable(said.format(path=folder.path))
        return folder

    def _note_changes(self, run: Training) -> None:
        """Record the changed settings with which the run continues. A crash in between may record a change twice, but
        never lose it.
        """
        try:
            saved = read_json(self._place / "config.json")
        except ValueError as error:
            raise ConfigError(
                "resume", str(self.path), _("its config.json cannot be read ({reason})").format(reason=reason(error))
            ) from None
        said = differing(saved.get("versions"), versions(run.device))
        self.notice = printable(f"{self.notice} {said}".strip())
        settings = run.config.to_dict()
        before = {key: saved.get(key, DEFAULTS[key]) for key in MAY_CHANGE}
        changed = {key: settings[key] for key in MAY_CHANGE if before[key] != settings[key]}
        if changed:
            changes, out = self._place / "changes.csv", io.StringIO(newline="")
            table = csv.writer(out)
            if not changes.is_file():
                write_text(changes, "update,setting,before,after\r\n")
            for key, value in changed.items():
                table.writerow((run.update, key, no_formula(str(before[key])), str(value)))
            append(changes, out.getvalue().encode())
            write_text(self._place / "config.json", json.dumps(saved | changed, indent=1) + "\n")

    def _tidy(self, damaged: list[str], update: int) -> None:
        """Keep what belongs to the restored checkpoint and earlier ones; set aside what is damaged."""
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
        self._began = self._saved_at - seconds_of(self._place / "metrics.csv")

    def _restore(self, run: Training, with_episodes: bool = True) -> list[str]:
        """Restore the latest complete checkpoint; return the later, damaged ones. ConfigError if none is complete."""
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
                said = _("{faults}: the run continues from {name}.")
                self.notice = printable(said.format(faults=listing(faults.values(), "; ")[:200], name=name))
            self._kept = {older: segments_of(self._checkpoints / older) for older in self._names() if older < name}
            self._kept[name] = set(self._sums)
            return list(faults)
        if faults:
            why = _("no checkpoint can be read ({reason})").format(reason=next(iter(faults.values())))
        else:
            why = _("there is no checkpoint; allowed is a folder written by --out")
        raise ConfigError("resume", str(self.path), why)

    def _names(self) -> list[str]:
        return [name for name in names(self._checkpoints) if name.startswith("update-")]


def saved_config(path: str | Path) -> OMGConfig:
    """Read the configuration of a run's folder; ConfigError if there is none or it is not readable.

    A pool or prior with a relative path is also looked for from the folder's parents, so you can load a run from
    another folder than the one you trained in. A game's module is imported only if it is an installed package's, or
    yours already: see `omg_lib.registry.check_named_in_file`.
    """
    try:
        values = read_json(Place(Path(path)) / "config.json")
    except (OSError, ValueError) as error:
        allowed = _("no readable config.json ({reason}); allowed is a folder written by --out").format(
            reason=reason(error)
        )
        raise ConfigError("resume", str(path), allowed) from None
    check_named_in_file(values.get("env"))
    return OMGConfig.from_dict(values | {name: _found(values.get(name), Path(path)) for name in PATHS})


def _found(name: object, folder: Path) -> object:
    """Return a path unchanged if it exists, else relative to the nearest parent of a folder where it exists. Relative
    to a parent it must not go up.
    """
    if not isinstance(name, str) or ".." in Path(name).parts or os.path.exists(name):
        return name
    return next((str(p / name) for p in folder.absolute().parents if os.path.exists(p / name)), name)


def load(path: str | Path, progress: Progress | None = None, **changes: object) -> Training:
    """Load a saved run at its latest checkpoint, to play, test or continue training; its folder does not change.

    Its games run in this process, without Ray and without other processes; `runner="processes"` or `runner="ray"` asks
    for them again. `changes` are settings that a continued run may change, such as `device` or `lr`.
    """
    for name, value in changes.items():
        if name not in MAY_CHANGE:
            raise ConfigError(
                name,
                value,
                _("the run was trained with its own; only {names} may change").format(names=listing(MAY_CHANGE)),
            )
    here = {"runner": "local", "actors": None}
    run, folder = Training(dataclasses.replace(saved_config(path), **here | changes), progress), RunFolder(path)
    try:
        folder._restore(run, with_episodes=False)
    except OSError as error:
        raise ConfigError("resume", str(path), _("cannot be read ({reason})").format(reason=reason(error))) from None
    if folder.notice:
        warnings.warn(folder.notice, stacklevel=2)
    return run


def copy_learner(run: Training, other: Training) -> None:
    """Make another run with the same networks continue training from this one's state; it keeps its own buffer."""
    load_tensors(other, {key: x.clone() for key, x in tensors_of(run).items()})
    other.load_state_dict(other.state_dict() | run.runner.state_dict() | run.learner.state_dict())
