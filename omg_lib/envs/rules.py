"""The constants of skirmish and the options of a battle."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from omg_lib.config import ConfigError
from omg_lib.envs.base import real_number, whole_number
from omg_lib.envs.styles import RANGE
from omg_lib.words import _, listing

HEALTH = 45.0
DAMAGE = 6.0
COOLDOWN = 1.72
"""Cooldown of a gun in steps (0.61 s at 8 game ticks a step). Guns fire at the start of a step: every second step."""
SPEED = 1.125
"""Distance of one step, along one axis; availability looks 1 ahead, as SMAC's does."""
RADIUS = 0.375
MAP_HALF = 16.0
SPREAD = 2.5
"""Units start at most this far from the centre of their cluster, in x and in y."""
KILL_BONUS, WIN_BONUS, TOP_RETURN = 10.0, 200.0, 20.0
GOLDEN = 0.6180339887
"""Randomness inside an episode is frac(phase + t * GOLDEN): even over time, and fixed by the start."""

BOUNDS = {
    "combined_fire": (0.0, 100.0),
    "enemy_hp": (0.01, 100.0),
    "half_distance": (SPREAD, MAP_HALF - SPREAD - 0.5),
    "sight": (RANGE, 4 * MAP_HALF),
}


@dataclass(frozen=True)
class Rules:
    """The options of a battle; `Rules.of` checks them.

    | option | meaning |
    |---|---|
    | combined_fire | p >= 0: a hit by your own team counts (k/n)^p; 0 is SMAC's rule |
    | enemy_hp | the enemy's health as a fraction of your own |
    | half_distance | from the map's centre to the centre of each starting cluster |
    | sight | how far a unit sees |
    | limit | maximum steps of an episode |
    | enemies | name of the style that the enemy follows |

    k is the number of own units that hit the same enemy in this step or the last. The enemy's hits count in full.
    """

    combined_fire: float = 0.0
    enemy_hp: float = 1.0
    half_distance: float = 7.0
    sight: float = 9.0
    limit: int = 120
    enemies: str = "nearest"

    @classmethod
    def of(cls, variant: str, defaults: dict[str, Any], options: dict[str, Any]) -> Rules:
        """Return the variant's defaults, overridden by options; ConfigError for an unknown name or a bad value."""
        known = [field.name for field in fields(cls)]
        for option in options:
            if option not in known:
                raise ConfigError(
                    "option",
                    option,
                    _("{variant} allows {allowed}").format(variant=variant, allowed=listing([*known, "backend"])),
                )
        values = {**defaults, **options}
        for name in values.keys() & BOUNDS.keys():
            values[name] = real_number(name, values[name], *BOUNDS[name])
        if "limit" in values:
            values["limit"] = whole_number("limit", values["limit"], 1, 100_000)
        if not isinstance(values.get("enemies", ""), str):
            raise ConfigError("enemies", values["enemies"], _("allowed is the name of a style"))
        return cls(**values)


def partners_defaults(n: int) -> dict[str, Any]:
    """Return the rules of `skirmish:partners`, where teammates matter.

    The enemy's health at n = 3 and 8 comes from a feasibility study with learners (3) and scripts (8), at 5 from its
    estimate; at 12 and 16, scripts that share an order win about as often as at 8. Linear interpolation in between.
    """
    enemy_hp = float(np.interp(n, [3, 5, 8, 12, 16], [0.40, 0.33, 0.27, 0.11, 0.05]))
    return {"combined_fire": 2.0, "enemy_hp": enemy_hp, "half_distance": 4.0, "limit": 40}
