"""Draw battles: `frame_svg` for one frame, `episode_gif` for a list of frames. No display is needed.

A frame is what `env.frame(row)` returns. Blue discs are your team, orange triangles the enemy, crosses dead units; the
bar above a unit is its health, a line is a shot. With combined fire, beams that meet at one enemy glow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from omg_lib.seeds import TEST_EPISODES
from omg_lib.system.fonts import drawn
from omg_lib.words import N_, _

TEAM_LOOKS = (("#2f7fe0", "o"), ("#d9660a", "^"))
"""Colour and marker of each team; these and INK have a contrast of at least 3 on white and on black."""
INK, GLOW, PAPER = "#808080", "#c8a415", "#f6f6f3"


def view_half(frames: Sequence[dict[str, Any]]) -> float:
    """Return half the width of a view, centred on the map's centre, that holds every unit of these frames."""
    if "picture" in frames[0]:
        return 0.0  # its own view
    return min(frames[0]["map_half"], 2 + max(float(np.abs(frame["position"]).max()) for frame in frames))


def draw_frame(frame: dict[str, Any], ax: Axes, half: float | None = None) -> None:
    """Draw one frame on empty axes that show the map up to `half` from its centre (or all of it). If the game renders
    itself, draw its own `picture`.
    """
    if "picture" in frame:
        ax.imshow(frame["picture"])
        ax.set(xticks=[], yticks=[])
        ax.set_title(
            drawn("{battle}, step {time}").format(battle=_battle(frame, drawn), time=frame["time"]),
            color=INK,
            fontsize=10,
        )
        return
    half = half or frame["map_half"]
    ax.set(xlim=(-half, half), ylim=(-half, half), xticks=[], yticks=[], aspect="equal", facecolor="none")
    ax.spines[:].set_color(INK)
    title = drawn("{battle}, step {time}")
    if frame["done"]:
        title = drawn("{battle}, step {time} - won") if frame["won"] else drawn("{battle}, step {time} - not won")
    ax.set_title(
        title.format(battle=_battle(frame, drawn), time=frame["time"]),
        color=INK,
        fontsize=10,
    )
    for team, (colour, marker) in enumerate(TEAM_LOOKS):
        _draw_shots(frame, team, colour, ax)
        place, health = frame["position"][team], frame["health"][team]
        alive = health > 0
        ax.scatter(*place[alive].T, s=60, c=colour, marker=marker, zorder=3)
        ax.scatter(*place[~alive].T, s=30, c=INK, marker="x", zorder=2, alpha=0.6)
        for (x, y), share in zip(place[alive], health[alive], strict=True):
            left, high = x - 0.04 * half, y + 0.055 * half
            ax.plot([left, left + 0.08 * half * share], [high, high], color=colour, linewidth=2, zorder=3)


def _draw_shots(frame: dict[str, Any], team: int, colour: str, ax: Axes) -> None:
    for shooter, target in np.argwhere(frame["shots"][team]):
        beam = np.stack([frame["position"][team, shooter], frame["position"][1 - team, target]], axis=-1)
        joined = frame["joined"][target] if team == 0 else 0.0
        if joined * len(frame["joined"]) > 1:
            ax.plot(*beam, color=GLOW, linewidth=3 + 6 * joined, alpha=0.35, solid_capstyle="round", zorder=1)
        ax.plot(*beam, color=colour, linewidth=1.2, zorder=2)


def frame_svg(frame: dict[str, Any], inches: float = 4.0) -> str:
    """Return one frame as an `<svg>` element with a transparent background."""
    figure, ax = _canvas(inches)
    draw_frame(frame, ax, view_half([frame]))
    return named_svg(figure, spoken(frame))


def spoken(frame: dict[str, Any]) -> str:
    """Describe a frame for screen readers."""
    if "picture" in frame:
        return _("{battle}, step {time}").format(battle=_battle(frame), time=frame["time"])
    ours, theirs = (
        _("{alive} of {all}").format(alive=int((health > 0).sum()), all=len(health)) for health in frame["health"]
    )
    return _("Battle, {battle}, step {time}: {ours} own units and {theirs} enemies are alive.").format(
        battle=_battle(frame), time=frame["time"], ours=ours, theirs=theirs
    )


def _battle(frame: dict[str, Any], words: Callable[[str], str] = _) -> str:
    """Name a frame's episode. Test episodes are numbered from a billion, but shown from 0."""
    number = int(frame["episode"])
    return (
        words(N_("episode {number}")).format(number=number)
        if number < TEST_EPISODES
        else words(N_("test battle {number}")).format(number=number - TEST_EPISODES)
    )


def named_svg(figure: Figure, said: str) -> str:
    """Return a figure as an `<svg>` element with a transparent background; `said` is its accessible name."""
    text = StringIO()
    figure.savefig(text, format="svg", transparent=True)
    svg = text.getvalue()
    return own_ids(f'<svg role="img" aria-label="{escape(said)}"' + svg[svg.index("<svg") + len("<svg") :])


def own_ids(svg: str) -> str:
    """Return the same drawing with unique ids.

    A page resolves an id to the first drawing that has it. Once that drawing is hidden, as JupyterLab does with cells
    out of view, every other drawing that refers to the id loses its hatching.
    """
    own = f"omg-{uuid4().hex[:10]}-"
    return re.sub(r'((?<![\w-])id="|url\(#|href="#)', rf"\1{own}", svg)


def episode_gif(frames: Sequence[dict[str, Any]], path: str | Path, fps: int = 8, inches: float = 4.0) -> None:
    """Write frames as a looping GIF; a line at the bottom shows progress. ValueError without frames."""
    if not frames:
        raise ValueError("a GIF needs at least one frame")
    figure, ax = _canvas(inches)
    figure.set_facecolor(PAPER)
    writer, half = PillowWriter(fps=fps), view_half(frames)
    with writer.saving(figure, str(path), dpi=80):
        for number, frame in enumerate(frames, start=1):
            ax.clear()
            draw_frame(frame, ax, half)
            # The line also makes equal frames differ, which the GIF format would otherwise merge into one.
            ax.plot([0, number / len(frames)], [0, 0], color=INK, linewidth=5, transform=ax.transAxes)
            writer.grab_frame()


def _canvas(inches: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(inches, inches), layout="constrained")
    return figure, figure.add_subplot()
