"""Opponent models: their inputs and outputs, and that they learn only from their own loss."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils import clip_grad_norm_

import omg_lib as omg
from omg_lib.config import JOINT_LEARNERS, LEARNERS, OMGConfig
from omg_lib.controller import Controller
from omg_lib.episodes import truncate
from omg_lib.networks import one_hot, others_actions, own_action
from omg_lib.opponents import Seen, make_baseline
from omg_lib.regroup import regroup
from omg_lib.teammates.pool import Member, Pool, TeammateSet
from tests.helpers.batches import (
    CPU,
    INFO,
    SMALL,
    Echo,
    echo_registered,
    make_sample,
    make_small_learner,
    short_pretraining,
    small_config,
    spoil_padding,
    wilful_policy,
)

T_ENV = 20_000
MODELS = ("naive_om", "liam", "omg")
SHUFFLED = (2, 0, 0, 1, 2, 1)


def seen_steps(rows=7, seed=0):
    """Return artificial steps of INFO's sizes; the first one is at t = 0."""
    generator = torch.Generator().manual_seed(seed)
    obs, previous = (torch.randn(rows, INFO.obs_dim, generator=generator) for _ in range(2))
    last = torch.randint(INFO.n_actions, (rows, INFO.n_agents), generator=generator)
    last[0] = -1
    identity = one_hot(torch.arange(rows) % INFO.n_agents, INFO.n_agents)
    return Seen(obs, previous, last, identity, torch.arange(rows) % 5)


# --- shapes and widths ---


@pytest.mark.parametrize(
    ("learner", "width"),
    [
        ("iql", None),
        ("iql_actions", None),
        ("oracle", 2),
        ("naive_om", INFO.n_agents * INFO.n_actions),
        ("liam", SMALL["subgoal_dim"]),
        ("omg", SMALL["subgoal_dim"]),
    ],
)
@pytest.mark.parametrize("see_actions", [False, True])
def test_the_agent_reads_as_much_as_its_model_tells(learner, width, see_actions):
    info = Echo.describe(3) if learner == "oracle" else INFO
    controller = Controller(small_config(learner=learner, see_actions=see_actions), info, CPU)
    blocks = info.n_agents * info.n_actions if see_actions or learner == "iql_actions" else 0
    assert controller.widths == [info.obs_dim, info.n_actions, info.n_agents, blocks]
    assert (controller.model is None) == (width is None)
    assert controller.agent.fc1.in_features == sum(controller.widths) + (width or 0)
    if width is not None:
        assert controller.model.width == controller.agent.subgoal_dim == width


@pytest.mark.parametrize("learner", [*MODELS, "oracle"])
def test_what_is_told_and_remembered_has_its_shape(learner):
    model = Controller(small_config(learner="omg"), INFO, CPU).model
    if learner != "omg":
        model = make_baseline(small_config(learner=learner), INFO, n_sets=5)
    seen, context = seen_steps(), torch.zeros(7, model.context_dim)
    assert model.context_dim == (0 if learner == "oracle" else SMALL["context_dim"])
    after = model.step(seen, context)
    assert after.shape == (7, model.context_dim)
    assert model.agent_input(seen, after).shape == (7, model.width)
    steps = make_small_learner(small_config(learner="iql", teammates="scripted")).read(regroup(make_sample()))
    assert model.unroll(steps.seen, steps.rows).shape == (len(steps.obs), model.context_dim)


def test_the_oracle_is_told_its_team_and_nothing_else():
    model, seen = make_baseline(small_config(learner="oracle"), INFO, n_sets=5), seen_steps()
    told = model.agent_input(seen, torch.zeros(7, 0))
    assert told.tolist() == [[float(i % 5 == k) for k in range(5)] for i in range(7)]
    blind = seen._replace(obs=seen.obs * 2, last=seen.last * 0, previous_obs=seen.obs)
    assert torch.equal(model.agent_input(blind, torch.zeros(7, 0)), told)
    assert not list(model.parameters())


def test_trunks_of_all_models_have_the_same_size_up_to_what_they_read():
    info = Echo.describe(8)
    models = {name: Controller(OMGConfig(learner=name, device="cpu"), info, CPU).model for name in MODELS}
    for name, model in models.items():
        assert (model.fc.in_features, model.fc.out_features) == (info.obs_dim, 32), name
        assert (model.rnn.hidden_size, model.rnn.num_layers, model.context_dim) == (96, 1, 96), name
        assert model.trunk_dim == 128, name
    own = info.obs_dim + info.n_actions
    assert models["naive_om"].rnn.input_size == models["liam"].rnn.input_size == own
    assert models["omg"].rnn.input_size == own + info.n_agents * info.n_actions
    assert models["naive_om"].head.in_features == models["liam"].head.in_features == models["omg"].mu.in_features == 128


# --- actions as inputs ---


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(2, 4), st.data())
def test_the_own_block_of_others_actions_is_zero_and_the_others_are_one_hot(agents, actions, data):
    rows = data.draw(st.lists(st.tuples(st.integers(0, agents - 1), st.booleans()), min_size=1, max_size=5))
    played = st.lists(st.integers(0, actions - 1), min_size=agents, max_size=agents)
    last = [data.draw(played) if began else [-1] * agents for _, began in rows]
    identity = one_hot(torch.tensor([seat for seat, _ in rows]), agents)
    others, own = (f(torch.tensor(last), identity, actions) for f in (others_actions, own_action))
    for row, (seat, _) in enumerate(rows):
        for j in range(agents):
            expected = [float(last[row][j] == c and j != seat) for c in range(actions)]
            assert others[row, j * actions : (j + 1) * actions].tolist() == expected
        assert own[row].tolist() == [float(last[row][seat] == c) for c in range(actions)]


def test_predicted_actions_are_probabilities_of_the_co_players():
    torch.manual_seed(0)
    model, seen = make_baseline(small_config(learner="naive_om"), INFO, 0), seen_steps()
    context = torch.randn(7, model.context_dim)
    told = model.agent_input(seen, context).unflatten(1, (INFO.n_agents, INFO.n_actions))
    logits = model.head(torch.cat([torch.relu(model.fc(seen.obs)), context], dim=1)).unflatten(1, told.shape[1:])
    for row in range(7):
        for j in range(INFO.n_agents):
            if seen.identity[row, j]:
                assert not told[row, j].any()
            else:
                torch.testing.assert_close(told[row, j], logits[row, j].exp() / logits[row, j].exp().sum())
                assert float(told[row, j].detach().sum()) == pytest.approx(1, abs=1e-6) and (told[row, j] > 0).all()


# --- losses ---


def slow_loss(model, name, sample):
    """One episode, seat, step, co-player and number at a time, from the sample as it was played."""
    agents, width, actions = INFO.n_agents, INFO.obs_dim, INFO.n_actions
    errors_seen, errors_done = [], []
    for e in range(len(sample)):
        seats = [int(sample["seat"][e, 0, 0])] if "seat" in sample.keys() else range(agents)
        n = int(sample["filled"][e].sum()) - 1
        for a in seats:
            conditions = []
            for t in range(n + 1):
                own = torch.zeros(actions)
                if t:
                    own[sample["actions"][e, t - 1, a, 0]] = 1
                conditions.append(torch.cat([sample["obs"][e, t, a], own]))
            memory = model.rnn(torch.stack(conditions).unsqueeze(1))[0][:, 0]
            for t in range(n):
                head = model.head(torch.cat([torch.relu(model.fc(sample["obs"][e, t, a])), memory[t]]))
                decoded = torch.relu(model.decoder[0](head)) if name == "liam" else None
                for j in (j for j in range(agents) if j != a):
                    logits = head if decoded is None else model.done_by_others(decoded)
                    scores = logits[j * actions : (j + 1) * actions]
                    errors_done.append(scores.exp().sum().log() - scores[sample["actions"][e, t, j, 0]])
                    if decoded is not None:
                        guess = model.seen_by_others(decoded)[j * width : (j + 1) * width]
                        errors_seen.append(
                            sum((guess[i] - sample["obs"][e, t, j, i]) ** 2 for i in range(width)) / width
                        )
    loss = sum(errors_done) / len(errors_done)
    return loss + sum(errors_seen) / len(errors_seen) if errors_seen else loss


@pytest.mark.parametrize("name", ["naive_om", "liam"])
@pytest.mark.parametrize("teammates", ["none", "scripted"])
def test_losses_equal_a_slow_reference_and_so_do_their_gradients(double, name, teammates):
    config = small_config(learner=name, teammates=teammates, grad_norm_clip=1e6)
    learner = make_small_learner(config)
    sample = make_sample(seats=None if teammates == "none" else SHUFFLED)
    model = learner.model
    expected = slow_loss(model, name, sample)
    gradient = torch.autograd.grad(expected, list(model.parameters()))
    metrics = learner.train(sample, T_ENV, 0)
    assert metrics["model_loss"] == pytest.approx(float(expected.detach()), rel=1e-12)
    assert metrics["loss"] == pytest.approx(metrics["td_loss"] + metrics["model_loss"], rel=1e-12)
    for (key, weight), wanted in zip(model.named_parameters(), gradient, strict=True):
        torch.testing.assert_close(weight.grad, wanted, rtol=1e-9, atol=1e-12, msg=key)
        assert wanted.any(), key


@pytest.mark.parametrize("name", ["naive_om", "liam", "iql_actions"])
@pytest.mark.parametrize("teammates", ["none", "scripted"])
def test_padding_of_any_content_changes_nothing(name, teammates):
    config = small_config(learner=name, teammates=teammates, td_steps=3)
    sample = make_sample(seats=None if teammates == "none" else SHUFFLED)
    clean, spoilt = make_small_learner(config), make_small_learner(config)
    assert clean.train(sample, T_ENV, 1) == spoilt.train(spoil_padding(sample), T_ENV, 1)
    for key, module in clean.modules().items():
        for mine, other in zip(module.parameters(), spoilt.modules()[key].parameters(), strict=True):
            assert torch.equal(mine, other) and mine.isfinite().all()


@pytest.mark.parametrize("name", ["naive_om", "liam"])
def test_only_co_players_in_real_transitions_are_predicted(name):
    """The seat's own action, and everything after an episode's last transition, may be anything."""
    model = make_small_learner(small_config(learner=name)).model
    seen, real = seen_steps(), torch.arange(7) % 4 != 1
    context, obs = torch.randn(7, model.context_dim), torch.randn(7, INFO.n_agents, INFO.obs_dim)
    actions = torch.randint(INFO.n_actions, (7, INFO.n_agents))
    ignored = (seen.identity == 1) | ~real.unsqueeze(1)
    worst = torch.where(ignored.unsqueeze(2), torch.nan, obs), torch.where(ignored, -1, actions)
    loss = model.loss(seen, context, obs, actions, real)
    assert torch.equal(model.loss(seen, context, *worst, real), loss) and loss.isfinite()
    for row, j in (~ignored).nonzero().tolist():
        other = actions.clone()
        other[row, j] = (other[row, j] + 1) % INFO.n_actions
        assert not torch.equal(model.loss(seen, context, obs, other, real), loss)
        moved = obs.clone()
        moved[row, j, 0] += 1
        assert torch.equal(model.loss(seen, context, moved, actions, real), loss) == (name == "naive_om")


# --- who is trained by what ---


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("teammates", ["none", "scripted"])
def test_a_model_is_moved_by_its_own_loss_and_its_own_adam_alone(name, teammates):
    config = small_config(learner=name, teammates=teammates, grad_norm_clip=0.05, omg_lr=0.003)
    sample = make_sample(seats=None if teammates == "none" else SHUFFLED)
    learner, twin = make_small_learner(config), make_small_learner(config)
    learner.train(sample, T_ENV, 0)
    batch = regroup(sample) if teammates == "scripted" else sample
    told = twin.ask_model(sample, batch, twin.read(batch), T_ENV)
    model = twin.controller.model
    told.loss.backward()
    assert all(weight.grad is None for weight in twin.agent.parameters()), "the model's loss stays with the model"
    assert float(clip_grad_norm_(model.parameters(), 0.05)) > 0.05, "clipping is part of this test"
    torch.optim.Adam(model.parameters(), 0.003).step()
    for (key, weight), other in zip(model.named_parameters(), learner.controller.model.parameters(), strict=True):
        assert torch.equal(weight, other), key


@pytest.mark.parametrize("name", [*MODELS, "oracle"])
def test_td_gradients_reach_the_agent_and_no_model(name):
    info = Echo.describe(3)
    config = small_config(learner=name, grad_norm_clip=1e6)
    sample = make_sample(seats=SHUFFLED, info=info)
    if name == "oracle":
        sample["team"] = sample["seat"] % 2
    learner, twin = make_small_learner(config, info), make_small_learner(config, info)
    batch = regroup(sample)
    steps = twin.read(batch)
    told = twin.ask_model(sample, batch, steps, T_ENV)
    assert told.goal.shape == (len(steps.obs), twin.controller.model.width) and not told.goal.requires_grad
    online, _ = twin.q_values(steps, twin.controller.init_hidden(2)["hidden"], told.goal)
    twin.td_loss(steps, online, told.goal)[0].backward()
    assert all(weight.grad is None for weight in twin.controller.model.parameters())
    learner.train(sample, T_ENV, 0)
    for (key, weight), other in zip(twin.agent.named_parameters(), learner.agent.parameters(), strict=True):
        assert torch.equal(weight.grad, other.grad) and weight.grad.any(), key
    assert twin.agent.fc1.weight.grad[:, twin.agent.input_dim :].any(), "the agent learns to read its input"


@pytest.mark.parametrize("name", [name for name in LEARNERS if name not in JOINT_LEARNERS])
def test_every_weight_that_learns_has_one_optimiser(name):
    learner = make_small_learner(small_config(learner=name), Echo.describe(3))
    holders = {
        key: {id(w) for group in optimiser.param_groups for w in group["params"]}
        for key, optimiser in learner.optimisers().items()
    }
    assert holders["agent"] == {id(weight) for weight in learner.agent.parameters()}
    if name in MODELS:
        (other,) = set(holders) - {"agent"}
        assert holders[other] == {id(weight) for weight in learner.controller.model.parameters()}
        assert type(learner.optimisers()[other]) is torch.optim.Adam
        assert {id(m) for m in learner.modules().values()} >= {id(learner.agent), id(learner.controller.model)}
    else:
        assert set(holders) == {"agent"}


# --- the oracle, and whole runs ---


@pytest.fixture(scope="module", autouse=True)
def echo():
    with echo_registered(), short_pretraining():
        yield


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 3])
def test_the_oracle_is_told_who_really_played(tmp_path, width):
    """Each policy has its own action, so the co-players' actions reveal which of the nine sets it was."""
    info = Echo.describe(3)
    policies = {f"p{k}": wilful_policy(info, k) for k in range(3)}
    pairs = [(i, j) for i in range(3) for j in range(3)]
    sets = [TeammateSet(f"{i}{j}", ("test", "train")[i % 2], "non_homologue", (f"p{i}", f"p{j}")) for i, j in pairs]
    Pool("echo", 3, tuple(Member(name, "iql") for name in policies), tuple(sets), policies).save(tmp_path)
    config = OMGConfig(
        env="echo", n_agents=3, batch_size=12, learner="oracle", teammates=str(tmp_path), updates=1, device="cpu",
        test_nepisode=1, batch_size_run=width, **SMALL,
    )  # fmt: skip
    with omg.Training(config) as run:
        list(run)
        assert omg.compare(omg.predict(config), run.trace) == []
        learner, sample = run.learner, truncate(run.buffer.sample(36))
        order = torch.randperm(36, generator=torch.Generator().manual_seed(0))
        teams, checked = set(), 0
        for shuffled in (sample, sample[order]):
            batch = regroup(shuffled)
            steps = learner.read(batch)
            told = steps.rows.unpack(learner.ask_model(shuffled, batch, steps, 0).goal)
            for g in range(12):
                for a in range(3):
                    team = batch["team"][g, :, a, 0]
                    filled = int(batch["filled"][g, :, a].sum())
                    number = int(team[0])
                    teams.add(number)
                    assert (team[:filled] == number).all()
                    assert (told[g, :filled, a] == one_hot(torch.tensor(number), 9)).all()
                    for t in range(1, filled, 2):  # whatever was available one step before
                        after = [int(batch["last_actions"][g, t, a, (a + i) % 3]) for i in (1, 2)]
                        assert tuple(after) == pairs[number], (g, t, a)
                        checked += 1
    assert len(teams) == 9 and checked > 100


CASES = [
    (learner, teammates)
    for learner in LEARNERS
    for teammates in ("none", "scripted")
    if not (learner in JOINT_LEARNERS and teammates == "scripted" or learner == "oracle" and teammates == "none")
]


@pytest.mark.parametrize(("learner", "teammates"), CASES)
def test_every_learner_trains_as_it_was_predicted(learner, teammates):
    config = OMGConfig(
        env="echo", n_agents=3, batch_size=2, learner=learner, teammates=teammates, updates=2, device="cpu",
        test_nepisode=2, **SMALL,
    )  # fmt: skip
    plan = omg.predict(config)
    assert ("team" in plan["runner.run"].fields) == (learner == "oracle")
    with omg.Training(config) as run:
        before = [weight.clone() for weight in run.learner.agent.parameters()]
        for report in run:
            assert omg.compare(plan, run.trace) == []
            assert {"loss", "td_loss"} <= report.metrics.keys()
            assert ("model_loss" in report.metrics) == (learner in ("naive_om", "liam"))
        changed = [not torch.equal(w, old) for w, old in zip(run.learner.agent.parameters(), before, strict=True)]
    assert all(changed)
