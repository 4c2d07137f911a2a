from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import omg_lib as omg
from omg_lib.config import ConfigError
from omg_lib.envs import env_info
from omg_lib.experiment.evaluate import (
    BATTLES_SEED,
    cross_play,
    evaluate,
    fine_tune,
    interval,
    interval_of,
    play,
    read_rows,
)
from omg_lib.runs.state import tensors_of
from omg_lib.seeds import TEST_EPISODES
from omg_lib.teammates.players import CoPlayers
from omg_lib.teammates.pool import Member, Pool, TeammateSet, pool_of
from tests.helpers.batches import SMALL, echo_registered

TINY = dict(n_agents=2, batch_size=2, env="skirmish:partners", device="cpu", updates=1, test_nepisode=2, **SMALL)


@pytest.fixture(scope="module")
def pool_path(tmp_path_factory):
    """Two scripts to train with, one for the test, and a mixed set."""
    path = tmp_path_factory.mktemp("pools") / "scripts"
    members = tuple(Member(name) for name in ("order 1,0", "order 1,1", "nearest"))
    splits = zip(("order 1,0", "order 1,1", "nearest"), ("train", "train", "test"), strict=True)
    Pool("skirmish:partners", 2, members, tuple(TeammateSet(name, s, "homologue", (name,)) for name, s in splits)).save(
        path
    )
    return str(path)


def trained(**changes):
    run = omg.Training(omg.OMGConfig(**(TINY | changes)))
    for _ in run:
        pass
    return run


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "omg", "naive_om", "liam", "iql_actions", "oracle"])
def test_every_learner_meets_the_sets_that_are_asked_for(learner, pool_path):
    with trained(learner=learner, teammates=pool_path) as run:
        before = {key: x.clone() for key, x in tensors_of(run).items()}
        scores = evaluate(run, ("train", "test"), episodes=6)
        assert [(s.teammates, s.split, s.episodes) for s in scores] == [
            ("order 1,0", "train", 6), ("order 1,1", "train", 6), ("nearest", "test", 6),
        ]  # fmt: skip
        assert evaluate(run, ("test",), episodes=6) == scores[2:], "the same battles every time"
        assert all(torch.equal(x, before[key]) for key, x in tensors_of(run).items())
        assert run.controller.coplayers.sets == run.controller.coplayers.pool.training_ids(run.config)
        with pytest.raises(ConfigError, match=r"splits='validation'.*test, train"):
            evaluate(run, ("validation",))


def test_the_set_that_is_asked_for_is_the_one_that_plays(pool_path, monkeypatch):
    with trained(learner="iql", teammates=pool_path) as run:
        began, begin = [], CoPlayers.begin

        def watched(self, members):
            began.append(members.copy())
            begin(self, members)

        monkeypatch.setattr(CoPlayers, "begin", watched)
        play(run, run.controller.coplayers, 2, 6)
    for members in began:
        assert (members.max(axis=1) == 2).all() and (np.sort(members, axis=1)[:, 0] == -1).all()
    seats = np.concatenate([members.argmin(axis=1) for members in began])
    assert seats.tolist() == [k % 2 for k in range(6)], "the learner's seat rotates"


def test_scores_are_what_was_played(pool_path, monkeypatch):
    """Win rate, return and length equal a count by hand over the runner's own episodes."""
    from omg_lib.experiment import evaluate as module

    seen = []
    run_of = module.Runner.run

    def run_and_keep(self, test_mode=False):
        batch = run_of(self, test_mode)
        seen.append((batch, self.wins.copy()))
        return batch

    with trained(learner="iql", teammates=pool_path) as run:
        monkeypatch.setattr(module.Runner, "run", run_and_keep)
        monkeypatch.setattr(module, "WIDTH", 4)
        score = play(run, run.controller.coplayers, 0, 6)
    rewards = [float(batch["reward"][e].sum()) for batch, _ in seen for e in range(4)][:6]
    lengths = [int(batch["filled"][e].sum()) - 1 for batch, _ in seen for e in range(4)][:6]
    wins = [bool(w) for _, won in seen for w in won][:6]
    assert score.mean_return == pytest.approx(np.mean(rewards), abs=1e-5)
    assert score.length == np.mean(lengths) and score.win_rate == np.mean(wins)


def test_another_pool_may_be_met_but_not_by_the_oracle(pool_path, tmp_path):
    foreign = Pool("skirmish:partners", 2, (Member("kite"),), (TeammateSet("kite", "test", "homologue", ("kite",)),))
    with trained(learner="iql", teammates=pool_path) as run:
        assert [s.teammates for s in evaluate(run, ("test",), 2, foreign)] == ["kite"]
    with trained(learner="oracle", teammates=pool_path) as run, pytest.raises(ConfigError, match="oracle"):
        evaluate(run, ("test",), 2, foreign)
    with trained(learner="vdn") as run, pytest.raises(ConfigError, match="all seats learn"):
        evaluate(run, ("test",), 2)


def test_other_company_is_met_with_the_same_networks_and_the_run_keeps_its_own(pool_path):
    with trained(learner="iql", teammates=pool_path) as run:
        own, agent = run.controller.coplayers, run.controller.agent
        play(run, own, 2, 2)
        assert run.controller.acting.set_ids.tolist() == [2, 2]
        assert run.controller.coplayers is own and own.sets == (0, 1) and run.controller.agent is agent
        run.runner.run()
        assert set(run.controller.acting.set_ids.tolist()) <= {0, 1}


def test_a_run_draws_from_the_sets_that_it_is_given(pool_path):
    drawn = []
    with omg.Training(omg.OMGConfig(**(TINY | dict(learner="iql", teammates=pool_path))), sets=(2,)) as run:
        for _ in range(6):
            run.runner.run()
            drawn += run.controller.acting.set_ids.tolist()
    assert drawn == [2] * len(drawn) != []


@pytest.mark.parametrize(
    ("teammates", "sets", "words"),
    [
        ("pool", (9,), "sets=9: allowed is a whole number from 0"),
        ("pool", (True,), "sets=True: allowed is a whole number from 0"),
        ("none", (0,), "all seats learn; allowed is None"),
    ],
)
def test_sets_that_are_not_there_are_one_sentence(pool_path, teammates, sets, words):
    settings = TINY | dict(learner="iql", teammates=pool_path if teammates == "pool" else teammates)
    with pytest.raises(ConfigError, match=words):
        omg.Training(omg.OMGConfig(**settings), sets=sets)


class Watched(omg.Training):
    """Records the weights that each copy starts with, and every training episode, update and test battle after that."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.told = TOLD
        TOLD.update(runner=self.config.runner, start=None, first=None, sets=[], won=[], samples=[])

    def _one_update(self):
        if self.told["start"] is None:
            self.told.update(start=copied(self), first=self.runner.episode)
        report = super()._one_update()
        self.told["sets"] += self.controller.acting.set_ids.tolist()
        self.told["won"] += [won for _, won in list(self.recent)[-self.config.n_agents :]]
        return report

    def _train(self, sample):
        self.told["samples"].append(len(sample))
        return super()._train(sample)


TOLD = {}


def copied(run):
    return {key: x.clone() for key, x in tensors_of(run).items()}


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["iql", "omg", "liam"])
def test_fine_tuning_learns_with_one_set_and_leaves_the_run_alone(learner, pool_path):
    with trained(learner=learner, teammates=pool_path) as run:
        before, counted = copied(run), (run.runner.episode, run.runner.t_env, run.update)
        on_the_way, after = fine_tune(run, 2, episodes=10, battles=6)
        assert all(torch.equal(x, before[key]) for key, x in tensors_of(run).items())
        assert counted == (run.runner.episode, run.runner.t_env, run.update)
        assert (after.teammates, after.split, after.episodes) == ("nearest", "test", 6) and 0 <= on_the_way <= 1
        assert fine_tune(run, 2, episodes=10, battles=6) == (on_the_way, after)


@pytest.mark.slow
@pytest.mark.parametrize("episodes", [2, 10, 120])
def test_fine_tuning_learns_in_every_episode_that_it_reports_and_plays_no_other(pool_path, monkeypatch, episodes):
    """An update follows each round from the first one on, long before the buffer holds a whole sample; and there are
    more episodes than a run's own mean covers.
    """
    from omg_lib.experiment import evaluate as module

    with trained(learner="iql", teammates=pool_path, batch_size=8) as run:
        monkeypatch.setattr(module, "Training", Watched)
        on_the_way, _ = fine_tune(run, 1, episodes, battles=2)
        assert set(TOLD["sets"]) == {1}
        assert len(TOLD["won"]) == episodes and on_the_way == np.mean(TOLD["won"])
        assert TOLD["samples"] == [min(2 * rounds, 16) for rounds in range(1, episodes // 2 + 1)]
        assert TOLD["first"] == run.runner.episode, "new battles, not those of training again"
        assert all(torch.equal(x, TOLD["start"][key]) for key, x in tensors_of(run).items())


def test_a_run_of_rays_actors_is_tuned_in_this_process_with_the_set_that_was_asked_for(pool_path, monkeypatch):
    """Actors have their own controllers, which would draw from all sets."""
    from omg_lib.experiment import evaluate as module

    with trained(learner="iql", teammates=pool_path) as run:
        expected = fine_tune(run, 2, episodes=4, battles=2)
        run.config = replace(run.config, runner="ray", actors=1)
        monkeypatch.setattr(module, "Training", Watched)
        assert fine_tune(run, 2, episodes=4, battles=2) == expected
        assert TOLD["runner"] == "local" and set(TOLD["sets"]) == {2}


def test_what_cannot_be_tuned_is_refused_before_anything_is_played(pool_path):
    with trained(learner="iql", teammates=pool_path) as run:
        for episodes in (0, 5):
            with pytest.raises(ConfigError, match=f"fine_tune={episodes}"):
                fine_tune(run, 2, episodes)
        with pytest.raises(ConfigError, match="each of the 2 seats learns equally often: allowed is 4 or 6"):
            fine_tune(run, 2, 5)
        with pytest.raises(ConfigError, match="number=3"):
            fine_tune(run, 3, 4)
    with trained(learner="vdn") as run, pytest.raises(ConfigError, match="teammates=None.*all seats learn"):
        fine_tune(run, 0, 4)


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 100))
def test_the_interval_holds_the_mean_and_shrinks_to_it_without_spread(seeds, sets, seed):
    values = np.random.default_rng(seed).random((seeds, sets))
    mean, low, high = interval(values, draws=200)
    assert mean == pytest.approx(values.mean()) and low <= high
    assert values.min() - 1e-12 <= low and high <= values.max() + 1e-12
    same = interval(np.full((seeds, sets), 0.3), draws=50)
    assert same == pytest.approx((0.3, 0.3, 0.3))


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Rates with an effect of the seed and of the set, both redrawn; with small samples a bootstrap is narrow."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        values = 0.5 + 0.1 * rng.normal(size=(8, 1)) + 0.1 * rng.normal(size=(1, 8))
        _, low, high = interval(values, draws=400)
        inside += low <= 0.5 <= high
    assert 0.80 <= inside / 200 <= 0.99


def test_interval_of_rows_needs_the_same_sets_in_every_run():
    rows = [
        {"run": run, "teammates": name, "win_rate": rate, "mean_return": 0.0}
        for run, name, rate in (("a", "x", 0.0), ("a", "y", 1.0), ("b", "x", 0.5), ("b", "y", 0.5))
    ]
    mean, low, high, runs, sets = interval_of(rows)
    assert (mean, runs, sets) == (0.5, 2, 2) and low < 0.5 < high
    with pytest.raises(ConfigError, match="different teammates"):
        interval_of(rows[:3])


def test_sets_of_their_own_are_not_crossed_as_if_all_runs_had_met_them():
    """Four random networks per seed of a run: drawn within their run, and never mistaken for another run's."""
    own = [
        {"run": run, "teammates": f"random-{seed}-{k}", "win_rate": None, "mean_return": value}
        for seed, (run, value) in enumerate((("a", 0.0), ("b", 1.0)))
        for k in range(4)
    ]
    assert interval_of(own) == (0.5, 0.0, 1.0, 2, 4)
    with pytest.raises(ConfigError, match="different teammates"):
        interval_of(own[:-1])
    with pytest.raises(ConfigError, match="different teammates"):
        interval_of([*own, own[0] | {"run": "b"}, own[5] | {"run": "a"}])
    _, low, high = interval(np.array([[0.0, 1.0]] * 6), own_sets=True)
    _, crossed_low, crossed_high = interval(np.array([[0.0, 1.0]] * 6))
    assert crossed_low == 0 and crossed_high == 1 and 0 < low < 0.5 < high < 1


def test_random_networks_of_two_seeds_have_names_of_their_own():
    names = []
    with echo_registered():
        for seed in (0, 1):
            with trained(env="silent echo", learner="iql_actions", seed=seed) as run:
                names += [score.teammates for score in evaluate(run, ("train",), 2)]
    assert len(set(names)) == len(names) == 8


def test_a_game_without_winners_is_scored_by_its_return():
    rows = [{"run": "a", "teammates": "x", "win_rate": None, "mean_return": 3.5}]
    assert interval_of(rows)[0] == 3.5


def test_cross_play_seats_one_guest_in_every_team(pool_path):
    """The diagonal is a team of one member's copies; the rest equals a step-by-step calculation for one pair."""
    pool = Pool.load(pool_path, "skirmish:partners", omg.envs.env_info("skirmish:partners", 2))
    names = ["order 1,0", "nearest"]
    rates = cross_play(pool, names, episodes=8)
    env, won = omg.make_env("skirmish:partners", 2, batch=1, seed=BATTLES_SEED), []
    style = {name: env.info.styles.index(name) for name in names}
    for k in range(8):
        env.reset(first=TEST_EPISODES + k)
        team = np.full((1, 2), style["nearest"])
        team[0, k % 2] = style["order 1,0"]
        done = torch.zeros(1, dtype=torch.bool)
        while not done.all():
            _, done, info = env.step(env.scripted_actions(team))
        won.append(bool(info["battle_won"]))
    assert rates.shape == (2, 2) and rates[0, 1] == np.mean(won)
    assert rates[1, 1] >= rates[0, 1]


def test_cross_play_without_winners_is_the_return():
    """Compared with a step-by-step calculation; the zeros of games without a winner carry no information."""
    pytest.importorskip("mpe2", reason="predator_prey needs the extra envs")
    pool = pool_of(omg.OMGConfig(env="predator_prey", n_agents=3, learner="iql_actions"), env_info("predator_prey", 3))
    names = [member.name for member in pool.members]
    returns = cross_play(pool, names, episodes=3)
    env, total = omg.make_env("predator_prey", 3, batch=3, seed=BATTLES_SEED), 0.0
    env.reset(first=TEST_EPISODES)
    team = np.full((3, 3), env.info.styles.index(names[1]))
    team[range(3), range(3)] = env.info.styles.index(names[0])
    done = torch.zeros(3, dtype=torch.bool)
    while not done.all():
        reward, done, _ = env.step(env.scripted_actions(team))
        total += float(reward.mean())
    assert returns[0, 1] == pytest.approx(total) and np.ptp(returns) > 0


def test_read_rows_gives_numbers_as_numbers(tmp_path):
    (tmp_path / "a.csv").write_text('arm,mean,mode\n"omg, H=1",0.5,\niql,-2,x\n')
    assert read_rows(tmp_path / "a.csv") == [
        {"arm": "omg, H=1", "mean": 0.5, "mode": None}, {"arm": "iql", "mean": -2.0, "mode": "x"},
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="is not a readable table"):
        read_rows(tmp_path / "nothing.csv")
