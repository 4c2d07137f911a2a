"""One complete recorded update: the real values behind the trace, their memory, and the lines that made them."""

import pytest
import torch
from tensordict import TensorDict

from omg_lib import OMGConfig, compare, predict
from omg_lib.contract import contract
from omg_lib.lessons.iteration import STAGES, Memory, memory_of, record, source_of

CONFIG = OMGConfig(n_agents=2, batch_size=2, device="cpu")


@pytest.fixture(scope="module")
def iteration():
    return record(CONFIG)


@pytest.mark.slow
def test_every_stage_is_kept_as_the_trace_says(iteration):
    assert compare(predict(CONFIG), iteration.trace) == [] and iteration.trace.update == 1
    assert list(iteration.values) == [stage.name for stage in iteration.trace.stages]
    for stage in iteration.trace.stages:
        kept = {key: tuple(x.shape) for key, x in iteration.values[stage.name].items()}
        assert kept == {key: field.shape for key, field in stage.fields.items()}
    assert iteration.values["truncate"]["filled"][:, :2].all() and iteration.values["runner.run"]["obs"].any()


def test_it_says_who_copied_and_who_did_not(iteration):
    values = iteration.values
    owners = {name: {str(memory_of(values, name, key)) for key in fields.keys()} for name, fields in values.items()}
    assert owners["runner.run"] == owners["buffer.sample"] == owners["learner.regroup"] == {"its own"}
    assert owners["buffer.insert_episode_batch"] == {"the same tensor as in runner.run"}
    assert owners["truncate"] == {"a view of buffer.sample"}
    assert owners["to_device"] == {"the same tensor as in truncate"}
    before = values["truncate"]["obs"].clone()
    values["buffer.sample"]["obs"][:, 0] += 1  # the proof: a view sees the change
    assert not torch.equal(before, values["truncate"]["obs"])
    values["buffer.sample"]["obs"][:, 0] -= 1


def test_memory_is_told_by_storage_not_by_value():
    x = torch.arange(6.0).reshape(2, 3)
    made = {"a": {"x": x}, "b": {"copy": x.clone(), "view": x.t(), "same": x, "part": x[:, 1:]}}
    values = {name: TensorDict(fields, batch_size=[]) for name, fields in made.items()}
    assert [memory_of(values, "b", key) for key in ("copy", "view", "same", "part")] == [
        Memory(), Memory("a"), Memory("a", whole=True), Memory("a"),
    ]  # fmt: skip


def test_every_stage_of_the_contract_has_its_lines():
    assert set(STAGES) == set(contract(OMGConfig()))
    for name in STAGES:
        source = source_of(name)
        texts = [text for _, text in source.lines]
        assert texts[0] == f'@stage("{name}")' and texts[1].startswith("def ") and '"""' not in "".join(texts)
        numbers = [number for number, _ in source.lines]
        assert numbers == sorted(numbers) and source.file.startswith("omg_lib/") and source.file.endswith(".py")
    assert "return batch[:, : batch.max_t_filled()]" in source_of("truncate").lines[-1][1]
