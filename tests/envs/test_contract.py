"""What every environment promises, checked on all registered ones and on some that represent the rest."""

from contextlib import closing

import numpy as np
import pytest
import torch

import omg_lib as omg
from omg_lib.controller import Controller
from omg_lib.distributed.processes import Processes
from omg_lib.envs import ENVIRONMENTS, env_info, make_env
from omg_lib.episodes import living
from omg_lib.runner import Runner
from tests.helpers.batches import SMALL, short_pretraining
from tests.helpers.toys import toy_registered

SPREAD = "pettingzoo:mpe2.simple_spread_v3"
NAMES = [*ENVIRONMENTS, SPREAD, "pettingzoo:tests.helpers.zoo_toy"]
CASES = {name: {"name": name} for name in NAMES} | {
    "skirmish in torch": {"name": "skirmish", "backend": "torch"},
    "toy in processes": {"name": "toy", "processes": True},
}


class Case:
    """One environment, created in many ways; closed after the test."""

    def __init__(self, name, processes=False, **options):
        self.name, self.processes, self.options, self.made = name, processes, options, []
        self.n = 3

    def make(self, batch=1, n=None, seed=0, device="cpu"):
        sizes = dict(batch=batch, seed=seed, device=device)
        try:
            if self.processes:
                env = Processes(n or self.n, name=self.name, **sizes)
            else:
                env = make_env(self.name, n or self.n, **sizes, **self.options)
        except omg.ConfigError as error:
            if str(error).startswith("env="):  # missing on this machine: a package or a game
                pytest.skip(str(error))
            raise
        self.made.append(env)
        return env

    def started(self, batch=1, first=None, seed=0):
        env = self.make(batch, seed=seed)
        env.reset(first=first)
        return env


@pytest.fixture(params=CASES)
def case(request):
    made = Case(**CASES[request.param])
    with toy_registered():
        yield made
    for env in made.made:
        env.close()
        env.close()


def look(env):
    return {"obs": env.obs(), "state": env.state(), "avail_actions": env.avail_actions()}


def random_actions(env, time):
    """Choose an available action for each seat, a function of (episode, time [R], seat): any row plays it alike."""
    available = env.avail_actions().numpy()
    chances = [np.random.default_rng((int(k), int(t))) for k, t in zip(env.episode, time, strict=True)]
    dice = np.stack([chance.random(available.shape[1:]) for chance in chances])
    return ((dice + 1) * available).argmax(-1)


def stories(env, episodes):
    """Return each episode's history, if a row that is done continues with the next one: {k: [result of each step]}."""
    told, begun, time = {}, [[] for _ in range(env.batch)], np.zeros(env.batch, int)
    while len(told) < episodes:
        seen, playing = look(env), env.episode
        reward, done, info = env.step(random_actions(env, time))
        time += 1
        for row in range(env.batch):
            begun[row].append([value[row].clone() for value in (*seen.values(), reward, done, *info.values())])
        for row in done.nonzero()[:, 0].tolist():
            begun[row].append([value[row].clone() for value in look(env).values()])  # the last observation
            told[int(playing[row])], begun[row], time[row] = begun[row], [], 0
        if done.any():
            env.reset(done)
    return told


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3])
def test_types_and_shapes_are_those_of_the_description(case, batch):
    env = case.started(batch)
    info = env.info
    assert info == env_info(case.name, case.n) and env.batch == batch and env.device == torch.device("cpu")
    shapes = {
        "obs": (torch.float32, (batch, info.n_agents, info.obs_dim)),
        "state": (torch.float32, (batch, info.state_dim)),
        "avail_actions": (torch.bool, (batch, info.n_agents, info.n_actions)),
    }
    alive = (torch.bool, (batch, info.n_agents))
    flags = {"battle_won": (torch.bool, (batch,)), "episode_limit": (torch.bool, (batch,))}
    if info.general_sum:
        flags["rewards"] = (torch.float32, (batch, info.n_agents))
    for time in range(3):
        assert {key: (x.dtype, tuple(x.shape)) for key, x in look(env).items()} == shapes
        assert (env.alive().dtype, tuple(env.alive().shape)) == alive
        reward, done, outcome = env.step(random_actions(env, [time] * batch))
        assert (reward.dtype, tuple(reward.shape)) == (torch.float32, (batch,))
        assert (done.dtype, tuple(done.shape)) == (torch.bool, (batch,))
        assert {key: (x.dtype, tuple(x.shape)) for key, x in outcome.items()} == flags
        if info.general_sum:
            assert torch.equal(reward, outcome["rewards"].sum(1))


@pytest.mark.slow
def test_an_episode_is_the_same_at_any_width_and_after_partial_resets(case):
    alone = stories(case.started(1, seed=11), 8)
    for batch in (2, 4):
        together = stories(case.started(batch, seed=11), 8)
        common = alone.keys() & together.keys()
        assert len(common) >= 4
        for k in common:
            assert same(alone[k], together[k]), (batch, k)


@pytest.mark.slow
def test_an_episode_does_not_depend_on_those_before_it(case):
    told, env = stories(case.started(1), 6), case.make(1)
    for k in (5, 2):
        env.reset(first=k)
        fresh = stories(env, 1)[k]
        assert same(told[k], fresh)


def test_episodes_differ_from_each_other_and_between_seeds(case):
    found = [stories(case.started(seed=seed, first=k), 1)[k] for seed in (0, 1) for k in (0, 1)]
    assert not any(same(found[i], found[j]) for i in range(4) for j in range(i))


def test_masks_ends_and_frozen_rows(case):
    """Living agents always have an action; no agent plays beyond the limit; a finished row stays as it is."""
    env = case.started(3)
    done, time, refused = torch.zeros(3, dtype=torch.bool), 0, False
    while not done.all():
        assert time < env.info.episode_limit
        before, was_done, available = look(env), done, env.avail_actions()
        assert available.any(-1)[~done].all()
        actions = random_actions(env, [time] * 3)
        for seat in (~available[~done][0].all(-1)).nonzero()[:1, 0].tolist():
            wrong = actions.copy()
            row = int((~done).nonzero()[0, 0])
            wrong[row, seat] = int(available[row, seat].int().argmin())
            with pytest.raises(ValueError, match=f"of seat {seat} in row {row}"):
                env.step(wrong)
            refused = True
            assert all(torch.equal(x, before[key]) for key, x in look(env).items()), "nothing has moved"
        actions[done] = 99  # no action is required of them
        reward, done, info = env.step(actions)
        time += 1
        assert (was_done <= done).all() and (done | (time < env.info.episode_limit)).all()
        assert not (info["episode_limit"] & info["battle_won"]).any()
        assert not (info["episode_limit"] & ~done).any() and not reward[was_done].any()
        for key, x in look(env).items():
            assert torch.equal(x[was_done], before[key][was_done])
    assert refused or before["avail_actions"].all(), "no mask was ever tested"
    assert [env.frame(row)["done"] for row in range(3)] == [True] * 3
    env.reset()
    assert env.avail_actions().any(-1).all() and not env.step(random_actions(env, [0] * 3))[1].all()


@pytest.mark.slow
def test_row_n_holds_what_was_seen_last_and_the_batch_knows_who_lived(case):
    """However an episode ends. The same episodes are replayed by hand from the recorded actions."""
    env, ends = case.make(2), set()
    info, config = env.info, omg.OMGConfig(env=case.name, n_agents=case.n, learner="iql", device="cpu")
    runner, by_hand = Runner(config, env, Controller(config, info, env.device)), case.make(1)
    for first in range(0, 8, 2):
        batch = runner.run()
        recorded = living(batch, info)
        for row in range(2):
            by_hand.reset(first=first + row)
            done, n = torch.zeros(1, dtype=torch.bool), 0
            while not done[0]:
                assert torch.equal(recorded[row, n], by_hand.alive()[0])
                _, done, outcome = by_hand.step(batch["actions"][row, n][None, :, 0])
                n += 1
            assert int(batch["filled"][row].sum()) == n + 1
            for key, value in look(by_hand).items():
                assert torch.equal(batch[key][row, n], value[0]), key
            lived = by_hand.alive()[0]
            assert torch.equal(recorded[row, n], lived) and not recorded[row, n + 1 :].any()
            assert (info.deaths == "none") <= bool(lived.all())
            assert info.deaths != "zeros" or torch.equal(lived, (by_hand.obs()[0] != 0).any(dim=-1))
            if "health" in by_hand.frame():
                assert torch.equal(lived, torch.from_numpy(by_hand.frame()["health"][0] > 0))
            if info.name not in ("skirmish", "skirmish:partners") and "smac" not in info.name:
                assert lived.any(), "at least one agent sees the last moment"
            ends.add(bool(outcome["episode_limit"][0]))
    assert ends


def test_numbers_of_episodes_and_what_a_partial_reset_leaves_alone(case):
    env = case.make(4)
    assert env.episode.tolist() == [-1] * 4
    env.reset()
    assert env.episode.tolist() == [0, 1, 2, 3]
    env.step(random_actions(env, [0] * 4))
    before, kept = look(env), env.episode
    env.reset(torch.tensor([False, True, False, True]))
    assert env.episode.tolist() == [0, 4, 2, 5]
    for key, value in look(env).items():
        assert torch.equal(value[[0, 2]], before[key][[0, 2]])
    assert torch.equal(env.state()[1], case.started(first=4).state()[0])
    assert [env.frame(row)["time"] for row in range(4)] == [1, 0, 1, 0]
    assert [env.frame(row)["episode"] for row in range(4)] == [0, 4, 2, 5]
    env.reset(first=100)
    env.reset(np.array([True, False, False, False]))
    assert env.episode.tolist() == [104, 101, 102, 103]
    assert kept.tolist() == [0, 1, 2, 3]


def test_what_was_returned_is_never_written_to_nor_does_writing_to_it_matter(case):
    def outcome(spoil):
        env, kept = case.started(2), []
        for time in range(4):
            actions = random_actions(env, [time] * 2)
            reward, done, info = env.step(actions)
            given_out = [*look(env).values(), reward, done, *info.values()]
            kept.append((given_out, [value.clone() for value in given_out]))
            if spoil:
                for value in given_out:
                    value.fill_(1)
        return kept

    honest = outcome(spoil=False)
    assert all(torch.equal(a, b) for now, then in honest for a, b in zip(now, then, strict=True))
    for (_, then), (_, spoilt) in zip(honest, outcome(spoil=True), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(then, spoilt, strict=True))


def test_bad_calls(case):
    env = case.make(2)
    right = np.zeros((2, 3), int)
    with pytest.raises(RuntimeError, match="reset"):
        env.step(right)
    env.reset()
    with pytest.raises(ValueError, match=r"shape \[3, 2\].*\[2, 3\]"):
        env.step(right.T)
    with pytest.raises(ValueError, match="whole numbers"):
        env.step(torch.zeros(2, 3))
    for action in (-1, env.info.n_actions, 99):
        wrong = random_actions(env, [0, 0])
        wrong[1, 2] = action
        with pytest.raises(ValueError, match=f"action {action} of seat 2 in row 1"):
            env.step(wrong)
    for mask in (np.ones(3, bool), np.ones(2)):
        with pytest.raises(ValueError, match="mask"):
            env.reset(mask)
    for bad in ({"batch": 0}, {"batch": True}, {"seed": -1}, {"seed": 1.0}, {"device": "abacus"}):
        (name,) = bad
        with pytest.raises(omg.ConfigError, match=f"{name}="):
            case.make(**bad)


@pytest.mark.parametrize("n", [0, 1, 200, True, 2.0, "2", None])
def test_sizes_that_it_cannot_play(case, n):
    for refuse in (lambda: env_info(case.name, n), lambda: make_env(case.name, n)):
        with pytest.raises(omg.ConfigError, match="n_agents="):
            refuse()
    with pytest.raises(omg.ConfigError, match="n_agents="):
        omg.OMGConfig(env=case.name, n_agents=n)


def test_scripts_do_what_is_available(case):
    env = case.started(2)
    styles = np.arange(6).reshape(2, 3)
    if not env.info.styles:
        with pytest.raises(NotImplementedError, match="has no scripted styles"):
            env.scripted_actions(styles)
        return
    known = len(env.info.styles)
    assert env.info.teams and all(len(team) == 3 and max(team) < known for team in env.info.teams)
    for _ in range(4):
        actions = env.scripted_actions(styles % known)
        assert (actions.dtype, tuple(actions.shape)) == (torch.int64, (2, 3))
        assert env.avail_actions().gather(2, actions[..., None]).all()
        if env.step(actions)[1].any():
            env.reset()
    for wrong in (np.zeros((1, 3), int), np.full((2, 3), 999), -np.ones((2, 3), int)):
        with pytest.raises(ValueError):
            env.scripted_actions(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("learner", "teammates"), [("iql", "none"), ("omg", "scripted")])
def test_it_trains_as_predicted(name, learner, teammates):
    Case(name).make().close()  # else the test is skipped
    changes = dict(n_agents=3, batch_size=1, updates=2, test_nepisode=2, device="cpu", batch_size_run=3)
    config = omg.OMGConfig(env=name, learner=learner, teammates=teammates, **changes, **SMALL)
    with short_pretraining(), closing(omg.Training(config)) as run:
        reports = list(run)
        assert omg.compare(omg.predict(config), run.trace) == []
    assert [report.update for report in reports] == [1, 2]
    assert all(np.isfinite(value) for value in reports[-1].metrics.values())
    assert ("win_rate" in reports[-1].metrics) == env_info(name, 3).has_winner
