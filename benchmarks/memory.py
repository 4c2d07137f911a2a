"""The memory a piece of work needs: resident bytes at its peak above those at its start, in a fresh process.

The operating system's count is fair to both sides: it includes numpy's memory, torch's, and what either leaves unused.
It is read from Linux's /proc; elsewhere AVAILABLE is False and these figures are left out.
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
    """Return what a function of a module returns in a new Python process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def resident(field: str = "VmRSS") -> int:
    """Return the resident bytes of this process, now or at its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def settled() -> int:
    """Give freed memory back to the system and return the resident bytes: later work must request all it needs."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident()


def peak_above_start(work: Callable[[], object]) -> int:
    """Return this work's peak of resident bytes above its start."""
    before = settled()
    CLEAR.write_text("5")  # reset the peak
    work()
    return resident("VmHWM") - before


def train_peak(checkout: str | None, threads: int, size: int = 256) -> dict:
    """Measure the peak of one IQL train on `size` episodes of T = 121, without the batch: ours, or a checkout's PyMARL.

    A train on two episodes comes first and loads the libraries.
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
    """Fill a new buffer with 5,000 episodes, one by one: CPU seconds, bytes by its own count, resident bytes.

    The episodes are the same 91 repeated, one of each length, which makes lengths exactly uniform.
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
    """Measure one update of the loop (sample, truncate, train): its peak with its sample, CPU seconds of later ones.

    `limit` caps the bytes the process may request on top of an empty one. If an update does not fit or the
    configuration is invalid, returns {"refused": why}.
    """
    torch.set_num_threads(threads)
    np.ones((64, 64)) @ np.ones((64, 64))  # OpenBLAS takes its memory at its first product, and exits if it gets none
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (resident("VmData") + limit, resource.RLIM_INFINITY))
    try:
        ours = Ours(128, **settings)
        size = ours.config.sample_size
        ours.fill(size)

        def work() -> None:
            ours.learner.train(truncate(ours.buffer.sample(size, reuse=True)), 0, 0)

        ours.learner.train(truncate(ours.buffer.sample(ours.config.n_agents)), 0, 0)  # loads libraries
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
