"""What the notebook on unseen teammates reads from recorded tables: stakes, pairs of arms, the sets of one run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from omg_lib.experiment.evaluate import Score
from omg_lib.lessons.table import Table
from omg_lib.words import N_, _

Row = Mapping[str, Any]
KINDS = ("seen", "homologue", "non_homologue")
WORDS = ("above", "below", "not told apart from")
STAKES = {"about 0.1": 0.1, "about 0.3": 0.3, "about 0.5": 0.5}
CONTROL = "iql_actions"
CONTROLS = {
    "oracle": N_("knows the teammates, which neither of the two does"),
    "liam": N_("reads no co-player's actions when it acts"),
    CONTROL: N_("reads what OMG's inference reads, and has no subgoal"),
}
"""Arms to compare with OMG and IQL, and what each of them reads."""


def stakes(cross: Sequence[Row]) -> tuple[float, float]:
    """Return the mean win rate over the teams of the best-suited member of each, and of the best single member."""
    teams = [row["in one seat"] for row in cross]
    suited = sum(max(row[team] for row in cross) for team in teams) / len(teams)
    return suited, max(sum(row[team] for team in teams) / len(teams) for row in cross)


def nearest_stake(cross: Sequence[Row]) -> str:
    """Return the key of STAKES closest to the possible gain."""
    suited, single = stakes(cross)
    return min(STAKES, key=lambda words: abs(STAKES[words] - (suited - single)))


def gap(gaps: Sequence[Row], arm: str, kind: str, other: str) -> tuple[float, float, float]:
    """Return the recorded paired difference of two arms and the ends of its interval."""
    (row,) = (row for row in gaps if (row["arm"], row["kind"]) == (arm, kind))
    return tuple(row[f"minus_{other}{end}"] for end in ("", "_low", "_high"))


def verdict(gaps: Sequence[Row], arm: str, kind: str, other: str) -> str:
    """Return which of WORDS the interval supports."""
    __, low, high = gap(gaps, arm, kind, other)
    return "above" if low > 0 else "below" if high < 0 else "not told apart from"


def said(gaps: Sequence[Row], arm: str, kind: str, other: str) -> str:
    """Format a difference with its interval to three decimals: with two, an end may round to 0."""
    mean, low, high = gap(gaps, arm, kind, other)
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def pair_table(gaps: Sequence[Row], bars: Sequence[Row], arms: Sequence[str], other: str) -> Table:
    """Return a table of each arm minus another one, for every kind of teammates, with the number of seeds and sets."""
    sets = {row["kind"]: int(row["sets"]) for row in bars}
    seeds = {row["arm"]: int(row["seeds"]) for row in gaps}
    heads = (
        _("arm"),
        _("seeds"),
        *(_("{kind}, {n} sets").format(kind=kind.replace("_", "-"), n=sets[kind]) for kind in KINDS),
    )
    rows = [(arm, str(seeds[arm]), *(said(gaps, arm, kind, other) for kind in KINDS)) for arm in arms]
    return Table(
        heads, tuple(rows), caption=_("win rate of each arm minus that of {other} [95 % interval]").format(other=other)
    )


def noise(episodes: int) -> float:
    """Return half the width of the 95 % interval of a win rate near one half, from this many battles."""
    return 1.96 * math.sqrt(0.25 / episodes)


def played_table(scores: Sequence[Score], recorded: Sequence[Row], arm: str, seed: int) -> Table:
    """Return a table of a run's win rates, now and as recorded, set by set."""
    mine = [row for row in recorded if row["group"] == "methods" and (row["arm"], row["seed"]) == (arm, seed)]
    then = {row["teammates"]: row for row in mine}
    now, before = scores[0].episodes, int(mine[0]["episodes"])
    lines = [(s.teammates, s.kind, f"{s.win_rate:.2f}", f"{then[s.teammates]['win_rate']:.2f}") for s in scores]
    caption = _(
        "A win rate near one half is uncertain by {noise:.2f} from {now} battles, {noise_before:.2f} from {before}."
    ).format(noise=noise(now), now=now, noise_before=noise(before), before=before)
    heads = (
        _("teammates"),
        _("kind"),
        _("{now} battles, now").format(now=now),
        _("{before} battles, recorded").format(before=before),
    )
    return Table(heads, tuple(lines), caption=caption)
