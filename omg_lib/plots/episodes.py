"""Tables of one episode, row by row, and of what playing costs."""

from __future__ import annotations

from collections.abc import Sequence

from tensordict import TensorDictBase

from omg_lib.lessons.clocks import Tick
from omg_lib.lessons.table import Table
from omg_lib.plots.units import seconds_text
from omg_lib.words import _


def step_table(episode: TensorDictBase, rows: Sequence[int], e: int = 0) -> Table:
    """List what a batch holds of episode e at these rows; the learner's own action is highlighted.

    obs and state are too long to print: they show as "yes", or "zeros" if every number is 0.
    """
    seat = int(episode["seat"][e, 0, 0]) if "seat" in episode.keys() else None
    agents, strong, lines = episode["actions"].shape[2], set(), []
    for number, t in enumerate(rows):
        at = episode[e, t]
        seen = [_("yes") if (at[key] != 0).any() else _("zeros") for key in ("obs", "state")]
        actions = [str(int(a)) for a in at["actions"][:, 0]]
        flags = [str(bool(at[key][0])) for key in ("terminated", "filled")]
        lines.append((f"t = {t}", *seen, *actions, f"{float(at['reward'][0]) + 0.0:.3f}", *flags))
        if seat is not None:
            strong.add((number, 3 + seat))
    heads = (
        "",
        "obs",
        "state",
        *(_("action {a}").format(a=a) for a in range(agents)),
        "reward",
        "terminated",
        "filled",
    )
    caption = "" if seat is None else _("* the learner's seat: {seat}").format(seat=seat)
    return Table(heads, tuple(lines), frozenset(strong), caption)


def clock_table(ticks: Sequence[Tick]) -> Table:
    """Tabulate both clocks for every width, and steps per second."""
    rows = [
        (tick.device, str(tick.width), seconds_text(tick.lockstep), seconds_text(tick.step), f"{1 / tick.step:,.0f}")
        for tick in ticks
    ]
    heads = (_("device"), "R", _("one lockstep"), _("one step of one episode"), _("steps per second"))
    return Table(heads, tuple(rows))
