"""What a piece of work needs in memory: resident bytes at its peak, above those at its start, in a fresh process.

The operating system's count is fair to both sides: it sees numpy's memory, torch's, and what either leaves unused. It
is read from Linux's /proc; elsewhere AVAILABLE is False and these figures stay away.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.our_side import Ours
from benchmarks.pymarl_side import PyMARL, buffer_bytes
from omg_lib.buffer import ReplayBuffer
from omg_lib.config import ConfigError
from omg_lib.episodes import truncate

CLEAR = Path("/proc/self/clear_refs")
AVAILABLE = CLEAR.exists()
BUFFER_SIZE = 5000


def in_fresh_process(function: Callable[..., dict], *args: Any) -> dict:
    """What a function of a module returns when a new Python runs it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def resident(field: str = "VmRSS") -> int:
    """Resident bytes of this process now, or at its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def settled() -> int:
    """Resident bytes once all that was freed is given back, so that what comes next has to ask for all it needs."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident()


def peak_above_start(work: Callable[[], object]) -> int:
    """Bytes that stood at the peak of this work and did not before it."""
    before = settled()
    CLEAR.write_text("5")  # the peak counts from here
    work()
    return resident("VmHWM") - before


def train_peak(checkout: str | None, threads: int, size: int = 256) -> dict:
    """Peak of one IQL train on `size` episodes of T = 121: ours, or PyMARL's from a checkout; the batch not counted.

    A train on two episodes comes first, so that libraries are loaded.
    """
    torch.set_num_threads(threads)
    ours = Ours(2 * size, learner="iql")
    batch = ours.whole_sample(size)
    if checkout is None:
        ours.learner.train(batch[:2], 0, 0)
        return {"bytes": peak_above_start(lambda: ours.learner.train(batch, 0, 0))}
    peer = PyMARL(checkout, buffer_size=1)
    small, whole = peer.batch(batch[:2]), peer.batch(batch)
    peer.learner.train(small, 0, 0)
    return {"bytes": peak_above_start(lambda: peer.learner.train(whole, 0, 0))}


def fill(checkout: str | None, threads: int) -> dict:
    """A buffer made and filled with 5,000 episodes, one by one: CPU seconds, bytes as it counts them and as they stand.

    The episodes are the same 91 again and again, one of each length, so that lengths are exactly uniform.
    """
    torch.set_num_threads(threads)
    stored = Ours(1000, learner="iql").buffer.sample(1000)
    _, each_length = np.unique(stored["filled"].sum(dim=1).flatten(), return_index=True)
    singles = [stored[e : e + 1].clone() for e in each_length.tolist()]
    del stored
    if checkout:
        layout = PyMARL(checkout, buffer_size=1)
        singles = [layout.batch(episode) for episode in singles]
    before, began = settled(), time.process_time()
    buffer = layout.make_buffer(BUFFER_SIZE) if checkout else ReplayBuffer(BUFFER_SIZE)
    for k in range(BUFFER_SIZE):
        buffer.insert_episode_batch(singles[k % len(singles)])
    seconds = time.process_time() - began
    counted = buffer_bytes(buffer) if checkout else buffer.nbytes
    return {"rate": BUFFER_SIZE / seconds, "bytes": counted, "resident": resident() - before}


def update(settings: dict, threads: int, limit: int | None = None, min_time: float = 0.5) -> dict:
    """One update of the loop (sample, truncate, train): its peak with its sample, and CPU seconds of those after it.

    `limit` caps the bytes that the process may ask for on top of an empty one. What does not fit, or what the
    configuration does not allow, comes back as {"refused": why}.
    """
    torch.set_num_threads(threads)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (resident("VmData") + limit, resource.RLIM_INFINITY))
    try:
        ours = Ours(128, **settings)
        size = ours.config.sample_size
        ours.fill(size)

        def work() -> None:
            ours.learner.train(truncate(ours.buffer.sample(size, reuse=True)), 0, 0)

        ours.learner.train(truncate(ours.buffer.sample(ours.config.n_agents)), 0, 0)  # loads the libraries
        stored, peak = ours.buffer.nbytes, peak_above_start(work)
        began, updates = time.process_time(), 0
        while time.process_time() - began < min_time or updates < 2:
            work()
            updates += 1
        seconds = (time.process_time() - began) / updates
    except ConfigError as error:
        return {"refused": str(error)}
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate" not in str(error):
            raise
        return {"refused": f"does not fit into {limit} bytes"}
    return {"seconds": seconds, "peak_bytes": peak, "stored_bytes": stored, "process_bytes": resident("VmHWM")}
