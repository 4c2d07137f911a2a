"""The real smacv2 and pysc2 code, run against a protocol double instead of the game.

This proves types, shapes, the order of calls, seeds, restarts and errors. It proves nothing about StarCraft II itself:
how units fight in the double is our guess. If the package is missing, each test is skipped by name.
"""

import os
import random
import signal
from contextlib import closing

import numpy as np
import pytest
import torch

from omg_lib.config import ConfigError
from omg_lib.distributed.processes import Processes
from omg_lib.envs import GameLost, env_info, make_env
from omg_lib.envs.drawing import frame_svg

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # from the foreign packages

TIMEOUT = 15
"""Seconds that a game gets where it hangs: enough for a double on a busy machine to come that far."""


@pytest.fixture
def started(double_at):
    """started(n, name, **options) -> an environment in its first episode, closed after the test."""
    double_at()
    made = []

    def start(n=3, name="smacv2", batch=1, seed=0, first=0, **options):
        made.append(make_env(name, n, batch=batch, seed=seed, **options))
        made[-1].reset(first=first)
        return made[-1]

    yield start
    for env in made:
        env.close()


def random_actions(env, rng):
    return (rng.random(env.avail_actions().shape) * env.avail_actions().numpy()).argmax(-1)


def waiting_actions(env):
    """Attack the first enemy in range, else wait for enemies to come."""
    available = env.avail_actions()[..., [*range(6, env.info.n_actions), 1, 0]].numpy()
    return np.array([*range(6, env.info.n_actions), 1, 0])[available.argmax(-1)]


def play(env, rng=None):
    """Play one episode to its end; return everything it showed, step by step."""
    shown = []
    while True:
        before = env.obs(), env.state(), env.avail_actions()
        reward, done, info = env.step(waiting_actions(env) if rng is None else random_actions(env, rng))
        shown.append([*before, reward, done, info["battle_won"], info["episode_limit"]])
        if done.all():
            return shown


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True)
    )


def process_of(env, row=0):
    return env.games[row].env._sc2_proc._proc


# --- sizes and episodes ---


@pytest.mark.parametrize(
    ("name", "n"),
    [("smacv2", 2), ("smacv2", 16), ("smacv2:10gen_terran", 5), ("smacv2:10gen_protoss", 5), ("smacv2:10gen_zerg", 3)],
)
def test_sizes_are_the_packages_and_an_episode_is_played(name, n, started):
    env, info = started(n, name), env_info(name, n)
    said = env.games[0].env.get_env_info()
    assert (said["obs_shape"], said["state_shape"]) == (info.obs_dim, info.state_dim)
    assert (said["n_actions"], said["n_agents"], said["episode_limit"]) == (info.n_actions, n, info.episode_limit)
    obs, state, available = env.obs(), env.state(), env.avail_actions()
    assert (obs.shape, obs.dtype) == ((1, n, info.obs_dim), torch.float32)
    assert (state.shape, state.dtype) == ((1, info.state_dim), torch.float32)
    assert (available.shape, available.dtype) == ((1, n, info.n_actions), torch.bool)
    shown = play(env)
    assert 1 < len(shown) <= info.episode_limit
    assert 0 < sum(float(step[3]) for step in shown) <= 20 + 1e-4
    allies, enemies = (len(side) for side in (env.games[0].env.agents, env.games[0].env.enemies))
    assert allies == enemies == n


def test_a_won_battle_pays_twenty_and_a_lost_one_less(started):
    env, paid = started(8, start="surrounded"), {}
    for k in range(30):
        env.reset(first=k)
        shown = play(env)
        assert not shown[-1][6] and not any(step[5] for step in shown[:-1])
        paid[bool(shown[-1][5])] = sum(float(step[3]) for step in shown)
        if len(paid) == 2:
            break
    assert paid[True] == pytest.approx(20, abs=1e-3)
    assert 0 < paid[False] < 20


def test_the_limit_cuts_an_episode_that_is_not_over(started):
    env = started(2, start="reflect_position")
    env.games[0].env.episode_limit = 3
    for t in range(3):
        _, done, info = env.step(np.array([[1, 1]]))
        assert (bool(done), bool(info["episode_limit"]), bool(info["battle_won"])) == (t == 2, t == 2, False)


def test_the_dead_see_nothing_and_do_nothing(started):
    env, seen = started(5), False
    while not seen:
        _, done, _ = env.step(np.where(env.avail_actions()[..., 0], 0, 1))
        dead = torch.from_numpy(env.frame()["health"][0] == 0)
        assert torch.equal(env.avail_actions()[0, :, 0], dead)
        assert not env.obs()[0, dead].any() and env.obs()[0, ~dead].any(-1).all()
        seen = bool(dead.any())
        assert seen or not done
    refused = torch.where(dead, 1, 1)[None]
    if not done:
        with pytest.raises(ValueError, match="action 1 of seat .* is not available"):
            env.step(refused)


@pytest.mark.parametrize("start", ["surrounded", "reflect_position"])
def test_where_teams_start(start, started):
    place = started(4, start=start).frame()["position"]
    if start == "surrounded":
        assert np.abs(place[0]).max() < 1
    else:  # each has its mirror image among the enemies, which have moved for one game loop
        distance = np.abs(place[0][:, None] - place[1][None] * [-1, 1]).max(-1)
        assert distance.min(1).max() < 1 < np.median(distance)


def test_units_are_drawn_as_told(started):
    env = started(6, "smacv2:10gen_zerg", units={"hydralisk": 1})
    assert {unit.unit_type for unit in env.games[0].env.enemies.values()} == {107}
    assert {unit.unit_type for unit in env.games[0].env.agents.values()} == {env.games[0].env.hydralisk_id}


# --- chance ---


def test_two_runs_of_one_seed_agree(started):
    runs = []
    for seed, outside in ((7, 1), (7, 2), (8, 1)):
        random.seed(outside)  # the package draws from this module, but not its values
        env, rng, shown = started(3, "smacv2:10gen_terran", seed=seed), np.random.default_rng(0), []
        for k in (0, 1, 2):
            env.reset(first=k)
            shown += play(env, rng)
        runs.append(shown)
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_lent_dice_leave_the_module_as_it_was(started):
    game = started().games[0]
    before, dice = random.getstate(), game.dice.getstate()
    with game._lent_dice():
        random.random()
    assert random.getstate() == before and game.dice.getstate() != dice


def test_an_episode_begins_alike_after_any_history(started):
    """Teams, places and what is seen of them; the game's own random numbers continue, as documented."""
    straight, wandering = started(4, "smacv2:10gen_terran", first=5), started(4, "smacv2:10gen_terran", batch=2)
    rng = np.random.default_rng(0)
    play(wandering, rng)
    wandering.reset(mask=np.array([False, True]), first=5)
    for one, other in ((straight.obs(), wandering.obs()), (straight.state(), wandering.state())):
        assert torch.equal(one[0], other[1])
    assert straight.games[0].env.max_reward == wandering.games[1].env.max_reward


def test_an_episode_that_is_left_alone_costs_no_new_game_and_no_reward(started):
    """The package would start a second game at each reset before the first finished episode, and halve the rewards."""
    env = started(3)
    process, top = process_of(env), env.games[0].env.max_reward
    assert top == 3 * 45 + 3 * 10 + 200
    for _ in range(3):
        env.step(np.array([[1, 1, 1]]))
        env.reset()
    assert process_of(env) is process and process.poll() is None
    assert env.games[0].env.max_reward == top


# --- what goes wrong ---


def test_a_killed_game_is_lost_and_replaced(started):
    env = started(3, seed=4)
    whole = play(env, np.random.default_rng(1))
    env.reset(first=0)
    for _ in range(3):
        env.step(random_actions(env, np.random.default_rng(0)))
    killed = process_of(env)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    with pytest.raises(GameLost, match="StarCraft II: "):
        env.step(np.array([[1, 1, 1]]))
    env.reset(first=0)
    assert process_of(env) is not killed
    assert same(play(env, np.random.default_rng(1)), whole), "a new game with the same seed plays the same episode"


def test_a_game_that_dies_between_episodes_is_lost_at_the_reset(started):
    env = started(2)
    play(env)
    os.kill(process_of(env).pid, signal.SIGKILL)
    process_of(env).wait()
    with pytest.raises(GameLost):
        env.reset()
    env.reset(first=1)
    assert env.episode.tolist() == [1]


def test_a_hung_game_is_lost_in_time(double_at):
    double_at(silent_at_step=3)
    env = make_env("smacv2", 2, timeout=TIMEOUT)
    env.reset()
    for _ in range(2):
        env.step(np.array([[1, 1]]))
    with pytest.raises(GameLost, match="timed out"):
        env.step(np.array([[1, 1]]))
    env.reset(first=0)
    env.close()


def test_a_slow_start_is_waited_for_and_told(double_at, capfd):
    double_at(start_after=6)
    env = make_env("smacv2", 2, timeout=240)
    env.reset()
    assert "still starting, after 5 seconds" in capfd.readouterr().err
    env.close()


def test_a_start_that_takes_too_long_is_an_error(double_at):
    double_at(start_after=3600)
    env = make_env("smacv2", 2, timeout=2)
    with pytest.raises(ConfigError, match=r"env='smacv2': StarCraft II did not start.*timeout=2 seconds"):
        env.reset()


def test_a_game_that_dies_at_its_start_is_an_error_at_once(double_at):
    """The package would find out only when the time is up, which for this game is longer than a test may take."""
    double_at(exit_at_start=127)
    env = make_env("smacv2", 2, timeout=600)
    with pytest.raises(ConfigError, match="did not start .*exit code 127"):
        env.reset()


def test_a_game_of_a_version_that_refuses_the_map(double_at):
    double_at(refuse_map="made by a later version")
    env = make_env("smacv2", 2)
    with pytest.raises(ConfigError, match="did not start .*InvalidMapData.*made by a later version"):
        env.reset()


def test_units_that_do_not_appear_are_drawn_again(double_at):
    double_at(swallow_units=1)
    env = make_env("smacv2", 2)
    env.reset()
    assert (env.frame()["health"] == 1).all()
    double_at()
    other = make_env("smacv2", 2)
    other.reset()
    assert not torch.equal(env.state(), other.state())
    env.close()
    other.close()


def test_another_version_plays_and_is_named(double_at, tmp_path):
    double_at(build=90000)
    with pytest.warns(UserWarning, match=r"Base90000.*Base75689 \(version 4\.10\)"):
        env = make_env("smacv2", 2)
    env.reset()
    env.close()


def test_games_in_processes_of_their_own_play_the_same(started):
    here, there = started(2, batch=2), Processes(2, batch=2, name="smacv2")
    for k in (0, 2):
        for env in (here, there):
            env.reset(first=k)
        while True:
            actions = random_actions(here, np.random.default_rng(here.frame()["time"]))
            one, other = here.step(actions), there.step(actions)
            assert all(torch.equal(a, b) for a, b in zip(one[:2], other[:2], strict=True))
            assert torch.equal(here.obs(), there.obs()) and torch.equal(here.state(), there.state())
            if one[1].all():
                break
    assert there.frame(1)["position"].shape == (2, 2, 2)
    there.close()


def test_a_game_that_dies_in_its_process_is_lost_there_and_here(double_at):
    double_at(exit_at_step=2)
    with closing(Processes(2, batch=1, name="smacv2")) as env:
        env.reset()
        with pytest.raises(GameLost, match="StarCraft II: "):
            for _ in range(2):
                env.step(np.array([[1, 1]]))
        env.reset(first=0)
        env.step(np.array([[1, 1]]))


def test_closing_ends_the_game_and_twice_is_fine(started):
    env = started(2, batch=2)
    processes = [process_of(env, row) for row in range(2)]
    env.close()
    env.close()
    assert [process.poll() is not None for process in processes] == [True, True]


# --- pictures and replays ---


def test_frames_are_drawn_as_skirmishs_are(started):
    env = started(3)
    while not env.frame()["shots"].any():
        env.step(waiting_actions(env))
    frame = env.frame()
    assert frame["position"].shape == (2, 3, 2) and frame["health"].shape == (2, 3)
    assert np.abs(frame["position"]).max() <= frame["map_half"] == 16
    assert not frame["shots"][1].any()
    assert frame_svg(frame).startswith("<svg")


def test_a_replay_is_saved_on_request(started, tmp_path):
    env = started(2)
    play(env)
    path = env.save_replay(tmp_path / "battle.SC2Replay")
    assert path.read_bytes().startswith(b"replay of the double")


def test_no_replay_without_a_game(double_at):
    double_at()
    env = make_env("smacv2", 2)
    with pytest.raises(RuntimeError, match="reset"):
        env.save_replay("nowhere.SC2Replay")
