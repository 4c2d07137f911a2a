"""Where the time of one update goes as games are added, as bars; recorded runner speeds, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omg_lib.lessons.capacity import ClusterPlan, Costs, cycle, speed
from omg_lib.lessons.table import Table
from omg_lib.plots.page import Number, svg_box, svg_frame, svg_hatches, svg_text
from omg_lib.system.files import read_table
from omg_lib.words import N_, _, labelled, listing, plural

PARTS = {N_("playing"): ("#1f9a68", ""), N_("carrying"): ("#dd7011", "M0 6L6 0"), N_("learning"): ("#3b82d6", "M0 3H6")}
"""Part of an update -> colour and hatch: colour is never the only cue."""
SPEED = "steps_per_second"
LEFT, WIDE, LINE = 118, 470, 24


def capacity_svg(costs: Costs, cores: int, planned: ClusterPlan, wanted: Number, most: int = 64) -> str:
    """Draw one bar per number of games: the seconds of an update, split into parts, and the resulting steps a second.

    `cores` is how many a run may use. The bar for `planned.games` is marked; below the bars is the speed that each run
    must reach for `wanted` steps a second.
    """
    counts = sorted({*(2**k for k in range(most.bit_length()) if 2**k <= most), planned.games})
    scale = WIDE / sum(cycle(costs, counts[0], cores))
    parts = [svg_hatches("capacity", PARTS)]
    said = []
    for index, games in enumerate(counts):
        x, y = LEFT, 6 + index * LINE
        mark = "▸ " if games == planned.games else ""
        label = plural("{n} game", "{n} games", games).format(n=games)
        parts.append(svg_text(LEFT - 8, y + 13, mark + label, text_anchor="end"))
        for name, seconds in zip(PARTS, cycle(costs, games, cores), strict=True):
            parts += _bar(name, x, y, seconds * scale, LINE - 7)
            x += seconds * scale
        words = _("{seconds:.2f} s, {speed:,.0f} steps/s").format(
            seconds=sum(cycle(costs, games, cores)), speed=speed(costs, games, cores)
        )
        parts.append(svg_text(x + 6, y + 13, words))
        said.append(labelled(label, words))
    y = 14 + len(counts) * LINE
    for index, name in enumerate(PARTS):
        parts += [*_bar(name, LEFT + 110 * index, y, 14, 14), svg_text(LEFT + 110 * index + 20, y + 12, _(name))]
    asked = _("each run must reach {wanted:,.1f} steps/s").format(wanted=wanted / planned.runs)
    parts.append(svg_text(LEFT + 350, y + 12, asked))
    return svg_frame(
        LEFT + WIDE + 160,
        y + 22,
        _("One update takes, with {said}; {asked}.").format(said=listing(said, "; "), asked=asked),
        parts,
    )


def _bar(name: str, x: Number, y: Number, width: Number, height: Number) -> list[str]:
    colour, hatch = PARTS[name]
    hatched = [svg_box(x, y, width, height, f"url(#capacity-{name})", 1)] if hatch else []
    return [svg_box(x, y, width, height, colour, 0.75), *hatched]


def recorded_speeds(path: str | Path) -> Table:
    """Tabulate a recording of `benchmarks.ray_runner`: environment steps a second of local runners and Ray actors."""
    rows = read_table(path)
    lines = [
        (row["game"], who(row), row["width"], f"{float(row[SPEED]):,.0f}",
         _("{low:,.0f} to {high:,.0f}").format(low=float(row['low']), high=float(row['high'])))
        for row in rows
    ]  # fmt: skip
    caption = _("recorded, {rounds} rounds each, {cores} cores").format(
        rounds=rows[0]["rounds"], cores=rows[0]["cores"]
    )
    return Table((_("game"), _("played by"), "R", _("steps/s"), _("range")), tuple(lines), _best(rows), caption)


def who(row: dict[str, str]) -> str:
    """Describe what played the episodes of a recorded row."""
    if row["runner"] == "local":
        return _("this process")
    if row["runner"] == "processes":
        return _("{width} processes").format(width=row["width"])
    return plural("{n} actor", "{n} actors", int(row["actors"])).format(n=row["actors"])


def _best(rows: Sequence[dict[str, str]]) -> frozenset[tuple[int, int]]:
    """Return the cells to highlight: the speed of each game's fastest row."""
    best = {row["game"]: index for index, row in sorted(enumerate(rows), key=lambda line: float(line[1][SPEED]))}
    return frozenset((index, 3) for index in best.values())
