"""The double's battle: units that walk, shoot and die on an empty square. Our guesses, not the game's rules."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

OWN, ENEMY = 1, 2
TYPES = 200
"""Number of unit types that the game reports; smacv2 takes the last nine for those that it may command."""
SIZE, SPEED, TOUCH = 32.0, 2.25 / 16, 0.75
MOVE, ATTACK, HEAL = 16, 23, 386


@dataclass(frozen=True)
class Kind:
    """A unit's properties; lengths in cells, times in game loops."""

    health: float
    shield: float
    reach: float
    damage: float
    cooldown: float
    enemy_id: int
    """The game's number of the type, for units that smacv2 does not command."""


KINDS = {
    "baneling": Kind(30, 0, 0.25, 16, 20, 9),
    "colossus": Kind(200, 150, 7, 10, 24, 4),
    "hydralisk": Kind(90, 0, 5, 12, 13, 107),
    "marauder": Kind(125, 0, 6, 10, 24, 51),
    "marine": Kind(45, 0, 5, 6, 14, 48),
    "medivac": Kind(150, 0, 4, -1, 1, 54),  # heals
    "stalker": Kind(80, 80, 6, 13, 30, 74),
    "zealot": Kind(100, 50, 0.1, 8, 19, 73),
    "zergling": Kind(35, 0, 0.1, 5, 11, 105),
}
BY_TYPE = {TYPES - len(KINDS) + i: kind for i, kind in enumerate(KINDS.values())}
BY_TYPE |= {kind.enemy_id: kind for kind in KINDS.values()}


@dataclass
class Unit:
    tag: int
    type: int
    owner: int
    x: float
    y: float
    health: float
    shield: float
    cooldown: float
    order: tuple | None = None
    """(MOVE, x, y), (ATTACK, tag) or (HEAL, tag)."""

    @property
    def kind(self) -> Kind:
        return BY_TYPE[self.type]

    def hurt(self, damage: float) -> None:
        """Apply damage, to shields first; negative damage heals."""
        soaked = min(self.shield, max(damage, 0.0))
        self.shield -= soaked
        self.health = min(self.kind.health, self.health - damage + soaked)


class Game:
    """One game: requested units appear or die, and commands are obeyed, at the next loop."""

    def __init__(self, seed: int) -> None:
        self.dice, self.loop, self._tag = random.Random(seed), 0, 2**32
        self.units: dict[int, Unit] = {}
        self.asked: list[Unit | int] = []

    def create(self, type_: int, owner: int, x: float, y: float) -> None:
        self._tag += 1
        kind = BY_TYPE[type_]
        self.asked.append(Unit(self._tag, type_, owner, x, y, kind.health, kind.shield, kind.cooldown))

    def kill(self, tag: int) -> None:
        self.asked.append(tag)

    def tick(self) -> None:
        self.loop += 1
        for asked in self.asked:
            if isinstance(asked, Unit):
                self.units[asked.tag] = asked
            else:
                self.units.pop(asked, None)
        self.asked.clear()
        hits = [hit for unit in self.units.values() if (hit := self._act(unit)) is not None]
        for target, damage in hits:
            target.hurt(damage)
        self.units = {tag: unit for tag, unit in self.units.items() if unit.health > 0}

    def _act(self, unit: Unit) -> tuple[Unit, float] | None:
        """Move a unit, or let it shoot; return who is hit, and how hard."""
        unit.cooldown = max(0.0, unit.cooldown - 1)
        order = unit.order if unit.owner == OWN else self._enemy_order(unit)
        if order is None:
            return None
        if order[0] == MOVE:
            self._walk(unit, *order[1:])
            return None
        target = self.units.get(order[1])
        if target is None:
            unit.order = None
        elif math.dist((unit.x, unit.y), (target.x, target.y)) > max(unit.kind.reach, TOUCH):
            self._walk(unit, target.x, target.y)
        elif unit.cooldown <= 0:
            unit.cooldown = unit.kind.cooldown * self.dice.uniform(0.9, 1.1)
            return target, unit.kind.damage
        return None

    def _enemy_order(self, unit: Unit) -> tuple | None:
        """Replace the built-in AI: go after the nearest unit, to shoot it or (medivacs) to heal it."""
        heals = unit.kind.damage < 0
        others = (u for u in self.units.values() if (u.owner == unit.owner) == heals and u.kind.damage > 0)
        nearest = min(others, key=lambda u: math.dist((u.x, u.y), (unit.x, unit.y)), default=None)
        return nearest and (HEAL if heals else ATTACK, nearest.tag)

    def _walk(self, unit: Unit, x: float, y: float) -> None:
        left = math.dist((unit.x, unit.y), (x, y))
        share = min(1.0, SPEED / left) if left else 0.0
        unit.x = min(SIZE - 0.5, max(0.5, unit.x + share * (x - unit.x)))
        unit.y = min(SIZE - 0.5, max(0.5, unit.y + share * (y - unit.y)))
