"""The learner's co-players and their actions: members and their seats, scripts, and policies step by step."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.envs import env_info, make_env
from omg_lib.runner import Runner
from omg_lib.teammates.players import NOBODY, CoPlayers
from omg_lib.teammates.pool import Member, Pool, TeammateSet, pool_of, random_policy
from tests.helpers.batches import CPU, SMALL, Echo, echo_pool, echo_registered, wilful_policy


@pytest.fixture(scope="module", autouse=True)
def echo():
    with echo_registered():
        yield


# --- who sits where ---


@st.composite
def episodes(draw):
    """Return (A, sets of A - 1 members, the set and the learner's seat of each row)."""
    agents = draw(st.integers(2, 5))
    teams = draw(
        st.lists(st.lists(st.integers(0, 4), min_size=agents - 1, max_size=agents - 1), min_size=1, max_size=4)
    )
    rows = st.tuples(st.integers(0, len(teams) - 1), st.integers(0, agents - 1))
    return agents, teams, draw(st.lists(rows, min_size=1, max_size=6))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(episodes())
def test_members_sit_in_turn_after_the_learner(drawn):
    agents, teams, rows = drawn
    info = Echo.describe(agents)
    policies = {f"p{k}": random_policy(0, k, info) for k in range(5)}
    sets = [TeammateSet(str(i), "train", "homologue", tuple(f"p{k}" for k in team)) for i, team in enumerate(teams)]
    pool = Pool("echo", agents, tuple(Member(name, "iql") for name in policies), tuple(sets), policies)
    numbers, seats = (np.array(column) for column in zip(*rows, strict=True))
    found = CoPlayers(pool, info, CPU).seats(numbers, seats)
    assert found.shape == (len(rows), agents)
    for row, (number, seat) in enumerate(rows):
        assert found[row, seat] == NOBODY
        for i, member in enumerate(teams[number]):
            assert found[row, (seat + i + 1) % agents] == member


@pytest.mark.parametrize("n_agents", [2, 3, 4, 5])
def test_each_seat_of_a_run_learns_in_turn_and_its_set_sits_around_it(n_agents):
    config = OMGConfig(env="echo", n_agents=n_agents, batch_size=1, learner="oracle", device="cpu", **SMALL)
    controller = Controller(config, Echo.describe(n_agents), CPU)
    numbers = np.arange(7, 7 + 3 * n_agents)
    controller.begin(numbers, 1.0, test_mode=False)
    pool = controller.coplayers.pool
    for row, k in enumerate(numbers):
        seat = k % n_agents
        assert controller.acting.seat[row] == seat
        team = pool.sets[controller.acting.set_ids[row]].members
        for i, name in enumerate(team):
            assert pool.members[controller.acting.team[row, (seat + 1 + i) % n_agents]].name == name
    assert len(set(controller.acting.set_ids.tolist())) == 2


# --- scripts ---


def random_actions(avail_actions, rng):
    """Return one available action for every seat."""
    return torch.from_numpy((avail_actions.numpy() * rng.random(avail_actions.shape)).argmax(-1))


@pytest.mark.parametrize("env_name", ["skirmish", "skirmish:partners", "echo"])
def test_scripts_do_what_the_environment_says(env_name):
    config = OMGConfig(env=env_name, n_agents=3, batch_size=1, device="cpu")
    info = env_info(env_name, 3)
    coplayers = CoPlayers(pool_of(config, info), info, CPU)
    runs, rng = len(coplayers.sets), np.random.default_rng(0)
    env = make_env(env_name, 3, batch=runs, seed=1)
    env.reset()
    seat = np.arange(runs) % 3
    coplayers.begin(coplayers.seats(np.arange(runs), seat))
    styles = np.zeros((runs, 3), int)
    for row, teammates in enumerate(coplayers.pool.sets):
        for i, name in enumerate(teammates.members):
            styles[row, (seat[row] + 1 + i) % 3] = info.styles.index(name)
    others = torch.from_numpy(np.arange(3)[None] != seat[:, None])
    differ = 0
    for _ in range(12):
        actions = coplayers.act(env, env.obs(), env.avail_actions())
        expected = env.scripted_actions(styles).cpu()
        assert torch.equal(actions[others], expected[others])
        differ += len(expected[others].unique()) > 1
        actions = torch.where(others, actions, random_actions(env.avail_actions(), rng))
        env.step(actions)
    assert differ, "no script ever differed from the others"


# --- policies ---


class SlowPolicy:
    """One seat's policy, straight from its equations, in numpy: linear, ReLU, the gates of a GRU, linear, greedy."""

    def __init__(self, agent, seat, info):
        self.w = {key: x.double().numpy() for key, x in agent.state_dict().items()}
        self.hidden, self.last = np.zeros(agent.rnn.hidden_size), None
        self.seat, self.info = seat, info

    def act(self, obs, available):
        action, seat = np.zeros(self.info.n_actions), np.zeros(self.info.n_agents)
        if self.last is not None:
            action[self.last] = 1
        seat[self.seat] = 1
        w, h = self.w, self.hidden
        x = w["fc1.weight"] @ np.concatenate([obs, action, seat]) + w["fc1.bias"]
        read = np.split(w["rnn.weight_ih_l0"] @ np.maximum(x, 0) + w["rnn.bias_ih_l0"], 3)
        kept = np.split(w["rnn.weight_hh_l0"] @ h + w["rnn.bias_hh_l0"], 3)
        reset, update = (1 / (1 + np.exp(-(read[i] + kept[i]))) for i in (0, 1))
        self.hidden = (1 - update) * np.tanh(read[2] + reset * kept[2]) + update * h
        q = w["fc2.weight"] @ self.hidden + w["fc2.bias"]
        self.last = max(np.flatnonzero(available), key=lambda c: q[c])
        return self.last


def check_against_slow_policies(coplayers, env, set_ids, seat, rng):
    """Play one round; every co-player must act like its script or its slow policy. Return all actions seen."""
    pool, info, runs, agents = coplayers.pool, env.info, env.batch, env.info.n_agents
    env.reset()
    coplayers.begin(coplayers.seats(set_ids, seat))
    slow, styles = {}, np.zeros((runs, agents), int)
    for row in range(runs):
        for i, name in enumerate(pool.sets[set_ids[row]].members):
            place = (seat[row] + 1 + i) % agents
            if name in pool.policies:
                slow[row, place] = SlowPolicy(pool.policies[name], place, info)
            else:
                styles[row, place] = info.styles.index(name)
    seen, done = [], torch.zeros(runs, dtype=torch.bool)
    while not done.all():
        obs, available = env.obs(), env.avail_actions()
        actions = coplayers.act(env, obs, available)
        scripted = env.scripted_actions(styles)
        for row in range(runs):
            for place in range(agents):
                if place == seat[row]:
                    continue
                if (row, place) in slow:
                    expected = slow[row, place].act(obs[row, place].double().numpy(), available[row, place].numpy())
                else:
                    expected = scripted[row, place]
                assert actions[row, place] == expected, (row, place, len(seen))
        own = torch.arange(agents) == torch.from_numpy(seat).unsqueeze(1)
        actions = torch.where(own, random_actions(available, rng), actions)
        seen.append(actions)
        _, done, _ = env.step(actions)
    return torch.stack(seen, dim=1)


@pytest.mark.parametrize("n_agents", [2, 3, 5])
def test_policies_and_scripts_of_one_set_play_as_each_would_alone(n_agents):
    """Every set of the pool (scripts, one policy, both alternating) beside every seat; then again from the start."""
    info, pool = Echo.describe(n_agents), echo_pool(n_agents)
    coplayers, rng = CoPlayers(pool, info, CPU), np.random.default_rng(1)
    set_ids = np.tile(np.arange(len(pool.sets)), n_agents)
    seat = np.repeat(np.arange(n_agents), len(pool.sets))
    env = make_env("echo", n_agents, batch=len(seat), seed=2)
    first = check_against_slow_policies(coplayers, env, set_ids, seat, rng)
    policies = torch.from_numpy(coplayers.seats(set_ids, seat) >= 2)
    for c in range(info.n_actions):
        assert (first[policies.unsqueeze(1).expand_as(first)] == c).any(), "the policies always do the same"
    again = rng.permutation(len(seat))
    check_against_slow_policies(coplayers, env, set_ids[again], seat[again], rng)


def test_policies_start_every_episode_from_nothing():
    """The same battle twice: any memory of the first would show in the second."""
    coplayers = CoPlayers(echo_pool(), Echo.describe(3), CPU)
    set_ids, seat = np.full(6, 1), np.arange(6) % 3
    env = make_env("echo", 3, batch=6)
    played = []
    for _ in range(2):
        env.reset(first=0)
        coplayers.begin(coplayers.seats(set_ids, seat))
        for _ in range(Echo.LIMIT):
            played.append(coplayers.act(env, env.obs(), env.avail_actions()))
            env.step(played[-1])
    for one, other in zip(played[: Echo.LIMIT], played[Echo.LIMIT :], strict=True):
        assert torch.equal(one, other)


def test_policies_keep_to_their_available_actions():
    info = Echo.describe(4)
    policies = {f"likes {c}": wilful_policy(info, c) for c in range(3)}
    members = tuple(Member(name, "iql") for name in policies)
    pool = Pool("echo", 4, members, (TeammateSet("all", "train", "non_homologue", tuple(policies)),), policies)
    coplayers, env = CoPlayers(pool, info, CPU), make_env("echo", 4, batch=5)
    env.reset()
    coplayers.begin(coplayers.seats(np.zeros(5, int), np.zeros(5, int)))
    likes = torch.arange(3)
    for _ in range(Echo.LIMIT):
        available = env.avail_actions()
        actions = coplayers.act(env, env.obs(), available)[:, 1:]
        allowed = available[:, 1:].gather(2, actions.unsqueeze(2))[..., 0]
        liked = available[:, 1:].gather(2, likes.reshape(1, 3, 1).expand(5, 3, 1))[..., 0]
        assert allowed.all() and torch.equal(actions == likes, liked)
        env.step(torch.cat([torch.zeros(5, 1, dtype=torch.int64), actions], dim=1))


# --- a set belongs to its episode ---


@pytest.fixture(scope="module")
def pool_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("pools") / "policies"
    info = env_info("skirmish:partners", 3)
    policies = {f"p{k}": random_policy(7, k, info) for k in range(3)}
    turns = [("p0", "p1"), ("p1", "p2"), ("p2", "p2"), ("p0", "p0")]
    sets = tuple(TeammateSet(f"{a} + {b}", "train", "non_homologue", (a, b)) for a, b in turns)
    Pool("skirmish:partners", 3, tuple(Member(name, "iql") for name in policies), sets, policies).save(path)
    return str(path)


def play(path, width, count, seed=0, **changes):
    settings = dict(n_agents=3, batch_size=1, batch_size_run=width, env="skirmish:partners", device="cpu", seed=seed)
    config = OMGConfig(teammates=path, learner="oracle", epsilon_anneal_time=100, **(settings | SMALL | changes))
    env = make_env("skirmish:partners", 3, batch=width, seed=seed)
    runner = Runner(config, env, Controller(config, env.info, CPU))
    return torch.cat([runner.run() for _ in range(count // width)])


@pytest.mark.slow
def test_episodes_with_a_pool_of_policies_do_not_depend_on_the_width_of_the_runner(pool_path):
    one, wide = (play(pool_path, width, 9) for width in (1, 3))
    for key, x in one.items():
        assert torch.equal(x, wide[key]), key
    assert len(one["team"][:, 0, 0].unique()) > 2
    assert one["seat"][:, 0, 0].tolist() == [0, 1, 2] * 3
    others = torch.arange(3) != one["seat"]
    assert len(one["actions"][..., 0][others & one["filled"]].unique()) > 3, "the policies do many things"


def test_sets_are_drawn_by_seed_and_episode_and_evenly(pool_path):
    def drawn(seed, numbers):
        config = OMGConfig(
            n_agents=3,
            batch_size=1,
            env="skirmish:partners",
            teammates=pool_path,
            learner="iql",
            seed=seed,
            device="cpu",
        )
        controller = Controller(config, env_info("skirmish:partners", 3), CPU)
        return controller.coplayers.draw(seed, np.array(list(numbers))).tolist()

    first = drawn(0, range(400))
    assert drawn(0, reversed(range(400))) == first[::-1]
    assert drawn(1, range(400)) != first
    counts = np.bincount(first, minlength=4)
    assert ((counts - 100.0) ** 2 / 100).sum() < 16.3  # chi2 of 3: p = 0.001
