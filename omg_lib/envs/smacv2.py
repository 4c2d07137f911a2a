"""smacv2: the real StarCraft II, n units against n, through the package `smacv2` (Ellis et al. 2023, "SMACv2").

`make smacv2` installs the package from its pinned commit; you install the game and the maps by hand, and `doctor` shows
what is missing. The package is imported only when a game is created: sizes are arithmetic. `starcraft` runs one game.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from omg_lib.config import ConfigError
from omg_lib.envs.base import EnvInfo, real_number, whole_number
from omg_lib.envs.games import Games
from omg_lib.envs.starcraft import StarCraft
from omg_lib.system.files import write_bytes
from omg_lib.system.starcraft import starcraft_checks
from omg_lib.words import _, listing

RACES = {
    "10gen_terran": ("marine", "marauder", "medivac"),
    "10gen_protoss": ("stalker", "zealot", "colossus"),
    "10gen_zerg": ("zergling", "hydralisk", "baneling"),
}
"""SMACv2's own maps and their units. The classic maps, such as 8m, hang in SMACv2 at the second reset."""
NEVER_ALONE = ("medivac", "baneling")
"""Units that never make up a whole team by themselves."""
STARTS = ("surrounded_and_reflect", "surrounded", "reflect_position")
LIMIT, WIDTH, TIMEOUT = 200, 32, 60


@dataclass(frozen=True)
class Setting:
    """The options of a game; see `Smacv2` for their meanings."""

    n: int
    map_name: str
    units: Mapping[str, float]
    start: str
    timeout: int

    def package_options(self) -> dict[str, Any]:
        """Build new arguments for the package's class at each call, because it modifies them."""
        team = {
            "dist_type": "weighted_teams",
            "unit_types": list(self.units),
            "weights": [weight / sum(self.units.values()) for weight in self.units.values()],
            "exception_unit_types": [unit for unit in NEVER_ALONE if unit in self.units],
            "observe": True,
        }
        start = {"dist_type": self.start, "p": 0.5, "map_x": WIDTH, "map_y": WIDTH}
        sides = {"n_units": self.n, "n_enemies": self.n}
        return {
            "map_name": self.map_name,
            "capability_config": sides | {"team_gen": team, "start_positions": start},
            "obs_own_pos": True,
            "use_unit_ranges": True,
            "min_attack_range": 2,
            "continuing_episode": True,  # otherwise it does not report that the limit ended an episode
        }


class Smacv2(Games):
    """n marines against n on the map `10gen_terran`; the other names play SMACv2's published mixes.

    | name | units and their weights |
    |---|---|
    | smacv2 | marine 1 |
    | smacv2:10gen_terran | marine .45, marauder .45, medivac .1 |
    | smacv2:10gen_protoss | stalker .45, zealot .45, colossus .1 |
    | smacv2:10gen_zerg | zergling .45, hydralisk .45, baneling .1 |

    | option | meaning |
    |---|---|
    | units | {type: weight}: how teams are drawn; both sides get the same |
    | start | surrounded_and_reflect (one of the two, half of the time each), surrounded, reflect_position |
    | timeout | seconds, 1 to 600, that the game may take to start or to answer; after that it counts as dead |

    Everything else is as in the package's configurations for these maps: the built-in AI of difficulty 7, 8 game loops
    a step, and rewards for damage, kills and the win that add up to at most 20.

    Episode k draws teams and places from (seed, k). The game's own random numbers are seeded once and continue from one
    episode to the next, because a game is started once and plays many episodes: the same episodes in the same order
    give the same results, but the same episode after a different history starts alike and may then differ. Rewards are
    scaled by the health of the episode's own enemies. The package uses its first episode's enemies throughout; with
    mixed teams an episode would then depend on which came first.

    Actions: 0 no-op (dead units only), 1 stop, 2-5 north, south, east, west, 6+j attack enemy j (a medivac heals mate
    j). Observation and state are the package's; dead units observe zeros. A frame has skirmish's format; a shot is an
    order to attack (the game does not report hits), and the enemy's shots are unknown.
    """

    a_program_each = True
    name: ClassVar[str] = "smacv2"
    map_name: ClassVar[str] = "10gen_terran"
    weights: ClassVar[tuple[float, ...]] = (1.0,)

    @classmethod
    def setting(
        cls,
        n_agents: int | Any,
        units: Mapping[str, float] | Any = None,
        start: str | Any = STARTS[0],
        timeout: int | Any = TIMEOUT,
        **options: Any,
    ) -> Setting:
        """Parse the options; ConfigError for any that is not allowed."""
        if options:
            raise ConfigError(
                "option", next(iter(options)), _("{name} has units, start and timeout").format(name=cls.name)
            )
        race = RACES[cls.map_name]
        units = dict(zip(race, cls.weights, strict=False)) if units is None else units
        if not isinstance(units, Mapping) or not set(units) <= set(race) or set(units) <= set(NEVER_ALONE):
            allowed = _("allowed is {{type: weight}} of {race}, but not only {never_alone}").format(
                race=listing(race), never_alone=listing(NEVER_ALONE, " or ")
            )
            raise ConfigError("units", units, allowed)
        weights = {
            unit: real_number(_("weight of {unit}").format(unit=unit), weight, 0.001, 1000.0)
            for unit, weight in units.items()
        }
        if start not in STARTS:
            raise ConfigError("start", start, _("allowed are {starts}").format(starts=listing(STARTS)))
        n, seconds = whole_number("n_agents", n_agents, 2, 20), whole_number("timeout", timeout, 1, 600)
        return Setting(n, cls.map_name, weights, start, seconds)

    @classmethod
    def describe(cls, n_agents: int | Any, **options: Any) -> EnvInfo:
        """Return the sizes at n = 2..20: O = 16n + 2, S = n(n+19), C = n+6; protoss (shields): 18n + 2, n(n+21)."""
        n = cls.setting(n_agents, **options).n
        shield = 1 if cls.map_name == "10gen_protoss" else 0
        own, others = 4 + 6 + shield, (8 + shield) * (2 * n - 1)
        return EnvInfo(cls.name, n, own + others, n * (n + 19 + 2 * shield), n + 6, LIMIT, deaths="zeros")

    def make_game(self, **options: Any) -> StarCraft:
        self._refuse_faults()
        setting = self.setting(self.info.n_agents, **options)
        return StarCraft(self.name, setting.package_options, self.seed % 2**31, setting.timeout)

    def _refuse_faults(self) -> None:
        """Check for what the game needs before starting it. The unrelated package `smac` only gives a warning."""
        checks = starcraft_checks()
        faults = [check for check in checks if not check.ok and check.name != "smac"]
        if faults:
            more = _(" ({n} more: python -m omg_lib doctor)").format(n=len(faults) - 1) if faults[1:] else ""
            raise ConfigError("env", self.name, f"{faults[0].name}: {faults[0].found}; {faults[0].remedy}{more}")
        for check in checks:
            if check.remedy:
                warnings.warn(f"{check.name}: {check.found}; {check.remedy}", stacklevel=2)

    def save_replay(self, path: str | Path, row: int = 0) -> Path:
        """Write all that this row's game has played since it started, as a replay for StarCraft II."""
        path = Path(path)
        write_bytes(path, self.games[row].replay())
        return path


class Terran(Smacv2):
    """SMACv2's published terran mix; see `Smacv2`."""

    name, weights = "smacv2:10gen_terran", (0.45, 0.45, 0.1)


class Protoss(Smacv2):
    """SMACv2's published protoss mix; see `Smacv2`."""

    name, map_name, weights = "smacv2:10gen_protoss", "10gen_protoss", (0.45, 0.45, 0.1)


class Zerg(Smacv2):
    """SMACv2's published zerg mix; see `Smacv2`."""

    name, map_name, weights = "smacv2:10gen_zerg", "10gen_zerg", (0.45, 0.45, 0.1)
