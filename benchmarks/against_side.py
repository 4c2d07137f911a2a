"""One checkout, measured from outside: a worker that `against` starts with the checkout's path.

For each name on standard input it does that piece of work for at least LEAST seconds and prints the CPU seconds of one.
It uses only what every commit since 49fbce0 has: OMGConfig, Training, FlowModel and `benchmarks.our_side`.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import Any

LEAST = 0.2
NEVER = 10**9


def updates(learner: str, at_once: int = 1) -> Callable[[], Any]:
    """Whole updates at the defaults, R episodes at once: the runner, a sample, a train."""
    from omg_lib.config import OMGConfig
    from omg_lib.training import Training

    settings = dict(learner=learner, device="cpu", updates=NEVER, test_interval=NEVER, batch_size_run=at_once)
    run: Iterator[Any] = iter(Training(OMGConfig(**settings)))
    return lambda: next(run)


def synthetic() -> dict[str, Callable[[], Any]]:
    """The parts of an update on an environment that costs nothing."""
    from benchmarks.our_side import Ours

    ours = Ours(1000, learner="iql", buffer_size=1000)
    batches = {size: ours.whole_sample(size) for size in (32, 256)}
    return ours.operations(batches[256], batches)


def first_picture() -> None:
    """What a reader waits for after Run at the defaults: the first measured update."""
    from omg_lib.widgets import FlowModel

    FlowModel(device="cpu").run(updates=1)


MADE: dict[str, Callable[[], Any]] = {}


def work(name: str) -> Callable[[], Any]:
    """Return a piece of work, made once."""
    if name not in MADE:
        if name == "first_picture":
            MADE[name] = first_picture
        elif name == "omg_update_8":
            MADE[name] = updates("omg", at_once=8)
        elif name.endswith("_update"):
            MADE[name] = updates(name.removesuffix("_update"))
        else:
            MADE.update(synthetic())
        MADE[name]()  # warm
    return MADE[name]


def seconds(name: str) -> float:
    """Return the CPU seconds of one piece of work; of one environment step for a runner."""
    do, start, amount = work(name), time.process_time(), 0
    while amount == 0 or time.process_time() - start < LEAST:
        done = do()
        amount += done if name.startswith("runner_") else 1
    return (time.process_time() - start) / amount


def main(checkout: str) -> None:
    sys.path[0] = checkout  # instead of this file's folder
    import torch

    import omg_lib

    if not omg_lib.__file__.startswith(checkout):
        raise SystemExit(f"{omg_lib.__file__} was imported instead of the library in {checkout}")
    torch.set_num_threads(1)
    answers = sys.stdout
    for line in sys.stdin:
        with redirect_stdout(sys.stderr):
            found = seconds(line.strip())
        print(found, file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
