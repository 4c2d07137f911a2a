"""What a prior is fitted to, and that `pretrain`'s report can be recomputed."""

import pytest
import torch

from omg_lib.config import ConfigError
from omg_lib.envs import make_env
from omg_lib.experiment import pretrain as module
from omg_lib.experiment.pretrain import collect_states, errors, pretrain
from omg_lib.seeds import Stream, torch_generator
from omg_lib.subgoals import SubgoalPrior
from omg_lib.teammates.players import CoPlayers
from tests.helpers.batches import SMALL, echo_pool
from tests.helpers.priors import config, echo, flat, make_prior  # noqa: F401


def widths(prior):
    return prior.encoder[0].in_features, SMALL["subgoal_dim"]


def recomputed(prior, states):
    """Return the mean squared error of the mean's decoding, and the KL to N(0, 1), from torch's own distributions."""
    with torch.no_grad():
        mu, log_var = prior(states)
        wrong = [float((row**2).mean()) for row in prior.decoder(mu) - states]
        one = torch.distributions.Normal(mu.double(), (log_var.double() / 2).exp())
        kl = torch.distributions.kl_divergence(one, torch.distributions.Normal(torch.zeros(()).double(), 1.0)).sum(1)
    return sum(wrong) / len(wrong), float(kl.mean())


@pytest.mark.slow
@pytest.mark.parametrize("env", ["echo", "skirmish:partners"])
def test_pretraining_lowers_the_error_of_states_that_it_never_saw(env):
    settings = config(env=env, n_agents=2)
    heard = []
    prior, report = pretrain(settings, episodes=11, steps=120, progress=lambda *done: heard.append(done))
    seen = collect_states(settings, 11)
    assert len(seen) == 11 and heard == [(i, 120) for i in range(1, 121)]
    held = torch.cat([states for k, states in enumerate(seen) if k % 5 == 0])
    fitted = torch.cat([states for k, states in enumerate(seen) if k % 5 != 0])
    assert (report.held_out_states, report.states) == (len(held), len(fitted))
    for states, recon, kl in (
        (held, report.held_out_recon, report.held_out_kl),
        (fitted, report.recon, report.kl),
    ):
        assert (recon, kl) == pytest.approx(recomputed(prior, states), rel=1e-4)
    unfitted, _ = errors(make_prior(0, widths(prior)), held)
    assert report.held_out_recon < 0.5 * unfitted
    assert not any(weight.requires_grad for weight in prior.parameters())
    text = str(report)
    assert f"{report.held_out_recon:.5f}" in text and f"{report.recon:.5f}" in text and str(len(held)) in text


def test_pretraining_is_a_function_of_the_seed():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, report = pretrain(config(seed=3), episodes=6, steps=5)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again, other = pretrain(config(seed=3), episodes=6, steps=5), pretrain(config(seed=4), episodes=6, steps=5)
    assert torch.equal(flat(first), flat(again[0])) and report == again[1]
    assert not torch.equal(flat(first), flat(other[0])) and report != other[1]


def test_pretraining_needs_an_episode_to_fit_and_one_to_hold_out():
    assert pretrain(config(), episodes=2, steps=1)[1].states > 0
    with pytest.raises(ConfigError, match="^episodes=1: allowed is a whole number of at least 2$"):
        pretrain(config(), episodes=1, steps=1)


def test_only_the_fitted_states_are_fitted(monkeypatch):
    given, fit = [], SubgoalPrior.fit
    monkeypatch.setattr(SubgoalPrior, "fit", lambda self, states, *args, **more: given.append(states))
    pretrain(config(), episodes=6, steps=5)
    seen = collect_states(config(), 6)
    assert torch.equal(given[0], torch.cat(seen[1:5]))
    monkeypatch.setattr(SubgoalPrior, "fit", fit)
    prior, _ = pretrain(config(seed=5), episodes=6, steps=5)
    by_hand = make_prior(torch_generator(5, Stream.PRIOR).initial_seed(), widths(prior))
    states = torch.cat(collect_states(config(seed=5), 6)[1:5])
    by_hand.fit(states, torch_generator(5, Stream.PRIOR, 1), 0.001, 5)
    assert torch.equal(flat(prior), flat(by_hand))


def test_states_are_what_living_units_saw_before_the_end(monkeypatch):
    """Compared with a plain record of every observation and every end."""
    record = []

    def recording_env(*args, **kwargs):
        env = make_env(*args, **kwargs)
        obs, step, reset = env.obs, env.step, env.reset
        env.obs = lambda: record.append(obs()) or record[-1]
        env.reset = lambda **numbers: record.append("reset") or reset(**numbers)

        def recording_step(actions):
            found = step(actions)
            record.append(found[1])
            return found

        env.step = recording_step
        return env

    monkeypatch.setattr(module, "make_env", recording_env)
    monkeypatch.setattr("omg_lib.runner.check_shown", lambda *_: None)  # it looks once more at each first step
    monkeypatch.setattr(module, "WIDTH", 3)
    seen = collect_states(config(env="skirmish:partners"), 7)
    expected, dead = [], 0
    for entry in record:
        if isinstance(entry, str):
            expected += [[], [], []]
            done = [False] * 3
        elif entry.dtype == torch.bool:
            done = [was or bool(now) for was, now in zip(done, entry, strict=True)]
        else:
            for row in (row for row in range(3) if not done[row]):
                for unit in entry[row]:
                    dead += not unit.any()
                    if unit.any():
                        expected[row - 3].append(unit)
    assert len(seen) == 7 and len(expected) == 9 and dead
    for mine, other in zip(seen, expected, strict=False):
        assert torch.equal(mine, torch.stack(other))


@pytest.mark.parametrize(
    ("splits", "names"),
    [
        (None, {"right", "qmix-0", "iql-0", "right but last"}),
        ("test", {"iql-0"}),
        ("validation", {"right but last"}),
    ],
)
def test_states_come_from_the_sets_of_the_training_splits(splits, names, monkeypatch):
    echo_pool(4).save("pool")
    seated, begin = [], CoPlayers.begin

    def listen(self, members):
        seated.append(members.copy())
        begin(self, members)

    monkeypatch.setattr(CoPlayers, "begin", listen)
    settings = config(n_agents=4, teammates="pool", splits=splits)
    collect_states(settings, 20)
    pool = echo_pool(4)
    allowed = {tuple(s.members) for s in pool.sets if s.split == (splits or "train")}
    met = [tuple(pool.members[i].name for i in row) for row in seated[0].tolist()]
    assert {row[1:] for row in met} == allowed
    assert all(row[0] == row[1] for row in met), "the pool plays alone"
    assert {name for row in met for name in row} == names
