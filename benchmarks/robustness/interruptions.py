"""Do killed runs end with the same result as an undisturbed run, bit for bit?

    python -m benchmarks.robustness.interruptions --learners omg iql --kills 20 --out FOLDER
        one JSON line for each learner

One process loads torch and then forks one attempt after another (needs Linux or macOS): each resumes the folder's run,
writes a checkpoint after every update, and gets SIGKILL at a random moment. Finally the run is finished and compared
with an undisturbed run of the same length: weights, optimisers, episodes, counters, metrics.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import numpy as np
import torch

import omg_lib as omg
from omg_lib.config import LEARNERS, ConfigError, RunError
from omg_lib.runs import folder as checkpoint
from omg_lib.runs.folder import RunFolder
from omg_lib.runs.follow import follow
from omg_lib.runs.state import read_state, state_of, tensors_of
from omg_lib.subgoals import SubgoalPrior

TINY = dict(
    env="skirmish:partners", n_agents=2, batch_size=2, buffer_size=12, test_nepisode=2, test_interval=200,
    target_update_interval=4, rnn_hidden_dim=8, subgoal_dim=4, feature_dim=4, context_dim=6, device="cpu",
)  # fmt: skip
ENDLESS = 10**6
MOST_SECONDS = 120.0


def train(config: omg.OMGConfig, folder: Path) -> None:
    """Start or resume the folder's run, and train it to its end."""
    with omg.Training(config) as run:
        begun = (folder / "config.json").exists()
        for _ in follow(run, RunFolder.resume(folder, run) if begun else RunFolder.create(folder, config)):
            pass


def fork(work: Callable[[], object]) -> int:
    """Fork a child, in its own session, that does this work and exits: with 0 if it succeeded, 130 if interrupted, 2 if
    it reported in a sentence why it cannot start or resume, 1 if it failed. Returns its process id.
    """
    if child := os.fork():
        return child
    code = 1
    try:
        os.setsid()
        sys.stderr = open(os.devnull, "w")
        work()
        code = 0
    except KeyboardInterrupt:
        code = 130
    except (RunError, ConfigError):
        code = 2
    except BaseException as error:
        print(f"an attempt failed: {type(error).__name__}: {error}", flush=True)
    finally:
        os._exit(code)


def updates_of(folder: Path) -> int:
    """Return the update of the latest checkpoint; 0 if there is none."""
    names = [path.name for path in (folder / "checkpoints").glob("update-*")]
    return max((int(name.removeprefix("update-").split("+")[0]) for name in names), default=0)


def kill_often(config: omg.OMGConfig, folder: Path, kills: int, chance: random.Random) -> list[int]:
    """Kill a run `kills` times at random moments; return the update of its checkpoint after each kill.

    The first attempt and every fourth one run until they have written a checkpoint, however slow the machine is; the
    first one's time sets the scale for the others.
    """
    endless, reached, patience = replace(config, updates=ENDLESS), [], 0.0
    for kill in range(kills):
        before, began = updates_of(folder), time.monotonic()
        child = fork(lambda: train(endless, folder))
        while kill % 4 == 0 and updates_of(folder) == before and time.monotonic() - began < MOST_SECONDS:
            time.sleep(0.005)
        if patience:
            time.sleep(chance.uniform(0, 1.5 * patience))
        patience = patience or time.monotonic() - began
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise RuntimeError(f"after {reached} an attempt ended by itself")
        reached.append(updates_of(folder))
    return reached


def rows_of(folder: Path) -> list[dict[str, str]]:
    """Return the rows of metrics.csv without the time that they took."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [row | {"time": ""} for row in csv.DictReader(file)]


def differences(one: Path, other: Path) -> list[str]:
    """Name what differs between two runs' folders; [] if they are the same run."""
    found = []
    with omg.load(one) as mine, omg.load(other) as theirs:
        tensors = tensors_of(theirs)
        found += [key for key, x in tensors_of(mine).items() if not torch.equal(x, tensors[key])]
        state = state_of(theirs)
        found += [key for key, value in state_of(mine).items() if key != "config" and value != state[key]]
        for seat, (ring, twin) in enumerate(zip(mine.buffer.rings, theirs.buffer.rings, strict=True)):
            pairs = zip(ring.episodes, twin.episodes, strict=True)
            if not all(np.array_equal(x, b[key]) for a, b in pairs for key, x in a.items()):
                found.append(f"episodes of seat {seat}")
    if rows_of(one) != rows_of(other):
        found.append("metrics.csv")
    latest = [max((folder / "checkpoints").glob("update-*")) for folder in (one, other)]
    found += ["checkpoints"] * (len({read_state(path)["files"]["weights.safetensors"] for path in latest}) > 1)
    return found


def compare(config: omg.OMGConfig, folder: Path, kills: int, seed: int) -> dict:
    """Kill a run, finish it, run it again undisturbed; return what happened and what differs."""
    reached = kill_often(config, folder / "killed", kills, random.Random(seed))
    whole = replace(config, updates=reached[-1] + 3)
    for name in ("killed", "straight"):
        _, status = os.waitpid(fork(lambda name=name: train(whole, folder / name)), 0)
        if status:
            return {"learner": config.learner, "reached": reached, "differences": [f"{name} did not end well"]}
    found = differences(folder / "killed", folder / "straight")
    return {"learner": config.learner, "kills": kills, "reached": reached, "differences": found}


def prepare() -> None:
    """Write checkpoints after every update and train the prior for three steps, here and in forked processes."""
    torch.set_num_threads(1)
    checkpoint.SECONDS_BETWEEN = 0.0
    SubgoalPrior.fit = partialmethod(SubgoalPrior.fit, steps=3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--learners", nargs="+", default=LEARNERS)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    prepare()
    for learner in args.learners:
        config = omg.OMGConfig(**TINY, learner=learner)
        print(json.dumps(compare(config, args.out / learner, args.kills, args.seed)), flush=True)


if __name__ == "__main__":
    main()
