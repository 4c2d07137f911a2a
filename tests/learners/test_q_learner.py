import pytest
import torch

from omg_lib.controller import Controller
from omg_lib.episodes import PackedRows
from omg_lib.learners import make_learner
from tests.helpers.batches import (
    CPU,
    DEATHS,
    INFO,
    LENGTHS,
    gradients,
    make_sample,
    make_small_learner,
    small_config,
    spoil_padding,
    spying,
)
from tests.helpers.reference import Reference


@pytest.mark.slow
@pytest.mark.parametrize("td_steps", [1, 3, 5])
@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("teammates", ["none", "scripted"])
def test_train_step_equals_the_slow_reference(double, teammates, td_steps, dueling):
    config = small_config(learner="iql", teammates=teammates, td_steps=td_steps, dueling=dueling)
    learner = make_small_learner(config)
    reference = Reference(learner, config, INFO)
    sample = make_sample(seats=None if teammates == "none" else (2, 0, 0, 1, 2, 1))
    for update in range(2):  # the second one also tests the optimiser's memory
        with spying(learner, "q_values") as seen:
            metrics = learner.train(sample, t_env=100, episode=update)
        expected, _, result = reference.train(sample)
        for name, value in expected.items():
            assert metrics[name] == pytest.approx(value, rel=1e-10), name
        q = seen["q_values"][-1]["q"]
        for (g, a, t), value in result.q.items():
            torch.testing.assert_close(q[g, t, a], value.detach(), rtol=1e-10, atol=1e-10)
        for key, weight in learner.agent.named_parameters():
            torch.testing.assert_close(
                weight.detach(), reference.weights["agent"][key].detach(), rtol=1e-10, atol=1e-10
            )


@pytest.mark.parametrize("clip", [1e6, 0.01])
def test_gradients_equal_the_reference_and_are_clipped(double, clip):
    config = small_config(learner="iql", teammates="scripted", grad_norm_clip=clip)
    learner = make_small_learner(config)
    _, expected, _ = Reference(learner, config, INFO).train(make_sample())
    norm = learner.train(make_sample(), t_env=0, episode=0)["grad_norm"]
    shrink = min(1.0, clip / (norm + 1e-6))
    for (name, key), gradient in gradients(learner).items():
        torch.testing.assert_close(gradient, shrink * expected[name][key], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("learner_name", ["iql", "omg"])
@pytest.mark.parametrize("teammates", ["none", "scripted"])
def test_padding_of_any_content_changes_nothing(learner_name, teammates):
    config = small_config(learner=learner_name, teammates=teammates, td_steps=3)
    sample = make_sample(seats=None if teammates == "none" else (0, 1, 2, 0, 1, 2))
    clean, spoilt = make_small_learner(config), make_small_learner(config)
    assert clean.train(sample, 100, 1) == spoilt.train(spoil_padding(sample), 100, 1)
    others = gradients(spoilt)
    for key, gradient in gradients(clean).items():
        assert torch.equal(gradient, others[key]), key
        assert gradient.isfinite().all()


@pytest.mark.parametrize("learner_name", ["iql", "omg"])
def test_a_sample_that_was_not_truncated_gives_the_same_update(learner_name):
    config = small_config(learner=learner_name, teammates="scripted")
    few = dict(lengths=[3, 1, 2], seats=(0, 1, 2), ended=(0,), deaths={})
    long = make_sample(**few).clone()
    padding = long[:, :1].clone().zero_().repeat(1, 4)
    padding["seat"] = long["seat"][:, :1].repeat(1, 4, 1)
    metrics = make_small_learner(config).train(torch.cat([long, padding], dim=1), 100, 1)
    # noise of another shape differs, so compare only what does not depend on it
    expected = make_small_learner(config).train(long, 100, 1)
    assert set(metrics) == set(expected)
    if learner_name == "iql":
        assert metrics == pytest.approx(expected)


def test_order_of_the_rows_does_not_matter_beyond_the_groups():
    config = small_config(learner="iql", teammates="scripted")
    sample = make_sample()
    shuffled = sample[torch.tensor([5, 0, 4, 3, 1, 2])]
    expected = make_small_learner(config).train(sample, 0, 0)
    assert make_small_learner(config).train(shuffled, 0, 0) == pytest.approx(expected, rel=1e-5)


def test_an_episode_cut_by_the_limit_bootstraps_and_a_finished_one_does_not():
    config = small_config(learner="iql", teammates="none", gamma=0.9)
    learner = make_small_learner(config)
    for weight in learner.target.parameters():
        weight.data.fill_(0.0)
    learner.target.fc2.bias.data.fill_(10.0)  # every future value is worth 10
    one = dict(lengths=[1], seats=None, deaths={})
    losses = {}
    for ended in [(), (0,)]:
        sample = make_sample(ended=ended, **one)
        sample["reward"].zero_()
        with spying(learner, "q_values") as seen:
            losses[ended] = make_loss(learner, sample)
        q = seen["q_values"][-1]["q"][0, 0]
        chosen = q.gather(1, sample["actions"][0, 0])
        target = 0.0 if ended else 9.0
        assert losses[ended] == pytest.approx(float(((chosen - target) ** 2).mean()), rel=1e-5)


def test_td_steps_beyond_every_episode_are_the_whole_episode_at_no_more_work(monkeypatch):
    sample, losses, work = make_sample(), [], []
    following = PackedRows.following
    monkeypatch.setattr(PackedRows, "following", lambda self, x: work.append(1) or following(self, x))
    for td_steps in (sample.batch_size[1] - 1, 20_000):
        work.clear()
        learner = make_small_learner(small_config(learner="iql", td_steps=td_steps))
        losses.append((learner.train(sample, 0, 0), len(work)))
    assert losses[0] == losses[1]


def make_loss(learner, sample):
    """Return the TD loss without a step."""
    steps = learner.read(sample)
    hidden = learner.controller.init_hidden(steps.rows.shape[0])["hidden"]
    q, _ = learner.q_values(steps, hidden)
    return learner.td_loss(steps, q)[0].item()


def test_the_target_network_follows_every_interval_of_episodes():
    config = small_config(learner="iql", teammates="scripted", target_update_interval=3)
    learner = make_small_learner(config)
    sample, copied = make_sample(), []
    for episode in range(1, 8):
        before = learner.target.fc2.bias.clone()
        learner.train(sample, 0, episode)
        copied.append(not torch.equal(before, learner.target.fc2.bias))
        if copied[-1]:
            for mine, other in zip(learner.agent.parameters(), learner.target.parameters(), strict=True):
                assert torch.equal(mine, other)
    assert copied == [False, False, True, False, False, True, False]


def test_the_target_network_has_no_gradient():
    learner = make_small_learner(small_config(learner="iql"))
    learner.train(make_sample(seats=None), 0, 0)
    assert all(weight.grad is None for weight in learner.target.parameters())


def test_training_leaves_the_sample_alone():
    for learner_name in ["iql", "omg"]:
        sample = make_sample()
        before = sample.clone()
        make_small_learner(small_config(learner=learner_name, teammates="scripted")).train(sample, 0, 0)
        assert (sample == before).all()


def test_weights_depend_on_the_seed_alone():
    def weights(seed):
        config = small_config(learner="omg", seed=seed)
        modules = make_learner(config, Controller(config, INFO, CPU), CPU).modules()
        return torch.cat([w.flatten() for m in modules.values() for w in m.parameters()])

    torch.manual_seed(1)
    first, state = weights(3), torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state), "building a learner must not touch torch's own random stream"
    torch.manual_seed(2)
    assert torch.equal(first, weights(3))
    assert not torch.equal(first, weights(4))


def test_made_up_samples_hold_what_the_tests_need():
    sample = make_sample()
    assert sample.max_t_filled() == 1 + max(LENGTHS) and min(LENGTHS) == 1
    assert DEATHS and not all(t == 0 for t in DEATHS.values())
