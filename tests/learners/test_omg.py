import pytest
import torch

from omg_lib.learners import omg as omg_module
from omg_lib.regroup import regroup
from tests.helpers.batches import INFO, LENGTHS, gradients, make_sample, make_small_learner, small_config, spying
from tests.helpers.reference import Reference

T_ENV = 20_000  # of 50,000: Eq. 8's epsilon is 0.3, so both subgoals reach the Q network
MIX = 0.3


def check_two_updates(config, sample, info=INFO):
    learner = make_small_learner(config, info)
    reference = Reference(learner, config, info)
    for update in range(2):
        with spying(learner, "draw_noise", "omg_loss", "q_values") as seen:
            metrics = learner.train(sample, T_ENV, episode=update)
        fields, q = seen["omg_loss"][-1], seen["q_values"][-1]["q"]
        expected, expected_gradients, result = reference.train(sample, seen["draw_noise"], MIX)
        for name, value in expected.items():
            assert metrics[name] == pytest.approx(value, rel=1e-10, abs=1e-12), name
        for (g, a, t), value in result.q.items():
            close(q[g, t, a], value.detach())
        for (g, a, t), values in result.values.items():
            close(fields["values"][g, t, a], values)
            close(fields["candidates"][g, t, a], result.windows[g, a, t])
            chosen = int(fields["chosen"][g, t, a])
            close(fields["candidates"][g, t, a, chosen], reference_goal(result, g, a, t, config))
        for (name, key), gradient in gradients(learner).items():
            close(gradient, expected_gradients[name][key])
        for name in ("agent", "inference"):
            for key, weight in learner.modules()[name].named_parameters():
                close(weight.detach(), reference.weights[name][key].detach())
    return result


def reference_goal(result, g, a, t, config):
    pick = torch.argmax if config.subgoal_mode == "optimistic" else torch.argmin
    return result.windows[g, a, t][pick(result.values[g, a, t])]


def close(one, other):
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("horizon", [1, 3, 5, 12])
@pytest.mark.parametrize("mode", ["optimistic", "conservative"])
def test_horizons_and_modes_equal_the_slow_reference(double, horizon, mode):
    config = small_config(horizon=horizon, subgoal_mode=mode, grad_norm_clip=1e6)
    result = check_two_updates(config, make_sample(seats=(2, 0, 0, 1, 2, 1)))
    assert 5 < len(result.kl) < len(result.td)


@pytest.mark.slow
@pytest.mark.parametrize("bootstrap", ["same", "next"])
def test_a_feed_forward_agent_equals_the_slow_reference(double, bootstrap):
    config = small_config(network="mlp", dueling=True, bootstrap_subgoal=bootstrap, grad_norm_clip=1e6)
    check_two_updates(config, make_sample(seats=(2, 0, 0, 1, 2, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("bootstrap", ["same", "next"])
@pytest.mark.parametrize("td_steps", [1, 5])
@pytest.mark.parametrize("dueling", [False, True])
def test_bootstraps_equal_the_slow_reference(double, bootstrap, td_steps, dueling):
    config = small_config(bootstrap_subgoal=bootstrap, td_steps=td_steps, dueling=dueling, grad_norm_clip=1e6)
    check_two_updates(config, make_sample())


@pytest.mark.slow
def test_all_seats_learning_equals_the_slow_reference(double):
    check_two_updates(small_config(teammates="none", grad_norm_clip=1e6), make_sample(seats=None))


def test_clipped_step_equals_the_slow_reference(double):
    config = small_config(grad_norm_clip=0.05)
    learner = make_small_learner(config)
    reference = Reference(learner, config, INFO)
    with spying(learner, "draw_noise") as seen:
        learner.train(make_sample(), T_ENV, 0)
    reference.train(make_sample(), seen["draw_noise"], MIX)
    for name in ("agent", "inference"):
        for key, weight in learner.modules()[name].named_parameters():
            close(weight.detach(), reference.weights[name][key].detach())


def test_no_living_future_at_all_costs_nothing(double):
    sample = make_sample(deaths={(e, a): 1 for e in range(6) for a in range(3)})
    result = check_two_updates(small_config(), sample)
    assert not result.kl and len(result.td) == sum(LENGTHS)


def test_episodes_of_one_step(double):
    sample = make_sample(lengths=[1] * 6, deaths={}, ended=(0, 3))
    result = check_two_updates(small_config(td_steps=5, horizon=3), sample)
    assert len(result.kl) == 6


def test_chunks_of_candidates_do_not_change_the_update(monkeypatch):
    sample = make_sample()
    whole = make_small_learner(small_config()).train(sample, T_ENV, 0)
    monkeypatch.setattr(omg_module, "CHUNK", 4)
    assert make_small_learner(small_config()).train(sample, T_ENV, 0) == pytest.approx(whole, rel=1e-5)


def test_share_of_chosen_subgoals_follows_equation_8():
    learner = make_small_learner(small_config(mix_start=0.5, mix_anneal_time=100))
    assert [learner.mix_at(t) for t in (0, 50, 100, 1000)] == pytest.approx([0.5, 0.25, 0, 0])
    sample = make_sample(lengths=[7] * 300, seats=[0, 1, 2] * 100, ended=(), deaths={})
    for t_env, share in [(0, 0.5), (50, 0.25), (200, 0.0)]:
        with spying(learner, "omg_loss", "draw_noise") as seen:
            learner.train(sample, t_env, 0)
        subgoals, fields = seen["omg_loss"]
        goals = learner.read(regroup(sample)).rows.unpack(subgoals.goal)
        chosen = fields["candidates"].take_along_dim(fields["chosen"][..., None, None], dim=3)[..., 0, :]
        taken = (goals[:, :-1] == chosen).all(-1)
        assert float(taken.float().mean()) == pytest.approx(share, abs=0.04)
        expected = seen["draw_noise"]["eta"][:, :-1] <= learner.mix_at(t_env)
        assert torch.equal(taken, expected)


def test_noise_is_a_function_of_seed_and_update():
    one, other = make_small_learner(small_config()), make_small_learner(small_config())
    sample, draws = make_sample(), []
    for learner in (one, other):
        for _ in range(2):
            with spying(learner, "draw_noise") as seen:
                learner.train(sample, 0, 0)
            draws.append(seen["draw_noise"])
    for name in ("cvae", "eta"):
        assert torch.equal(draws[0][name], draws[2][name]) and torch.equal(draws[1][name], draws[3][name])
        assert not torch.equal(draws[0][name], draws[1][name])
