"""Faults that `follow` was not developed on, in learners of another style: einsum, a memory, returns."""

import pytest

from omg_lib.lessons.strangers import STRANGERS, followed
from tests.helpers.provenance.peers import planted

HELD_OUT = [
    ("memory", 'act = batch["actions"][each, :, own]', 'act = batch["actions"][each, :, own.roll(1)]', "seat teammate"),
    ("memory", "q = net(obs)", "q = net(obs.transpose(0, 1)).transpose(0, 1)", "time episode"),
    ("memory", "ahead = q[:, 1:].amax(-1).detach()", "ahead = q[:, 1:].amax(-1).detach().flip(0)", "episode"),
    ("memory", "ahead = q[:, 1:].amax(-1)", "ahead = q[:, 1:].cummax(1)[0].amax(-1)", "time"),
    ("memory", '["filled"][:, 1:, 0].float()', '["filled"][:, :-1, 0].float()', "padding"),
    ("team", "return ((value - target) ** 2 * real).sum()", "return ((value - target) ** 2).sum()", "padding"),
    ("team", '"etah,ch->etac", net.read(batch["obs"])',
     '"teah,ch->etac", net.read(batch["obs"].reshape(8, 6, 4, 5))', "time episode"),
    ("team", 'torch.einsum("eta->et", chosen)[:, :-1]', 'torch.einsum("eta,ef->ft", chosen, torch.ones(6, 6))[:, :-1]',
     "episode"),
    ("team", 'alive = 1 - batch["terminated"][:, :-1, 0].float()', 'alive = 1 - batch["terminated"][:, 1:, 0].float()',
     "time"),
    ("team", 'torch.gather(q, 3, batch["actions"])', 'torch.gather(q, 3, batch["actions"].roll(1, 2))', "seat"),
    ("actor", 'log_pi.gather(-1, batch["actions"])', 'log_pi.gather(-1, batch["actions"].roll(-1, 1))', "time"),
    ("actor", "advantage = torch.stack(gains, dim=1) - value[:, :-1]",
     "advantage = torch.stack(gains[::-1], dim=1) - value[:, :-1]", "time"),
    ("actor", "advantage = torch.stack(gains, dim=1) - value[:, :-1]",
     "advantage = torch.stack(gains, dim=1) - value[torch.randperm(len(value)), :-1]", "episode"),
    ("actor", "(advantage**2 * real)", "(advantage**2 * real.flip(0))", "episode padding"),
]  # fmt: skip
"""Whose, what, what instead, the verdicts that name it."""


def repaired(key):
    stranger = STRANGERS[key]
    return planted(stranger.module.update, stranger.wrong, stranger.right)[0]


@pytest.mark.slow
def test_held_out_faults_are_named():
    results = []
    for key, old, new, kinds in HELD_OUT:
        function, (file, line) = planted(STRANGERS[key].module.update, old, new)
        function, (file, _) = planted(function, STRANGERS[key].wrong, STRANGERS[key].right)
        verdict = followed(key, update=function).verdict
        named = verdict is not None and verdict.kind in kinds.split()
        near = named and any(name == file and abs(number - line) <= 1 for name, number in verdict.lines)
        result = "clean" if verdict is None else "named" if near else "elsewhere" if named else verdict.kind
        results.append(result)
        print(f"  {result:10} {key:7} {new}")
    assert "clean" not in results
    assert results.count("named") == len(HELD_OUT), results


@pytest.mark.parametrize("key", STRANGERS)
def test_without_a_fault_they_are_clean(key):
    assert followed(key, update=repaired(key)).verdict is None
