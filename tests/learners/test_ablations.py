"""The paper's ablations and the controls' inputs, against a plain reading of their descriptions."""

import numpy as np
import pytest
import torch

from omg_lib.acting import ActingInference
from omg_lib.config import ConfigError, OMGConfig
from omg_lib.controller import Controller
from omg_lib.learners import make_learner
from omg_lib.regroup import regroup
from omg_lib.runner import Runner
from tests.helpers.batches import (
    CPU,
    INFO,
    SMALL,
    Echo,
    gradients,
    make_sample,
    make_small_learner,
    small_config,
    spying,
)
from tests.helpers.reference import Reference, Result

T_ENV, MIX = 20_000, 0.3
SHUFFLED = (2, 0, 0, 1, 2, 1)


# --- which candidate becomes g-, what is learnt of it, and what Q reads ---


def rule(config, values, pick):
    """Return k of the chosen candidate s_{t+k}."""
    if config.subgoal_choice == "random":
        return 1 + int(pick * config.horizon)
    if config.subgoal_choice == "value":
        best = max if config.subgoal_mode == "optimistic" else min
        return 1 + values.index(best(values))
    return int(config.subgoal_choice[2:])


def reads_prior(config, eta):
    return {"inferred": False, "prior": True, "mixed": eta <= MIX}[config.q_subgoal]


def check_update(config, sample):
    """Compare one update with loops over every sequence and step, including deaths and ends. Return the counts of k."""
    learner = make_small_learner(config)
    reference = Reference(learner, config, INFO)
    with spying(learner, "read", "draw_noise", "omg_loss") as seen:
        metrics = learner.train(sample, T_ENV, 0)
    (told, fields), noise, rows = seen["omg_loss"], seen["draw_noise"], seen["read"].rows
    goals, chosen, errors, divergences, result = rows.unpack(told.goal), [], [], [], Result()
    for (g, a), s in reference.sequences(sample, noise).items():
        if config.subgoal_model == "supervised":
            s.noise = [torch.zeros(config.subgoal_dim)] * (s.n + 1)
        read = []
        for t, (mu, log_var, goal, reconstructed) in enumerate(reference.infer(s)):
            taken = goal
            if t < s.last_living:
                k = rule(config, fields["values"][g, t, a].tolist(), noise["pick"][g, t, a])
                assert int(fields["chosen"][g, t, a]) == k - 1
                chosen.append(k)
                target_mu, target_log_var = reference.prior(s.obs[min(t + k, s.last_living)])
                close(fields["candidates"][g, t, a, k - 1], target_mu)
                if config.subgoal_model == "supervised":
                    errors.append(((mu - target_mu) ** 2).mean())
                else:
                    one = torch.distributions.Normal(mu, (log_var / 2).exp())
                    other = torch.distributions.Normal(target_mu, (target_log_var / 2).exp())
                    divergences.append(torch.distributions.kl_divergence(one, other).sum())
                    errors.append(((reconstructed - s.obs[t]) ** 2).mean())
                if reads_prior(config, s.eta[t]):
                    taken = target_mu
            read.append(taken.detach())
            close(goals[g, t, a], taken.detach())
        reference.td((g, a), s, read, result)
    td, recon = sum(result.td) / len(result.td), sum(errors) / len(errors)
    kl = sum(divergences) / len(divergences) if divergences else torch.tensor(0.0)
    loss = recon + config.kl_weight * kl
    found = dict(loss=td + loss, td_loss=td, omg_loss=loss, recon_loss=recon, kl_loss=kl)
    for name, value in found.items():
        assert metrics[name] == pytest.approx(float(value.detach()), rel=1e-10, abs=1e-12), name
    for module, total in (("inference", loss), ("agent", td)):
        w = reference.weights[module]
        wanted = torch.autograd.grad(total, list(w.values()), allow_unused=True)
        for key, gradient in zip(w, wanted, strict=True):
            mine = gradients(learner)[module, key]
            close(torch.zeros(()) if mine is None else mine, torch.zeros_like(w[key]) if gradient is None else gradient)
    return chosen


def close(one, other):
    torch.testing.assert_close(one.expand_as(other), other, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["value", "random", "t+1", "t+3", "t+5"])
@pytest.mark.parametrize("model", ["cvae", "supervised"])
def test_each_choice_of_a_subgoal_equals_a_plain_reading(double, choice, model):
    config = small_config(subgoal_choice=choice, subgoal_model=model, grad_norm_clip=1e6)
    chosen = check_update(config, make_sample(seats=SHUFFLED))
    assert len(chosen) > 5 and (len(set(chosen)) > 1) == (choice in ("value", "random"))


@pytest.mark.slow
@pytest.mark.parametrize("q_subgoal", ["inferred", "prior", "mixed"])
@pytest.mark.parametrize("bootstrap", ["same", "next"])
@pytest.mark.parametrize("model", ["cvae", "supervised"])
def test_q_reads_the_subgoal_that_it_is_said_to_read(double, q_subgoal, bootstrap, model):
    config = small_config(
        q_subgoal=q_subgoal, bootstrap_subgoal=bootstrap, subgoal_model=model, td_steps=3, grad_norm_clip=1e6
    )
    check_update(config, make_sample(seats=SHUFFLED))


@pytest.mark.parametrize("choice", ["random", "t+2"])
def test_choices_without_values_where_all_seats_learn_and_at_horizon_2(double, choice):
    config = small_config(subgoal_choice=choice, teammates="none", horizon=2, q_subgoal="prior", grad_norm_clip=1e6)
    check_update(config, make_sample(seats=None))


@pytest.mark.parametrize(("q_subgoal", "shares"), [("inferred", [0, 0]), ("prior", [1, 1]), ("mixed", [0.5, 0])])
def test_the_share_of_chosen_subgoals_is_fixed_in_the_ablations_of_figure_7(q_subgoal, shares):
    learner = make_small_learner(small_config(q_subgoal=q_subgoal))
    assert [learner.mix_at(t) for t in (0, 10**9)] == shares


@pytest.mark.parametrize("horizon", [1, 2, 5, 7])
def test_a_random_choice_is_uniform_whatever_the_values(horizon):
    config = small_config(subgoal_choice="random", horizon=horizon)
    learner = make_small_learner(config)
    sample = make_sample(lengths=[7] * 300, seats=[0, 1, 2] * 100, ended=(), deaths={})
    with spying(learner, "omg_loss") as seen:
        learner.train(sample, T_ENV, 0)
    chosen = seen["omg_loss"][1]["chosen"].flatten()
    counts = torch.bincount(chosen, minlength=horizon).float()
    expected = len(chosen) / horizon
    assert len(counts) == horizon
    limit = {1: 0.1, 2: 10.8, 5: 18.5, 7: 22.5}[horizon]  # chi2 of horizon - 1: p = 0.001
    assert float(((counts - expected) ** 2 / expected).sum()) < limit
    pick = torch.tensor([0.0, 0.5, 1 - 2**-24])
    worst = torch.full((3, horizon), torch.nan)
    assert learner.choose(worst, pick).tolist() == [0, horizon // 2, horizon - 1]


def test_a_random_choice_is_a_function_of_seed_and_update():
    def choices(seed):
        learner, found = make_small_learner(small_config(subgoal_choice="random", seed=seed)), []
        for _ in range(2):
            with spying(learner, "omg_loss") as seen:
                learner.train(make_sample(), T_ENV, 0)
            found.append(seen["omg_loss"][1]["chosen"])
        return found

    (first, second), again = choices(0), choices(0)
    assert torch.equal(first, again[0]) and torch.equal(second, again[1])
    assert not torch.equal(first, second) and not torch.equal(first, choices(1)[0])


# --- supervised: nothing is sampled ---


def test_supervised_learning_draws_no_noise_and_leaves_half_of_the_model_alone(monkeypatch):
    config, metrics = small_config(subgoal_model="supervised", grad_norm_clip=1e6), []
    for scale in (1.0, 100.0):
        learner = make_small_learner(config)
        noise = learner.draw_noise(learner.read(regroup(make_sample())))
        noise["cvae"] *= scale
        monkeypatch.setattr(learner, "draw_noise", lambda steps, noise=noise: noise)
        metrics.append(learner.train(make_sample(), T_ENV, 0))
    assert metrics[0] == metrics[1] and metrics[0]["kl_loss"] == 0
    moved = {
        key.split(".")[0] for (name, key), g in gradients(learner).items() if name == "inference" and g is not None
    }
    assert moved == {"fc", "rnn", "mu"}, "neither the variance nor the decoder"


def playing(batch=9, n_agents=3, **changes):
    """Return a runner of the echo game with weights away from ties."""
    config = OMGConfig(n_agents=n_agents, batch_size=1, device="cpu", **(SMALL | changes))
    env = Echo(n_agents, batch=batch)
    runner = Runner(config, env, Controller(config, env.info, CPU))
    with torch.no_grad():
        for weight in runner.controller.agent.parameters():
            weight.mul_(3.0)
    return runner


@pytest.mark.parametrize("model", ["supervised", "cvae"])
def test_acting_on_a_supervised_guess_takes_the_mean_also_in_training(model, monkeypatch):
    runner = playing(subgoal_model=model, test_subgoal="sample", epsilon_start=0.0, epsilon_finish=0.0)
    agent_input, differ = ActingInference.agent_input, []

    def listen(acting, obs, context, noise):
        told = agent_input(acting, obs, context, noise)
        differ.append(not np.array_equal(told, agent_input(acting, obs, context, None)))
        return told

    monkeypatch.setattr(ActingInference, "agent_input", listen)
    for test_mode in (False, True):
        runner.run(test_mode)
    assert len(differ) > 6 and set(differ) == {model == "cvae"}


# --- acting and learning read the same ---

READERS = [
    (learner, see_actions, teammates)
    for learner in ("iql", "iql_actions", "naive_om", "liam", "oracle", "omg")
    for see_actions in (False, True)
    for teammates in ("none", "scripted")
    if not (learner == "oracle" and teammates == "none") and not (learner == "iql_actions" and see_actions)
]


@pytest.mark.slow
@pytest.mark.parametrize(("learner", "see_actions", "teammates"), READERS)
@pytest.mark.parametrize(("dueling", "network"), [(False, "rnn"), (True, "rnn"), (True, "mlp")])
def test_q_while_playing_is_q_while_learning(learner, see_actions, teammates, dueling, network, monkeypatch):
    runner = playing(learner=learner, see_actions=see_actions, teammates=teammates, dueling=dueling, network=network)
    controller, scores = runner.controller, []
    read = controller._read

    def listen():
        scores.append(read())
        return scores[-1]

    monkeypatch.setattr(controller, "_read", listen)
    batch = runner.run(test_mode=True)
    played = torch.from_numpy(np.stack(scores, axis=1))
    trainer = make_learner(runner.config, controller, CPU)
    grouped = regroup(batch) if teammates == "scripted" else batch
    steps = trainer.read(grouped)
    if learner == "omg":
        goal = trainer.infer(steps, torch.zeros(len(steps.obs), SMALL["subgoal_dim"])).mu
    else:
        goal = trainer.ask_model(batch, grouped, steps, 0).goal
    q = trainer.q_values(steps, controller.init_hidden(steps.rows.shape[0])["hidden"], goal)[1]["q"]
    compared, groups = 0, [0, 0, 0]
    for e in range(9):
        real = int(batch["filled"][e].sum()) - 1
        if teammates == "scripted":
            seat = int(batch["seat"][e, 0, 0])
            slots = [(e, groups[seat], seat)]
            groups[seat] += 1
        else:
            slots = [(3 * e + a, e, a) for a in range(3)]
        for n, g, a in slots:
            torch.testing.assert_close(played[n, :real], q[g, :real, a], rtol=1e-4, atol=1e-5)
            compared += real
    assert compared > 20
    assert played.std() > 0.05


# --- faults that must not return ---


@pytest.mark.parametrize("n_agents", [2, 3, 4, 5])
@pytest.mark.parametrize("learner", ["iql", "omg"])
def test_the_seat_that_learns_is_the_seat_that_the_learner_drove(n_agents, learner):
    """Fault 7.9. The learner prefers action 2 and its co-players the cue: whose action does a slot learn from?"""
    runner = playing(
        3 * n_agents, n_agents, learner=learner, teammates="scripted", epsilon_start=0.0, epsilon_finish=0.0
    )
    with torch.no_grad():
        runner.controller.agent.fc2.weight.zero_()
        runner.controller.agent.fc2.bias.copy_(torch.tensor([0.0, 1.0, 2.0]))
    batch = runner.run()
    trainer = make_learner(runner.config, runner.controller, CPU)
    order = torch.randperm(3 * n_agents, generator=torch.Generator().manual_seed(0))
    steps = trainer.read(regroup(batch[order]))
    free = steps.real & (steps.rows.t % 2 == 0)  # every action is available
    assert set(steps.rows.a[free].tolist()) == set(range(n_agents))
    assert (steps.actions[free] == 2).all()
    following = steps.rows.following(steps.last)[free]
    others = steps.identity[free] == 0
    assert (following[~others] == 2).all() and (following[others] != 2).any()


def test_what_is_inferred_stands_at_every_step_and_not_at_one():
    """Faults 7.7 and 7.8."""
    learner = make_small_learner(small_config())
    with spying(learner, "read", "omg_loss") as seen:
        learner.train(make_sample(), T_ENV, 0)
    rows, fields = seen["read"].rows, seen["omg_loss"][1]
    played = rows.unpack(torch.ones_like(rows.t))[:, :-1] == 1
    for key in ("infer_mu", "infer_log_var"):
        assert torch.equal((fields[key] != 0).all(-1), played), key


# --- the fields of the configuration ---


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        *[
            ("subgoal_choice", value, "value, random and t+1 to t+5")
            for value in ("", "best", "Random", "t", "t+", "t+0", "t+6", "t-1", "t+1.5", "t+01", "t+ 1", "t+¹", "1")
        ],
        *[("subgoal_choice", value, "allowed is text") for value in (None, 1, True)],
        *[("subgoal_model", value, "cvae, supervised") for value in ("", "CVAE", "mlp")],
        *[("subgoal_model", value, "allowed is text") for value in (None, False)],
        *[("q_subgoal", value, "mixed, inferred, prior") for value in ("", "both", "Mixed")],
        *[("q_subgoal", value, "allowed is text") for value in (None, 0.5)],
        *[("see_actions", value, "True or False") for value in (None, 0, 1, "True", "", np.True_)],
        *[("optimiser", value, "rmsprop, adam") for value in ("", "Adam", "sgd")],
        *[("splits", value, "train, validation, test") for value in ("", "all", "train+", "+", "train,test", "Test")],
        *[("splits", value, "allowed is text") for value in (True, 1, ["train"])],
        *[("prior", value, "a prior's file") for value in (".", "no/such/file", "")],
        *[("prior", value, "allowed is text") for value in (1, True)],
    ],
)
def test_bad_values_are_refused_in_one_sentence(name, value, allowed):
    with pytest.raises(ConfigError) as error:
        OMGConfig(**{name: value})
    text = str(error.value)
    assert text.startswith(f"{name}={value!r}: ") and allowed in text
    assert "\n" not in text and len(text) < 300


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(learner="vdn", teammates="scripted"), "vdn trains all seats together: allowed is none"),
        (dict(learner="qmix", teammates="scripted"), "qmix trains all seats together: allowed is none"),
        (dict(learner="oracle", teammates="none"), "the oracle observes its teammates"),
        (dict(horizon=2, subgoal_choice="t+3"), "t+1 to t+2 (horizon=2)"),
        (dict(horizon=2**62, subgoal_choice="t+9" + "9" * 5000), "t+1 to t+4611686018427387904"),
        (dict(splits="train"), "only a pool has them; with teammates=None allowed is None"),
        (dict(teammates="scripted", splits="test"), "only a pool has them; with teammates=scripted allowed is None"),
    ],
)
def test_values_that_do_not_go_together_are_refused_in_one_sentence(changes, words):
    with pytest.raises(ConfigError) as error:
        OMGConfig(**changes)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_every_step_within_the_horizon_may_be_chosen():
    for k in range(1, 13):
        assert OMGConfig(horizon=12, subgoal_choice=f"t+{k}").subgoal_choice == f"t+{k}"
