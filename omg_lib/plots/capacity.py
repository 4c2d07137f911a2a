"""Where the time of one update goes as games are added, as bars; recorded runner speeds, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omg_lib.lessons.capacity import ClusterPlan, Costs, cycle, speed
from omg_lib.lessons.table import Table
from omg_lib.plots.page import Number, svg_box, svg_frame, svg_hatches, svg_text
from omg_lib.system.files import read_table

PARTS = {"playing": ("#1f9a68", ""), "carrying": ("#dd7011", "M0 6L6 0"), "learning": ("#3b82d6", "M0 3H6")}
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
        parts.append(svg_text(LEFT - 8, y + 13, f"{mark}{games} game{'s' if games > 1 else ''}", text_anchor="end"))
        for name, seconds in zip(PARTS, cycle(costs, games, cores), strict=True):
            parts += _bar(name, x, y, seconds * scale, LINE - 7)
            x += seconds * scale
        words = f"{sum(cycle(costs, games, cores)):.2f} s, {speed(costs, games, cores):,.0f} steps/s"
        parts.append(svg_text(x + 6, y + 13, words))
        said.append(f"{games} games: {words}")
    y = 14 + len(counts) * LINE
    for index, name in enumerate(PARTS):
        parts += [*_bar(name, LEFT + 110 * index, y, 14, 14), svg_text(LEFT + 110 * index + 20, y + 12, name)]
    asked = f"each run must reach {wanted / planned.runs:,.1f} steps/s"
    parts.append(svg_text(LEFT + 350, y + 12, asked))
    return svg_frame(LEFT + WIDE + 160, y + 22, f"One update takes, with {'; '.join(said)}; {asked}.", parts)


def _bar(name: str, x: Number, y: Number, width: Number, height: Number) -> list[str]:
    colour, hatch = PARTS[name]
    hatched = [svg_box(x, y, width, height, f"url(#capacity-{name})", 1)] if hatch else []
    return [svg_box(x, y, width, height, colour, 0.75), *hatched]


def recorded_speeds(path: str | Path) -> Table:
    """Tabulate a recording of `benchmarks.ray_runner`: environment steps a second of local runners and Ray actors."""
    rows = read_table(path)
    lines = [
        (row["game"], who(row), row["width"], f"{float(row[SPEED]):,.0f}",
         f"{float(row['low']):,.0f} to {float(row['high']):,.0f}")
        for row in rows
    ]  # fmt: skip
    caption = f"recorded, {rows[0]['rounds']} rounds each, {rows[0]['cores']} cores"
    return Table(("game", "played by", "R", "steps/s", "range"), tuple(lines), _best(rows), caption)


def who(row: dict[str, str]) -> str:
    """Describe what played the episodes of a recorded row."""
    if row["runner"] == "local":
        return "this process"
    if row["runner"] == "processes":
        return f"{row['width']} processes"
    return f"{row['actors']} actor{'s' if row['actors'] != '1' else ''}"


def _best(rows: Sequence[dict[str, str]]) -> frozenset[tuple[int, int]]:
    """Return the cells to highlight: the speed of each game's fastest row."""
    best = {row["game"]: index for index, row in sorted(enumerate(rows), key=lambda line: float(line[1][SPEED]))}
    return frozenset((index, 3) for index in best.values())
