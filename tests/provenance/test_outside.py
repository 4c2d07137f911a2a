"""Other threads, and numbers that leave torch and come back: one sentence each, and no result changes."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from omg_lib.provenance import follow, small_batch

BATCH = small_batch(seats=False, agents=2)
REWARD = BATCH["reward"]


def verdict_after(way):
    """The verdict of a small update whose rewards take this way."""
    weight = torch.ones(5, requires_grad=True)
    with follow({"obs": (BATCH["obs"], "e t a _"), "reward": (REWARD, "e t _")}, policy="team") as found:
        value = (BATCH["obs"] @ weight).sum(2)[:, 1:]
        (way(REWARD)[:, :-1, 0] + value).sum().backward()
    return found.verdict


def in_a_thread(x):
    out = []
    thread = threading.Thread(target=lambda: out.append(x * 1))
    thread.start()
    thread.join()
    return out[0]


def in_an_open_pool(x):
    return POOL.submit(lambda: x * 1).result()


POOL = ThreadPoolExecutor(1)


@pytest.mark.parametrize("way", [in_a_thread, in_an_open_pool])
def test_another_thread_is_named(way):
    POOL.submit(int).result()  # its thread was there before the block
    start = threading.Thread.start
    assert torch.equal(way(REWARD), REWARD)
    verdict = verdict_after(way)
    assert verdict.kind == "unclear" and "put `follow` into the thread that works" in verdict.message
    assert threading.Thread.start is start


@pytest.mark.parametrize(
    "way",
    [
        lambda x: torch.from_numpy(x.numpy() * 1),
        lambda x: torch.as_tensor(x.numpy()),
        lambda x: torch.tensor(x.tolist()),
        lambda x: torch.tensor([[[step.item()] for step in episode] for episode in x]),
    ],
)
def test_numbers_that_come_back_are_named(way):
    verdict = verdict_after(way)
    assert verdict.kind == "unclear" and "left torch as numbers" in verdict.message


def test_what_only_leaves_is_no_alarm():
    def logged(x):
        assert x.mean().item() == pytest.approx(float(x.numpy().mean()))
        return x * torch.tensor(1.0)

    assert verdict_after(logged) is None
