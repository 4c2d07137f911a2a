"""One update of a learner in a process of its own: prints CPU seconds and the MiB that it needed at its peak.

64 episodes of 8 agents, T = 60. Linux only, which lets a process forget its peak.
"""

import sys
import time
from pathlib import Path

import torch

from omg_lib.provenance import follow
from tests.helpers.provenance.cases import plain
from tests.helpers.provenance.peers import PYMARL, build
from tests.helpers.provenance.plain_loop import update


def status(name: str) -> int:
    """A line of /proc/self/status, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def make(learner: str, episodes: int, agents: int, steps: int, hidden: int):
    if learner == "pymarl":
        return build(PYMARL, episodes=episodes, agents=agents, length=steps, hidden=hidden)
    sizes = dict(groups=episodes // agents, agents=agents, steps=steps, obs_dim=80, n_actions=14)
    return plain(update, hidden=hidden, **sizes)


def main(learner: str, how: str) -> None:
    torch.set_num_threads(1)
    for sizes in ((6, 3, 6, 8), (64, 8, 60, 64)):  # the small one loads what is loaded once
        case = make(learner, *sizes)
        Path("/proc/self/clear_refs").write_text("5")
        before, start = status("VmRSS"), time.process_time()
        if how == "followed":
            with follow(case.inputs, seat=getattr(case, "seat", None)) as found:
                case.train()
            assert found.verdict is None, str(found.verdict)
        else:
            case.train()
        spent, needed = time.process_time() - start, status("VmHWM") - before
    print(spent, needed / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
