"""A PettingZoo game: how it ends, what is seen last, which types are accepted, what is refused by name."""

import sys
from itertools import count
from types import ModuleType

import numpy as np
import pytest
import torch

import omg_lib as omg
from omg_lib.__main__ import main
from omg_lib.config import ConfigError, RunError
from omg_lib.distributed.processes import Processes
from omg_lib.envs import env_info, make_env
from omg_lib.envs.pettingzoo import LIMIT, unsaid
from tests.helpers.batches import SMALL, short_pretraining

pytest.importorskip("pettingzoo")
spaces = pytest.importorskip("gymnasium.spaces")

SPREAD = "pettingzoo:mpe2.simple_spread_v3"


class Script:
    """Two agents whose ends are scripted: {agent: (step, "terminated" | "truncated")}. Not a ParallelEnv.

    An agent sees (its number, the time), even after its episode is over. With `stays`, ended agents remain in
    `agents`, as in many home-made games.
    """

    possible_agents = ("north", "south")
    state_space = spaces.Box(0, 99, (1,))
    ends = {"north": (3, "terminated"), "south": (3, "terminated")}
    stays, max_cycles, reward = False, 20, 1.0

    def observation_space(self, agent):
        return spaces.Box(0, 99, (2,), np.float32)

    def action_space(self, agent):
        return spaces.Discrete(3)

    def reset(self, seed=None, options=None):
        self.time, self.agents = 0, list(self.possible_agents)
        return self.look(self.agents), {}

    def look(self, agents):
        return {a: np.array([1 + self.possible_agents.index(a), self.time], np.float32) for a in agents}

    def state(self):
        return np.array([self.time])

    def step(self, actions):
        assert set(actions) == set(self.agents)
        self.time += 1
        ended = {kind: {a: self.ends.get(a) == (self.time, kind) for a in self.agents} for kind in KINDS}
        shown = list(self.agents)
        if not self.stays:
            self.agents = [a for a in self.agents if not any(ended[kind][a] for kind in KINDS)]
        paid = dict.fromkeys(shown, self.reward)
        infos = {a: {"action_mask": [1, 1, 0]} for a in shown}
        return self.look(shown), paid, ended["terminated"], ended["truncated"], infos


KINDS = ("terminated", "truncated")
NUMBERS = count()


@pytest.fixture
def game(monkeypatch):
    """game(**attributes) is the name of a module whose parallel_env is Script with these attributes."""

    def made(**attributes):
        module = ModuleType(name := f"script_{next(NUMBERS)}")  # never reused: sizes are cached by name
        module.parallel_env = type("Game", (Script,), attributes)
        monkeypatch.setitem(sys.modules, name, module)
        return f"pettingzoo:{name}"

    return made


def config(env, **changes):
    return omg.OMGConfig(**dict(env=env, n_agents=2, batch_size=1, device="cpu", updates=1) | SMALL | changes)


def played(env):
    with omg.Training(config(env, learner="iql")) as run:
        return run.runner.run(), run.runner


T, C = "terminated", "truncated"


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize(
    ("ends", "steps", "over"),
    [
        ({"north": (3, T), "south": (3, T)}, 3, True),
        ({"north": (3, C), "south": (3, C)}, 3, False),
        ({"north": (3, T), "south": (3, C)}, 3, False),
        ({"north": (2, T), "south": (5, T)}, 5, True),
        ({"north": (2, C), "south": (5, T)}, 5, True),
        ({"north": (2, T), "south": (5, C)}, 5, False),
        ({"north": (2, C)}, 20, False),
        ({}, 20, False),
    ],
)
def test_an_episode_ends_when_all_have_ended_and_row_n_holds_what_was_seen_last(game, ends, stays, steps, over):
    batch, runner = played(game(ends=ends, stays=stays))
    assert int(batch["filled"].sum()) == steps + 1 and runner.t_env == steps
    assert batch["terminated"][0, :, 0].nonzero().flatten().tolist() == [steps - 1] * over
    assert batch["state"][0, : steps + 1, 0].tolist() == list(range(steps + 1))
    for seat, agent in enumerate(Script.possible_agents):
        end, kind = ends.get(agent, (steps, C))
        shown = range(steps + 1) if end == steps else range(end)
        for t in range(steps + 1):
            alive = t in shown
            assert batch["alive"][0, t, seat, 0] == alive
            assert batch["obs"][0, t, seat].tolist() == ([1.0 + seat, t] if alive else [0, 0])
            may = [True] * 3 if t == 0 else [True, True, False]  # the mask comes with the first step
            ended = not alive or (t == steps and kind == T and not over)
            assert batch["avail_actions"][0, t, seat].tolist() == ([True, False, False] if ended else may), (agent, t)


def test_spread_keeps_its_last_row():
    with omg.Training(config(SPREAD, n_agents=3, learner="iql")) as run:
        batch = run.runner.run()
    assert batch["filled"].all() and batch["alive"].all() and not batch["terminated"].any()
    assert (batch["obs"][0, 25] != 0).any(dim=-1).all() and batch["state"][0, 25].any()
    assert batch["avail_actions"][0, 25].all()
    still = (batch["obs"][0, 25, :, 2:4] - batch["obs"][0, 24, :, 2:4]).abs()
    assert still.max() < 0.5, "the last positions are one step from those before"


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["omg", "liam", "iql"])
def test_a_matrix_game_whose_observations_are_zero_is_learnt(game, learner):
    env = game(look=lambda self, agents: {a: np.zeros(2, np.float32) for a in agents}, ends={})
    with short_pretraining(), omg.Training(config(env, learner=learner, updates=2)) as run:
        reports = list(run)
        assert omg.compare(omg.predict(run.config), run.trace) == []
    assert len(reports) == 2 and all(np.isfinite(list(report.metrics.values())).all() for report in reports)


@pytest.mark.slow
def test_windows_of_a_seat_end_where_it_leaves(game):
    env = game(ends={"north": (2, T), "south": (6, C)})
    with short_pretraining(), omg.Training(config(env, learner="omg", horizon=3)) as run:
        list(run)
        grouped = omg.regroup(run.buffer.sample(2))
        steps = run.learner.read(grouped)
        found = run.learner.omg_loss(grouped, steps, run.learner.draw_noise(steps), 0.0)[1]
    value = (found["values"][0] != 0).any(dim=-1)
    assert value[:, 0].nonzero().flatten().tolist() == [0], "north sees steps 0 and 1"
    assert value[:, 1].nonzero().flatten().tolist() == list(range(6)), "and south the last one too"


WELCOME = [1.0, 1, np.float64(1), np.array(1.0), np.array([1.0]), [1.0], torch.tensor(1.0), torch.tensor([1.0])]


@pytest.mark.parametrize("reward", WELCOME, ids=repr)
def test_rewards_of_one_number(game, reward):
    batch, _ = played(game(reward=reward))
    assert batch["reward"][0, :3, 0].tolist() == [2.0] * 3


@pytest.mark.parametrize("reward", [[1.0, 2.0], None, "1", float("nan"), np.inf, {}, 1j, np.zeros(0)], ids=repr)
def test_other_rewards_are_refused_with_game_agent_and_value(game, reward):
    env = game(reward=reward)
    with pytest.raises(ConfigError, match=f"env='{env}'.*the reward of north is .*one finite number") as error:
        env_info(env, 2)
    assert len(str(error.value)) < 300 and ("nan" in str(error.value) or not isinstance(reward, float) or reward > 9)


@pytest.mark.parametrize(
    "kind",
    [list, tuple, np.float64, np.uint8, torch.tensor, lambda x: torch.tensor(x, requires_grad=True), lambda x: [[x]]],
)
def test_observations_and_masks_of_other_types(game, kind):
    convert = (lambda x: x.astype(kind)) if isinstance(kind, type) and issubclass(kind, np.generic) else kind

    def look(self, agents):
        return {a: convert(x) for a, x in Script.look(self, agents).items()}

    plain, _ = played(game())
    batch, _ = played(game(look=look))
    assert all(torch.equal(batch[key], plain[key]) for key in plain.keys())


@pytest.mark.parametrize(
    "mask",
    [(1, 1, 0), [True, True, False], np.array([1, 1, 0], np.int8), np.array([1.0, 1, 0]), torch.tensor([1, 1, 0])],
)
def test_masks_of_any_type(game, mask):
    env = make_env(game(step=_with(infos=lambda a: {"action_mask": mask})), 2)
    env.reset()
    env.step(np.zeros((1, 2), int))
    assert env.avail_actions()[0].tolist() == [[True, True, False]] * 2


def test_a_float_in_a_space_of_bytes_is_not_cut_to_zero(game):
    env = game(
        observation_space=lambda self, agent: spaces.Box(0, 255, (2,), np.uint8),
        look=lambda self, agents: {a: np.array([0.5, 0.25]) for a in agents},
    )
    assert played(env)[0]["obs"][0, 0].tolist() == [[0.5, 0.25]] * 2


def _with(**changes):
    """Script's step, with some of its five dictionaries rebuilt for each agent."""
    names = ("obs", "rewards", "terminated", "truncated", "infos")

    def step(self, actions):
        given = dict(zip(names, Script.step(self, actions), strict=True))
        for name, value in changes.items():
            given[name] = {a: value(a) for a in given[name]} if callable(value) else value
        return tuple(given.values())

    return step


def _joined(script, actions):
    given = Script.step(script, actions)
    script.agents.append("east")
    return given


NO_OBS = "observation of north is"
FAULTS = {
    "text": (dict(step=_with(obs=lambda a: "left")), f"{NO_OBS} 'left'.*finite numbers"),
    "none": (dict(step=_with(obs=lambda a: None)), f"{NO_OBS} None.*finite numbers"),
    "NaN": (dict(step=_with(obs=lambda a: [1.0, np.nan])), f"{NO_OBS} nan in one place"),
    "too short": (dict(step=_with(obs=lambda a: [1.0])), f"{NO_OBS} .*space holds 2 numbers"),
    "outside a Discrete space": (
        dict(observation_space=lambda self, a: spaces.Discrete(2), step=_with(obs=lambda a: -1),
             look=lambda self, agents: dict.fromkeys(agents, 1)),
        rf"{NO_OBS} -1, allowed is one of Discrete\(2\)",
    ),
    "short mask": (dict(step=_with(infos=lambda a: {"action_mask": [0, 1]})), "mask of north.*3 numbers, each 0 or 1"),
    "a mask of logits": (dict(step=_with(infos=lambda a: {"action_mask": [0, -np.inf, 0]})), "mask of north"),
    "a state of NaN": (dict(state=lambda self: [np.nan]), "state of the game is nan"),
    "an end that is text": (dict(step=_with(terminated=lambda a: "False")), "termination of north is 'False'"),
    "four values": (dict(step=lambda self, actions: ({}, {}, {}, {})), r"step\(\) returned 4 values, allowed are 5"),
    "one value": (dict(reset=lambda self, seed: {}), r"reset\(\) returned dict, allowed are 2"),
    "lists": (dict(step=_with(rewards=[1.0, 1.0])), r"the rewards of step\(\) are .*a dictionary by agent"),
    "__all__": (dict(step=_with(terminated={"__all__": True})), "terminations of step.*'__all__'.*possible_agents"),
    "an unknown agent": (dict(step=lambda self, actions: _joined(self, actions)), "agents holds 'east'"),
    "no possible_agents": (
        dict(possible_agents=property(lambda self: self.names)), "cannot be described.*no attribute 'names'",
    ),
    "spaces after reset": (
        dict(action_space=lambda self, agent: self.spaces[agent]), "cannot be described.*no attribute 'spaces'",
    ),
    "a step that fails": (dict(step=lambda self, actions: 1 / 0), "first episode cannot be played.*ZeroDivisionError"),
    "a game that leaves": (dict(reset=lambda self, seed: sys.exit("bye")), "first episode cannot be begun.*bye"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_game_does_wrong_is_exit_2_in_its_own_words(game, fault, capsys):
    attributes, words = FAULTS[fault]
    env = game(**attributes)
    for refuse in (lambda: env_info(env, 2), lambda: make_env(env, 2)):
        with pytest.raises(ConfigError, match=f"^env='{env}'.*{words}"):
            refuse()
    for command in ("shapes", "train"):
        assert main([command, "--env", env, "--n-agents", "2", "--learner", "iql", "--batch-size", "1"]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and len(err) <= 300 and err.startswith(f"env='{env}'")


def test_a_fault_in_a_later_episode_is_a_failed_run(game):
    def step(self, actions):
        self.past = getattr(self, "past", 0) + 1
        return Script.step(self, actions) if self.past < 5 else 1 / 0

    env = game(step=step)
    with omg.Training(config(env, learner="iql")) as run:
        run.runner.run()
        with pytest.raises(RunError, match=f"{env}: its episode cannot be played .ZeroDivisionError"):
            run.runner.run()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise ValueError('no screen')", "ValueError: no screen"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("import no_such_thing", "no_such_thing"),
        ("env = 3", "from MODULE import CLASS as parallel_env. is enough"),
    ],
)
def test_a_module_that_cannot_be_loaded(tmp_path, monkeypatch, source, words):
    (tmp_path / "broken_game.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_game", raising=False)
    with pytest.raises(ConfigError, match=f"env='pettingzoo:broken_game'.*{words}") as error:
        env_info("pettingzoo:broken_game", 2)
    assert len(str(error.value)) < 300


def test_a_file_that_names_a_class_parallel_env_is_enough(tmp_path, monkeypatch):
    (tmp_path / "named_game.py").write_text("from tests.envs.test_parallel import Script as parallel_env\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert env_info("pettingzoo:named_game", 2).episode_limit == 20


# --- how long an episode may last ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attributes", "arguments", "limit"),
    [
        (dict(max_cycles=500), "", 500),
        (dict(max_cycles=500), ",episode_limit=300", 300),
        (dict(max_cycles=None, max_steps=np.int64(70)), "", 70),
        (dict(max_cycles=None, env=type("Inner", (), {"max_cycles": 900})()), "", 900),
        (dict(max_cycles=None), ",episode_limit=7", 7),
        (dict(max_cycles=True), ",episode_limit=7", 7),
    ],
)
def test_the_limit_is_the_names_or_the_games_own(game, attributes, arguments, limit, recwarn):
    name = game(ends={}, **attributes) + arguments
    assert env_info(name, 2).episode_limit == limit
    assert not [one for one in recwarn if unsaid() in str(one.message)]
    batch, _ = played(name)
    assert int(batch["filled"].sum()) == limit + 1 and not batch["terminated"].any()


@pytest.mark.slow
def test_a_limit_that_nobody_says_is_noticed_once(game, recwarn):
    name = game(max_cycles=None, ends={})
    for _ in range(2):
        assert env_info(name, 2).episode_limit == LIMIT
        played(name)
    (notice,) = [str(one.message) for one in recwarn if unsaid() in str(one.message)]
    assert name in notice and ",episode_limit=" in notice


def test_a_game_that_has_an_episode_limit_of_its_own_is_told(game):
    def make(self, episode_limit=3):
        self.ends = dict.fromkeys(self.possible_agents, (episode_limit, "truncated"))

    batch, _ = played(game(__init__=make) + ",episode_limit=5")
    assert int(batch["filled"].sum()) == 6


@pytest.mark.parametrize("value", ["0", "-1", "2.5", "True", "'long'"])
def test_a_limit_that_is_none(game, value):
    with pytest.raises(ConfigError, match="episode_limit=.*whole number of at least 1"):
        env_info(game() + f",episode_limit={value}", 2)


@pytest.mark.parametrize(
    ("module", "limit"),
    [("sisl.pursuit_v5", 500), ("butterfly.cooperative_pong_v6", 900), ("butterfly.knights_archers_zombies_v11", 900)],
)
def test_games_of_pettingzoo_last_as_long_as_they_say(module, limit):
    name = f"pettingzoo:pettingzoo.{module}"
    try:
        agents = len(__import__(f"pettingzoo.{module}", fromlist=["x"]).parallel_env().possible_agents)
    except Exception as error:
        pytest.skip(f"this machine cannot make {module}: {error}")
    assert env_info(name, agents).episode_limit == limit
    assert env_info(f"{name},episode_limit=30", agents).episode_limit == 30


def test_a_real_game_in_processes_keeps_its_last_row_and_who_is_alive():
    env = Processes(3, batch=2, name="pettingzoo:tests.helpers.zoo_toy", seed=4)
    local = make_env("pettingzoo:tests.helpers.zoo_toy", 3, batch=2, seed=4)
    try:
        for one in (env, local):
            one.reset()
        done = torch.zeros(2, dtype=torch.bool)
        while not done.all():
            actions = local.avail_actions().int().argmax(-1)
            done = local.step(actions)[1]
            env.step(actions)
            assert torch.equal(env.alive(), local.alive()) and torch.equal(env.obs(), local.obs())
        assert not local.alive().all()
    finally:
        env.close()
