"""Speed-ups of our fast paths over our own slow versions, one line each. For CI, which has no PyMARL.

python -m benchmarks.smoke
"""

from __future__ import annotations

import torch

from benchmarks.our_side import Ours
from benchmarks.timing import Operation, interleave, ratio
from omg_lib.episodes import EpisodeBatch, truncate

ROUNDS = 3


def padded(batch: EpisodeBatch) -> EpisodeBatch:
    """Return the same episodes with every row marked as played: the work of a learner that processes padding."""
    full = batch.clone()
    full["filled"][:] = True
    full["avail_actions"][..., 1] = True
    return full


def pairs() -> dict[str, tuple[Operation, Operation]]:
    """Return name -> (fast form, slow form)."""
    ours = Ours(300, learner="iql")
    operations = ours.operations(ours.whole_sample(64), {})
    batch = ours.whole_sample(64)
    whole = padded(batch)

    def fresh() -> int:
        truncate(ours.buffer.sample(256))
        return 1

    def train(episodes: EpisodeBatch) -> int:
        ours.learner.train(episodes, 0, 0)
        return 1

    return {
        "runner": (operations["runner_8"], operations["runner_1"]),
        "sample": (operations["sample"], fresh),
        "train": (lambda: train(batch), lambda: train(whole)),
    }


def main() -> None:
    torch.set_num_threads(1)
    for name, (fast, slow) in pairs().items():
        readings = interleave({"fast": fast, "slow": slow}, ROUNDS, threads=1)
        print(name, f"{ratio(readings['fast'], readings['slow'])['median']:.2f}", flush=True)


if __name__ == "__main__":
    main()
