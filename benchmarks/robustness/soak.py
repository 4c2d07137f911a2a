"""A soak test: interrupt runs in different ways, for an hour. Nothing may be lost, no process left behind.

    python -m benchmarks.robustness.soak --minutes 60 --out FOLDER

One story is a run of one learner, with its games in the same process or in separate ones, interrupted `--times` times
at random moments: it is killed (SIGKILL), interrupted (SIGINT), given a disk that fills up after some bytes
(RLIMIT_FSIZE), or loses one of its worker processes. After each interruption, the newest checkpoint must load and be no
older than the last one, and none of the run's processes may be left. Finally the run is finished and compared with an
undisturbed one: weights, optimisers, episodes, counters and metrics.csv, bit for bit. Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import omg_lib as omg
from benchmarks.robustness.interruptions import ENDLESS, TINY, differences, fork, prepare, train, updates_of
from omg_lib.config import LEARNERS

GRACE = 30.0
"""Seconds after a run's end by which all its processes must be gone."""
PATIENCE = 120.0
"""Seconds by which the first attempt must have written a checkpoint."""
EXPECTED = {"kill": {-signal.SIGKILL}, "interrupt": {130}, "full disk": {2, -signal.SIGKILL}, "worker": {130}}
"""How an attempt may end: with a disk that fills up late, the kill comes first."""


def processes_of(session: int) -> dict[int, int]:
    """Return the running processes of a session, each with its parent."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, _, belongs = path.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):  # has ended meanwhile
            continue
        if int(belongs) == session and state != "Z":
            found[int(path.parent.name)] = int(parent)
    return found


def attempt(config: omg.OMGConfig, folder: Path, how: str, chance: random.Random) -> Callable[[], None]:
    """Return a child's work: resume the run, on a disk that may fill up after some bytes."""

    def work() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if how == "full disk":
            limit = chance.choice((0, 500, 3000, 20_000, 100_000))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        train(config, folder)

    return work


def interrupt(child: int, how: str, wait: float, chance: random.Random) -> int:
    """Wait, interrupt, and return how the child ended: its exit code, or minus a signal."""
    time.sleep(wait)
    if how == "worker":  # grandchildren play the games; the children that start them are not workers
        workers = [pid for pid, parent in processes_of(child).items() if child not in (pid, parent)]
        if workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
        time.sleep(chance.uniform(0, wait))
    ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, signal.SIGINT if how in ("interrupt", "worker") else signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def first_checkpoint(child: int, folder: Path) -> float:
    """Return the seconds until the first checkpoint, and kill the child then. RuntimeError if there is none."""
    began = time.monotonic()
    while not updates_of(folder) and time.monotonic() - began < PATIENCE:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not updates_of(folder):
        raise RuntimeError(f"no checkpoint in {PATIENCE} s")
    return time.monotonic() - began


def loads(folder: Path) -> bool:
    """Return whether the newest checkpoint loads completely; falling back to an older one does not count."""

    def work() -> None:
        with omg.load(folder) as run:
            assert run.update == updates_of(folder), "an older checkpoint was taken"

    return not updates_of(folder) or os.waitpid(fork(work), 0)[1] == 0


def story(config: omg.OMGConfig, folder: Path, times: int, chance: random.Random, until: float) -> dict:
    """Interrupt one run `times` times; return what was done to it, and what went wrong."""
    endless, done, faults, at = replace(config, updates=ENDLESS), Counter(), [], 0
    start = first_checkpoint(fork(attempt(endless, folder / "run", "kill", chance)), folder / "run")
    ways = [*EXPECTED] if config.runner == "processes" else [way for way in EXPECTED if way != "worker"]
    while sum(done.values()) < times and time.monotonic() < until:
        how = chance.choice(ways)
        child = fork(attempt(endless, folder / "run", how, chance))
        least = 0.4 * start if EXPECTED[how] == {130} else 0.0  # earlier, Python itself is interrupted
        code = interrupt(child, how, chance.uniform(least, 2 * start), chance)
        began = time.monotonic()
        while (left := processes_of(child)) and time.monotonic() - began < GRACE:
            time.sleep(0.05)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        now = updates_of(folder / "run")
        if left:
            faults.append(f"{how}: {len(left)} processes were left behind")
        if code not in EXPECTED[how]:
            faults.append(f"{how}: it ended with {code}")
        if now < at or not loads(folder / "run"):
            faults.append(f"{how}: update {at} was lost, {now} is left")
        at, done[how] = max(at, now), done[how] + 1
    whole, local = replace(config, updates=at + 3), replace(config, updates=at + 3, runner="local")
    for name, chosen in (("run", whole), ("straight", local)):
        if os.waitpid(fork(lambda name=name, chosen=chosen: train(chosen, folder / name)), 0)[1]:
            return {"done": done, "update": at, "faults": [*faults, f"{name} did not end well"]}
    return {"done": done, "update": at + 3, "faults": faults + compared(folder)}


def compared(folder: Path) -> list[str]:
    """Return what differs between the two runs of a story. A child compares them: loading a run may start processes,
    and a process that has done so cannot fork children that start their own.
    """
    told = folder / "differences.json"
    look = fork(lambda: told.write_text(json.dumps(differences(folder / "run", folder / "straight"))))
    if os.waitpid(look, 0)[1]:
        return ["they could not be compared"]
    return [f"differs: {what}" for what in json.loads(told.read_text())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--times", type=int, default=50, help="interruptions of one story; default 50")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    prepare()
    chance, began, total, faults, stories = random.Random(args.seed), time.monotonic(), Counter(), [], 0
    until = began + 60 * args.minutes
    while time.monotonic() < until:
        learner = LEARNERS[(3 + stories) % len(LEARNERS)]  # omg first
        runner = "processes" if stories % 2 == 0 else "local"
        config = omg.OMGConfig(**TINY, learner=learner, runner=runner, batch_size_run=2 if runner == "processes" else 1)
        told = story(config, args.out / str(stories), args.times, chance, until)
        stories, total = stories + 1, total + told["done"]
        faults += [f"story {stories} ({learner}, {runner}): {fault}" for fault in told["faults"]]
        print(json.dumps({"story": stories, "learner": learner, "runner": runner} | told), flush=True)
        shutil.rmtree(args.out / str(stories - 1), ignore_errors=bool(told["faults"]))
    minutes = (time.monotonic() - began) / 60
    print(f"{minutes:.0f} minutes, {stories} runs, {sum(total.values())} interruptions: {dict(total)}")
    print("\n".join(faults) if faults else "nothing lost, no process left behind, every run as if never interrupted")
    return int(bool(faults))


if __name__ == "__main__":
    raise SystemExit(main())
