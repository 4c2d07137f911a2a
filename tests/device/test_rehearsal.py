"""The one call that a GPU is needed for, rehearsed on the device double at small sizes."""

import pytest

from benchmarks import gpu
from tests.helpers.batches import short_pretraining

TESTED_ELSEWHERE = ("tests",)
"""Parts that would run this folder."""


@pytest.mark.slow
def test_all_that_a_gpu_is_needed_for_runs_on_the_double_and_is_saved_part_by_part(double, monkeypatch):
    monkeypatch.setattr(gpu, "WARM_UP", 1)
    monkeypatch.setitem(gpu.QUICK, "widths", (2,))
    saved = []
    parts = [part for part in gpu.PARTS if part not in TESTED_ELSEWHERE]
    with short_pretraining():
        found = gpu.measure("cuda", None, 1, True, parts, save=lambda result: saved.append(set(result)))
    assert (found["failed"], found["skipped"]) == ({}, [])
    assert found["device"] == str(double) and found["equality"]["within"]
    assert len(saved) == len(parts)
    named = [part for part in parts if part not in ("train", "stages")]
    assert [sum(part in keys for keys in saved) for part in named] == [7 - parts.index(part) for part in named]
    stages = {stage["name"]: stage for stage in found["trace"]["stages"]}
    assert [stages[name]["fields"]["obs"]["shape"][0] for name in ("runner.run", "buffer.sample")] == [1, 8]
    assert found["wide"]["n2_r2"]["rate"]["median"] > 0
    assert all(values["predicted"] > 0 for values in found["memory"].values())


def test_what_would_begin_too_late_is_left_out_and_named(monkeypatch):
    class Bench:
        def __init__(self, place, *how):
            self.device, self.ends = gpu.training.resolve_device(place), float("inf")
            self.result = {"card": "a card", "machine": {}, "clock": "wall", "failed": {}, "skipped": []}

        def good(self):
            self.result["good"] = 1

        def bad(self):
            raise RuntimeError("no such kernel\nand more")

        def long(self):
            self.ends = 0.0

    monkeypatch.setattr(gpu, "Bench", Bench)
    monkeypatch.setattr(gpu.torch, "set_num_threads", lambda number: None)
    saved, parts = [], ["bad", "good", "long", "late"]
    found = gpu.measure("cpu", None, 1, True, parts, save=lambda result: saved.append(dict(result)))
    assert found["failed"] == {"bad": "RuntimeError: no such kernel"} and found["skipped"] == ["late"]
    assert [record.get("good") for record in saved] == [None, 1, 1]
