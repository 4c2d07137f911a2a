"""smacv2 without the game and without its package: sizes, names and options."""

import pytest

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.envs import ENVIRONMENTS, env_info
from omg_lib.envs.smacv2 import RACES, Smacv2

NAMES = [name for name in ENVIRONMENTS if name.startswith("smacv2")]


def test_there_is_a_name_for_each_of_the_packages_own_maps():
    assert NAMES == ["smacv2", *(f"smacv2:{map_name}" for map_name in RACES)]
    assert all(ENVIRONMENTS[name].name == name for name in NAMES)


@pytest.mark.parametrize("n", range(2, 21))
def test_sizes_by_arithmetic(n):
    for name in NAMES:
        info = env_info(name, n)
        shields = name == "smacv2:10gen_protoss"
        assert info.obs_dim == (18 * n + 2 if shields else 16 * n + 2)
        assert info.state_dim == n * (n + 21 if shields else n + 19)
        assert (info.name, info.n_agents, info.n_actions, info.episode_limit) == (name, n, n + 6, 200)
        assert (info.has_winner, info.general_sum, info.styles, info.teams) == (True, False, (), ())


@pytest.mark.parametrize("n", [1, 21, True, 2.0, None])
def test_bad_sizes(n):
    with pytest.raises(ConfigError, match="n_agents=.*from 2 to 20"):
        env_info("smacv2", n)


@pytest.mark.parametrize("name", ["smacv2:8m", "smacv2:3m", "smacv2:MMM2", "smacv2:", "smacv2:10gen_empty"])
def test_other_maps_are_refused_and_the_right_one_is_named(name):
    for refuse in (lambda: env_info(name, 8), lambda: OMGConfig(env=name)):
        with pytest.raises(ConfigError, match=rf"env='{name}': .*env=smacv2 with n_agents=8.*10gen_terran") as refused:
            refuse()
        assert "second episode" in str(refused.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"units": {"zealot": 1.0}}, r"units={'zealot': 1.0}.*marine, marauder, medivac"),
        ({"units": {"medivac": 1.0}}, "units=.*not only medivac or baneling"),
        ({"units": {}}, "units={}"),
        ({"units": ["marine"]}, "units=.*type: weight"),
        ({"units": {"marine": 0}}, "weight of marine=0"),
        ({"units": {"marine": "many"}}, "weight of marine='many'"),
        ({"start": "behind"}, "start='behind'.*reflect_position"),
        ({"timeout": 0}, "timeout=0.*from 1 to 600"),
        ({"timeout": 2.5}, "timeout=2.5"),
        ({"map_name": "8m"}, "option='map_name'.*units, start and timeout"),
    ],
)
def test_bad_options(options, named):
    with pytest.raises(ConfigError, match=named):
        env_info("smacv2", 3, **options)


def test_settings_are_made_anew_for_each_game():
    """The package writes into its input."""
    setting = Smacv2.setting(4, units={"marine": 3, "medivac": 1})
    first, second = setting.package_options(), setting.package_options()
    assert first == second
    first["capability_config"]["team_gen"]["env_key"] = "changed"
    assert second == setting.package_options() != first
    team = second["capability_config"]["team_gen"]
    assert team["unit_types"] == ["marine", "medivac"] and team["weights"] == [0.75, 0.25]
    assert team["exception_unit_types"] == ["medivac"]
    assert second["capability_config"]["n_units"] == second["capability_config"]["n_enemies"] == 4


def test_the_default_is_marines_of_weight_one():
    options = Smacv2.setting(8).package_options()
    assert options["map_name"] == "10gen_terran"
    team = options["capability_config"]["team_gen"]
    assert (team["unit_types"], team["weights"], team["exception_unit_types"]) == (["marine"], [1.0], [])
