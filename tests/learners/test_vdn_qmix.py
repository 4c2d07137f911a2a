import pytest
import torch

import omg_lib as omg
from omg_lib.controller import Controller
from omg_lib.episodes import PackedRows
from omg_lib.learners import make_learner, q_learner, vdn_qmix
from omg_lib.runs.folder import RunFolder
from tests.helpers.batches import CPU, INFO, LENGTHS, make_sample, make_small_learner, small_config, spoil_padding
from tests.helpers.reference import Reference, linear

EMBED_DIM = 32


def mix_slowly(w, q, state):
    """Return the team's value of one step: the sum, or QMIX with one multiplication at a time."""
    if not w:
        return sum(q)
    w_1, b_1 = linear(w, "hyper_w_1", state).abs(), linear(w, "hyper_b_1", state)
    w_final = linear(w, "hyper_w_final", state).abs()
    total = linear(w, "V.2", torch.relu(linear(w, "V.0", state)))[0]
    for e in range(EMBED_DIM):
        x = b_1[e] + sum(q[a] * w_1[a * EMBED_DIM + e] for a in range(len(q)))
        total = total + w_final[e] * (x if x > 0 else torch.exp(x) - 1)
    return total


class TeamReference(Reference):
    """VDN and QMIX, as slow and plain as the equations; agent and mixer are one vector of weights."""

    def __init__(self, learner, config, info) -> None:
        super().__init__(learner, config, info)
        for w in self.weights["mixer"].values():
            w.requires_grad_(True)
        self.trained = {(name, key): w for name in ("agent", "mixer") for key, w in self.weights[name].items()}
        self.square = {key: torch.zeros_like(w) for key, w in self.trained.items()}

    def errors(self, sample):
        """Return the TD error of every step of every team."""
        sequences = self.sequences(sample, None)
        for e, n in enumerate(LENGTHS):
            seats = [sequences[e, a] for a in range(self.info.n_agents)]
            h, h_target = ([torch.zeros(self.config.rnn_hidden_dim)] * len(seats) for _ in range(2))
            chosen, bootstraps = [], []
            for t in range(n + 1):
                taken, best = [], []
                for a, s in enumerate(seats):
                    q, h[a] = self.agent_step("agent", s, t, None, h[a])
                    q_target, h_target[a] = self.agent_step("target", s, t, None, h_target[a])
                    best.append(q_target[max(s.avail[t], key=q.tolist().__getitem__)])
                    if t < n:
                        taken.append(q[s.everybody[t][a]])
                if t < n:
                    chosen.append(mix_slowly(self.weights["mixer"], taken, sample["state"][e, t]))
                bootstraps.append(mix_slowly(self.weights["target_mixer"], best, sample["state"][e, t]).item())
            for t in range(n):
                m = min(self.config.td_steps, n - t)
                target = sum(self.config.gamma**k * seats[0].reward[t + k] for k in range(m))
                if not (seats[0].ended and t + m == n):
                    target += self.config.gamma**m * bootstraps[t + m]
                yield chosen[t] - target

    def train(self, sample):
        """Run one update; return loss, gradient norm, gradients before clipping."""
        errors = list(self.errors(sample))
        loss = sum(error**2 for error in errors) / len(errors)
        gradients = dict(zip(self.trained, torch.autograd.grad(loss, list(self.trained.values())), strict=True))
        norm = sum(float((d**2).sum()) for d in gradients.values()) ** 0.5
        with torch.no_grad():
            for key, d in gradients.items():
                self.rmsprop(key, self.trained[key], min(1.0, self.config.grad_norm_clip / (norm + 1e-6)) * d)
        return loss.item(), norm, gradients


def close(one, other):
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vdn", "qmix"])
@pytest.mark.parametrize(("td_steps", "dueling", "clip"), [(1, False, 1e6), (3, False, 0.05), (5, True, 1e6)])
def test_train_step_equals_the_slow_reference(double, name, td_steps, dueling, clip):
    config = small_config(learner=name, td_steps=td_steps, dueling=dueling, grad_norm_clip=clip)
    learner, sample = make_small_learner(config), make_sample(seats=None)
    reference = TeamReference(learner, config, INFO)
    for update in range(2):  # the second one also tests the optimiser's memory
        metrics = learner.train(sample, t_env=100, episode=update)
        loss, norm, gradients = reference.train(sample)
        assert metrics["td_loss"] == metrics["loss"] == pytest.approx(loss, rel=1e-10)
        assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-9)
        shrink = min(1.0, clip / (norm + 1e-6))
        for (module, key), gradient in gradients.items():
            weight = learner.modules()[module].get_parameter(key)
            close(weight.grad, shrink * gradient)
            close(weight.detach(), reference.weights[module][key].detach())
    assert {module for module, _ in gradients} == ({"agent"} if name == "vdn" else {"agent", "mixer"})


@pytest.mark.parametrize("name", ["vdn", "qmix"])
def test_padding_of_any_content_changes_nothing(name):
    config, sample = small_config(learner=name, td_steps=3), make_sample(seats=None)
    clean, spoilt = make_small_learner(config), make_small_learner(config)
    assert clean.train(sample, 100, 1) == spoilt.train(spoil_padding(sample), 100, 1)
    for module in ("agent", "mixer"):
        for mine, other in zip(
            clean.modules()[module].parameters(), spoilt.modules()[module].parameters(), strict=True
        ):
            assert torch.equal(mine.grad, other.grad) and mine.grad.isfinite().all()


def test_seats_of_a_team_lie_side_by_side_with_the_state_of_their_step(monkeypatch):
    for module in (q_learner, vdn_qmix):  # the other form has more rows; both give one loss, as tested above
        monkeypatch.setattr(module, "rows_of", PackedRows)
    sample = make_sample(seats=None)
    episode, t = torch.arange(len(LENGTHS)), torch.arange(max(LENGTHS) + 1)
    sample["state"][..., 0], sample["state"][..., 1] = 1.0 + episode.unsqueeze(1), 1.0 + t
    steps = make_small_learner(small_config(learner="qmix")).read(spoil_padding(sample))
    rows, agents = steps.rows, INFO.n_agents
    assert len(steps.state) == sum(n + 1 for n in LENGTHS)
    state, following = (x.repeat_interleave(agents, dim=0) for x in (steps.state, steps.next_state))
    assert torch.equal(rows.a, torch.arange(agents).repeat(len(steps.state)))
    assert torch.equal(state[:, 0], 1.0 + rows.b) and torch.equal(state[:, 1], 1.0 + rows.t)
    assert torch.equal(following[:, 0], (1.0 + rows.b) * steps.real)
    assert torch.equal(following[:, 1], (2.0 + rows.t) * steps.real)


def test_the_target_mixer_follows_with_the_target_network():
    learner = make_small_learner(small_config(learner="qmix", target_update_interval=3))
    copied = []
    for episode in range(1, 5):
        learner.train(make_sample(seats=None), 0, episode)
        pairs = zip(learner.mixer.parameters(), learner.target_mixer.parameters(), strict=True)
        copied.append(all(torch.equal(mine, other) for mine, other in pairs))
        assert torch.equal(learner.agent.fc2.bias, learner.target.fc2.bias) == copied[-1]
    assert copied == [False, False, True, False]
    assert all(weight.grad is None for weight in learner.target_mixer.parameters())


def test_the_mixers_first_weights_depend_on_the_seed_alone():
    def weights(seed):
        config = small_config(learner="qmix", seed=seed)
        learner = make_learner(config, Controller(config, INFO, CPU), CPU)
        mixer, target = (
            torch.cat([w.flatten() for w in m.parameters()]) for m in (learner.mixer, learner.target_mixer)
        )
        assert torch.equal(mixer, target)
        return mixer

    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = weights(3)
    assert torch.equal(torch.get_rng_state(), state), "building a learner must not touch torch's own random stream"
    torch.manual_seed(2)
    assert torch.equal(first, weights(3))
    assert not torch.equal(first, weights(4))


@pytest.mark.slow
def test_a_resumed_run_has_its_mixer_back(tmp_path):
    config = omg.OMGConfig(
        env="skirmish:partners", n_agents=2, batch_size=2, learner="qmix", updates=4, target_update_interval=3
    )
    folder = RunFolder.create(tmp_path, config)
    with omg.Training(config) as run:
        reports = []
        for report in run:
            reports.append(report)
            if report.update == 2:
                folder.save(run)
    resumed = omg.load(tmp_path)
    assert list(resumed) == reports[2:]
    assert omg.compare(omg.predict(config), resumed.trace) == []
    for name in ("mixer", "target_mixer"):
        for mine, other in zip(
            resumed.learner.modules()[name].parameters(), run.learner.modules()[name].parameters(), strict=True
        ):
            assert torch.equal(mine, other)
