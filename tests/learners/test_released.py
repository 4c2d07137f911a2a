"""`omg_released`: each choice of the released code alone, all and none of them, against plain loops."""

import pytest
import torch

import omg_lib as omg
from omg_lib import registry
from omg_lib.config import ConfigError, own_settings
from omg_lib.episodes import PackedRows
from omg_lib.learners import OMGLearner, register
from omg_lib.learners.released import mixed_actions
from omg_lib.regroup import regroup
from tests.helpers.batches import (
    gradients,
    make_sample,
    make_small_learner,
    small_config,
    spoil_padding,
    spying,
)
from tests.helpers.released import ReleasedReference

T_ENV, MIX = 20_000, 0.3
SWITCHES = tuple(own_settings("omg_released"))
SHUFFLED = (2, 0, 0, 1, 2, 1)


def released(*on, **changes):
    extra = {name: name in on for name in SWITCHES}
    return small_config(learner="omg_released", extra=extra, grad_norm_clip=1e6, **changes)


def close(one, other):
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


INFO = make_small_learner(small_config()).controller.info


def update(config, sample, number=0):
    """Run one update; return its metrics, gradients and subgoals, the reference's, and the noise."""
    learner = make_small_learner(config)
    learner.updates = number
    reference = ReleasedReference(learner, config, INFO)
    with spying(learner, "draw_noise", "omg_loss") as seen:
        metrics = learner.train(sample, T_ENV, 0)
    expected = reference.train(sample, seen["draw_noise"], MIX)
    return (metrics, gradients(learner), seen["omg_loss"][1]), expected, seen["draw_noise"]


@pytest.mark.slow
@pytest.mark.parametrize("on", [(), *[(name,) for name in SWITCHES], SWITCHES], ids=lambda on: "+".join(on)[:40])
def test_each_switch_equals_the_slow_reference_and_changes_the_update(double, on):
    """Numbers 0 to 5 of the updates draw both ways of the KL's switch."""
    sample, ways = make_sample(seats=SHUFFLED), set()
    for number in (0, 1, 2, 3, 4, 5) if "kl_switched" in on else (0,):
        config = released(*on, horizon=3, subgoal_mode="conservative")
        (metrics, found, fields), (expected, wanted, result), noise = update(config, sample, number)
        for name, value in expected.items():
            assert metrics[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
        for (name, key), gradient in found.items():
            close(gradient, wanted[name][key])
        for (g, a, t), values in result.values.items():
            close(fields["values"][g, t, a], values)
            close(fields["candidates"][g, t, a], result.windows[g, a, t])
        plain = update(released(horizon=3, subgoal_mode="conservative"), sample, number)[0]
        told = (noise["switch"] <= MIX).item()
        ways.add(told)
        same = {name: torch.equal(plain[1][name], gradient) for name, gradient in found.items()
                if plain[1][name].shape == gradient.shape}  # fmt: skip
        assert all(same.values()) == (on == () or (on == ("kl_switched",) and not told))
    assert "kl_switched" not in on or ways == {True, False}


@pytest.mark.parametrize("teammates", [None, "none"])
def test_with_every_switch_off_it_is_omg_bit_for_bit(teammates):
    sample = make_sample(seats=None if teammates else SHUFFLED)
    one = make_small_learner(released(teammates=teammates))
    other = make_small_learner(small_config(teammates=teammates, grad_norm_clip=1e6))
    for number in range(2):
        assert one.train(sample, T_ENV, number) == other.train(sample, T_ENV, number)
    for name, module in one.modules().items():
        for key, weight in module.state_dict().items():
            assert torch.equal(weight, other.modules()[name].state_dict()[key]), (name, key)


def test_the_released_code_reads_no_padding_either(double):
    sample = make_sample(seats=SHUFFLED)
    clean = make_small_learner(released(*SWITCHES)).train(sample, T_ENV, 0)
    assert clean == make_small_learner(released(*SWITCHES)).train(spoil_padding(sample), T_ENV, 0)


def test_a_sample_is_left_as_it_was():
    sample = make_sample(seats=SHUFFLED)
    before = sample.clone()
    make_small_learner(released(*SWITCHES)).train(sample, T_ENV, 0)
    assert set(sample.keys()) == set(before.keys()) and all(torch.equal(sample[k], before[k]) for k in before.keys())


def test_the_value_counts_actions_that_cannot_be_taken():
    q, available = torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[True, True, False]])
    values = [make_small_learner(released(*on)).state_value(q, available).item() for on in ((), ("value_of_all",))]
    assert values == [1.5, 4.0]


def test_the_mean_over_padding_shrinks_with_the_longest_episode():
    """An error of 6 in one of 3 steps that count, of 2 groups, 3 seats and 4 transitions: 2.0, or 6 / 24."""
    rows = PackedRows(torch.ones(2, 5, 3, dtype=torch.bool))
    x, scored = torch.full((30,), 5.0), torch.arange(30) < 3
    x[:3] = torch.tensor([6.0, 0.0, 0.0])
    means = [make_small_learner(released(*on)).mean_over(x, scored, rows).item() for on in ((), ("padding_counted",))]
    assert means == [2.0, 0.25]


def test_mixed_actions_are_those_of_the_other_slots_own_episodes():
    batch = regroup(make_sample(seats=SHUFFLED))
    mixed, true = mixed_actions(batch["actions"], batch["filled"]), batch["last_actions"]
    own = torch.arange(3)
    assert torch.equal(mixed[:, :, own, own][batch["filled"][..., 0]], true[:, :, own, own][batch["filled"][..., 0]])
    assert not torch.equal(mixed, true), "co-players' actions differ"
    assert (mixed[:, 0] == -1).all()
    assert all(torch.equal(mixed[:, :, 0], mixed[:, :, slot]) for slot in (1, 2)), "every slot reads the same"


def test_the_feature_can_be_rebuilt_by_shrinking():
    """Fault 7.12: without a detached target an encoder and a decoder of zeros have no error."""
    learner = make_small_learner(released("feature_rebuilt"))
    with torch.no_grad():
        for name, weight in learner.inference.named_parameters():
            if name.startswith(("fc.", "decoder.")):
                weight.zero_()
    assert learner.train(make_sample(), T_ENV, 0)["recon_loss"] == 0.0


def test_its_name_belongs_to_the_library():
    class Mine(OMGLearner):
        pass

    with pytest.raises(ConfigError, match="the library uses this name"):
        register("omg_released", Mine)
    assert "omg_released" in registry.learner_names()
    with pytest.raises(ConfigError, match="allowed is True or False"):
        omg.OMGConfig(learner="omg_released", extra={"kl_switched": "yes"})
