"""What the notebook on unseen teammates reads from recorded tables: what is at stake, pairs of arms, one run's sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from omg_lib.experiment.evaluate import Score
from omg_lib.lessons.table import Table

Row = Mapping[str, Any]
KINDS = ("seen", "homologue", "non_homologue")
WORDS = ("above", "below", "not told apart from")
STAKES = {"about 0.1": 0.1, "about 0.3": 0.3, "about 0.5": 0.5}
CONTROL = "iql_actions"
CONTROLS = {
    "oracle": "is told the teammates, which neither of the two is",
    "liam": "reads no co-player's actions when it acts",
    CONTROL: "reads what OMG's inference reads, and has no subgoal",
}
"""Arms that may stand beside OMG and IQL, and what each of them reads."""


def stakes(cross: Sequence[Row]) -> tuple[float, float]:
    """Win rate in one seat of each team in turn: of the member that suits it best, and of the best single member."""
    teams = [row["in one seat"] for row in cross]
    suited = sum(max(row[team] for row in cross) for team in teams) / len(teams)
    return suited, max(sum(row[team] for team in teams) / len(teams) for row in cross)


def nearest_stake(cross: Sequence[Row]) -> str:
    """The key of STAKES that is nearest to what there is to gain."""
    suited, single = stakes(cross)
    return min(STAKES, key=lambda words: abs(STAKES[words] - (suited - single)))


def gap(gaps: Sequence[Row], arm: str, kind: str, other: str) -> tuple[float, float, float]:
    """The paired difference of two arms and the ends of its interval, as they were recorded."""
    (row,) = (row for row in gaps if (row["arm"], row["kind"]) == (arm, kind))
    return tuple(row[f"minus_{other}{end}"] for end in ("", "_low", "_high"))


def verdict(gaps: Sequence[Row], arm: str, kind: str, other: str) -> str:
    """Which of WORDS the interval supports."""
    _, low, high = gap(gaps, arm, kind, other)
    return "above" if low > 0 else "below" if high < 0 else "not told apart from"


def said(gaps: Sequence[Row], arm: str, kind: str, other: str) -> str:
    """A difference with its interval, to three decimals: two may round an end to 0."""
    mean, low, high = gap(gaps, arm, kind, other)
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def pair_table(gaps: Sequence[Row], bars: Sequence[Row], arms: Sequence[str], other: str) -> Table:
    """Each arm minus another one, for every kind of teammates, with how many seeds and sets stand behind it."""
    sets = {row["kind"]: int(row["sets"]) for row in bars}
    seeds = {row["arm"]: int(row["seeds"]) for row in gaps}
    heads = ("arm", "seeds", *(f"{kind.replace('_', '-')}, {sets[kind]} sets" for kind in KINDS))
    rows = [(arm, str(seeds[arm]), *(said(gaps, arm, kind, other) for kind in KINDS)) for arm in arms]
    return Table(heads, tuple(rows), caption=f"win rate of each arm minus that of {other} [95 % interval]")


def noise(episodes: int) -> float:
    """Half of the 95 % interval of a win rate near a half, from so many battles."""
    return 1.96 * math.sqrt(0.25 / episodes)


def played_table(scores: Sequence[Score], recorded: Sequence[Row], arm: str, seed: int) -> Table:
    """What a run won just now beside what was recorded of the same run, set by set."""
    mine = [row for row in recorded if row["group"] == "methods" and (row["arm"], row["seed"]) == (arm, seed)]
    then = {row["teammates"]: row for row in mine}
    now, before = scores[0].episodes, int(mine[0]["episodes"])
    lines = [(s.teammates, s.kind, f"{s.win_rate:.2f}", f"{then[s.teammates]['win_rate']:.2f}") for s in scores]
    caption = "A win rate near a half is uncertain by "
    caption += f"{noise(now):.2f} from {now} battles, {noise(before):.2f} from {before}."
    heads = ("teammates", "kind", f"{now} battles, now", f"{before} battles, recorded")
    return Table(heads, tuple(lines), caption=caption)
