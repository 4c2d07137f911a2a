"""The guide to your own environment: its statements are true, and its example works."""

import re
from pathlib import Path

import numpy as np
import pytest

from omg_lib import config, envs, registry
from omg_lib.distributed import processes
from omg_lib.envs import games
from omg_lib.envs.base import EnvInfo
from tests.helpers.batches import short_pretraining

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "omg_lib/envs/README.md").read_text(encoding="utf-8")


@pytest.fixture
def registries(monkeypatch):
    """Forget what the test registers."""
    monkeypatch.setattr(envs, "ENVIRONMENTS", dict(envs.ENVIRONMENTS))
    monkeypatch.setattr(registry, "ENVIRONMENTS", dict(registry.ENVIRONMENTS))


@pytest.mark.slow
def test_the_example_runs_as_it_stands(registries, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 34, "about thirty lines"
    assert "== []" in code
    with short_pretraining():
        exec(compile(code, "README.md", "exec"), {"__name__": "example"})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["iql", "omg"] and all(float(line.split()[1]) for line in lines)
    assert "whispers" in envs.ENVIRONMENTS


def test_what_the_page_tells_is_so():
    fields = re.findall(r"^\| `(\w+)` \|", PAGE.partition("| field of a Moment |")[2].partition("\n\n")[0], flags=re.M)
    assert tuple(fields) == games.Moment._fields
    methods = {"begin", "step", "scripted_actions", "frame", "close"}
    assert methods <= set(vars(games.Game)) and all(f"{name}" in PAGE for name in methods)
    assert processes.PATIENCE == 5 * 60 and "within five minutes" in " ".join(PAGE.split())
    for file in re.findall(r"`([\w/]+\.py)`", PAGE):
        assert (ROOT / file).is_file() or (ROOT / "omg_lib/envs" / file).is_file(), file


def test_the_project_leads_to_the_page():
    assert "(omg_lib/envs/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


class Paying(games.Games):
    """A game whose only step pays the class's value."""

    pays: object = 0.0
    general_sum = False

    @classmethod
    def describe(cls, n_agents):
        return EnvInfo("paying", n_agents, 2, 1, 2, 5, has_winner=False, general_sum=cls.general_sum)

    def make_game(self):
        shown = games.Moment(np.ones((self.info.n_agents, 2)), np.zeros(1), True)
        pays = self.pays

        class One(games.Game):
            def begin(self, chance):
                return shown

            def step(self, actions):
                return shown._replace(rewards=pays)

        return One()


@pytest.mark.parametrize(
    ("general_sum", "pays", "said"),
    [
        (False, [1, 2, 3, 4], "rewards int64 [4]; allowed is one number"),
        (False, np.ones(3), "rewards float64 [3]; allowed is one number"),
        (False, [], "rewards []; allowed is one number"),
        (True, 1.5, "rewards 1.5; allowed are numbers [4]"),
        (True, [1, 2, 3], "rewards int64 [3]; allowed are numbers [4]"),
        (False, 2, None),
        (False, np.array([2.0]), None),
        (True, [1, 2, 3, 4], None),
        (True, 0.0, None),
    ],
)
def test_rewards_of_another_count_are_refused_and_never_taken_from_one_seat(general_sum, pays, said):
    env = type("Paying", (Paying,), {"general_sum": general_sum, "pays": pays})(4)
    env.reset()
    if said:
        with pytest.raises(config.ConfigError, match=re.escape(said)):
            env.step(np.zeros((1, 4), int))
        return
    reward, _, info = env.step(np.zeros((1, 4), int))
    assert float(reward) == float(np.sum(pays))
    assert not general_sum or info["rewards"].tolist() == [np.broadcast_to(pays, 4).tolist()]
