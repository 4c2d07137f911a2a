"""Regrouping as pictures: where each label of a sample went, and what a wrong answer costs in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Int
from matplotlib.figure import Figure
from tensordict import TensorDictBase
from torch import Tensor

from omg_lib.lessons.regroup_answers import MOVED, judge, moved
from omg_lib.lessons.regroup_cost import Trained
from omg_lib.plots.curves import INK
from omg_lib.plots.page import figure_svg, svg_box, svg_frame, svg_hatches, svg_text
from omg_lib.system.fonts import drawn, new_figure
from omg_lib.words import _, listing

Number = int | float
LOOKS = {
    "right": ("#1f9a68", ""),
    "teammate": ("#dd7011", "M0 6L6 0"),
    "slot": ("#9166d6", "M0 3H6"),
    "time": ("#3b82d6", "M3 0V6"),
}
"""What happened to a place -> its colour, with a contrast of 3 on white and on black, and its hatch."""
LINES = (("#1f9a68", "-"), ("#dd7011", "--"), ("#3b82d6", ":"), ("#9166d6", "-."))
"""Colour and line of each answer that is trained."""
ROW, SEAT, CELL, LEFT, TOP, GAP = 22, 44, 74, 70, 42, 72
"""Height of a line, width of a seat on the left and of a place on the right, margins; in the picture's own units."""


def seats_svg(sample: TensorDictBase, result: object = None) -> str:
    """Return the text of an `<svg>` element: the labelled sample on the left, the regrouped labels on the right.

    Each place on the right has `data-moved`: right, teammate, slot or time. A result of another shape is not drawn; its
    shape is printed. Without a result, only the sample is drawn.
    """
    episodes, steps, agents, width = sample["obs"].shape
    groups, learner = episodes // agents, sample["seat"][:, 0, 0].tolist()
    fits = isinstance(result, Tensor) and tuple(result.shape) == (groups, steps, agents, width)
    taken = {(e, s) for e, _, s in result.reshape(-1, width).tolist()} if fits else set()
    x, said = LEFT + agents * SEAT + GAP, _("A sample of labels, not regrouped yet.")
    parts = [svg_hatches("omg-moved", LOOKS)]
    parts.append(
        svg_text(
            4,
            14,
            _("the sample [{episodes}, {steps}, {agents}, F], all steps in one").format(
                episodes=episodes, steps=steps, agents=agents
            ),
            12,
        )
    )
    parts += [
        svg_text(LEFT + (s + 0.5) * SEAT, TOP - 6, _("seat {s}").format(s=s), text_anchor="middle")
        for s in range(agents)
    ]
    for e, own in enumerate(learner):
        parts.append(svg_text(LEFT - 6, TOP + e * ROW + 15, _("episode {e}").format(e=e), text_anchor="end"))
        parts += [_seat(LEFT + s * SEAT, TOP + e * ROW, s == own, (e, s) in taken) for s in range(agents)]
    if result is not None:
        verdict = judge(result, sample)
        said = " ".join([verdict.said, *(f"{line}." for line in verdict.axes)])
        parts += _result(result, sample["seat"], x) if fits else [svg_text(x - 40, TOP + 15, _other(result), 12)]
    bottom = TOP + max(episodes * ROW, groups * (steps * ROW + 8)) + 10
    parts.append(_legend(bottom))
    wide = max(x + agents * CELL + 6, 620)
    return svg_frame(wide, bottom + 62, said, parts)


def cost_svg(panels: Mapping[str, Sequence[Trained]], words: Mapping[int, str]) -> str:
    """Return `cost_figure` as the text of an `<svg>` element with a transparent background."""
    ends = [
        f"{_(title)}: "
        + listing(_("answer {key} ends at {loss:.3f}").format(key=run.key, loss=run.losses[-1]) for run in runs)
        for title, runs in panels.items()
    ]
    return figure_svg(cost_figure(panels, words), ". ".join(ends) + ".")


def cost_figure(panels: Mapping[str, Sequence[Trained]], words: Mapping[int, str]) -> Figure:
    """Plot loss against updates: one panel per title, one line per learner; `words` names the answers."""
    figure = new_figure(9, 3)
    keys = list(dict.fromkeys(run.key for runs in panels.values() for run in runs))
    for ax, (title, runs) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for run in runs:
            colour, line = LINES[keys.index(run.key) % len(LINES)]
            label = f"{run.key}: {drawn(words[run.key])}"
            ax.plot(range(1, len(run.losses) + 1), run.losses, color=colour, linestyle=line, label=label)
        ax.set_title(drawn(title), color=INK, fontsize=10)
        ax.set_xlabel(drawn("update"), color=INK, fontsize=9)
        ax.set(facecolor="none", ylim=(0, None))
        ax.tick_params(colors=INK, labelsize=8)
        ax.spines[:].set_color(INK)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
    lines = {line.get_label(): line for ax in figure.axes for line in ax.lines}
    figure.legend(lines.values(), lines, loc="outside lower center", ncols=2, fontsize=8, frameon=False, labelcolor=INK)
    return figure


# --- pieces ----------------------------------------------------------------------------------------------------------


def _result(result: Int[Tensor, "G T A 3"], seat: Tensor, x: int) -> list[str]:
    """Draw every place of the result with its label: episode, time step, seat."""
    groups, steps, agents, __ = result.shape
    parts = [
        svg_text(
            x - 40,
            14,
            _("the result [{groups}, {steps}, {agents}, F]").format(groups=groups, steps=steps, agents=agents),
            12,
        )
    ]
    parts += [
        svg_text(x + (a + 0.5) * CELL, TOP - 6, _("slot {a}").format(a=a), text_anchor="middle") for a in range(agents)
    ]
    for g, (group, judged) in enumerate(zip(result.tolist(), moved(result, seat), strict=True)):
        top = TOP + g * (steps * ROW + 8)
        parts.append(svg_text(x - 40, top + 15, f"g{g}", font_weight="bold"))
        for t, (row, kinds) in enumerate(zip(group, judged, strict=True)):
            y = top + t * ROW
            parts.append(svg_text(x - 6, y + 15, f"t{t}", text_anchor="end"))
            for a, ((e, time, s), kind) in enumerate(zip(row, kinds, strict=True)):
                label = svg_text(x + (a + 0.5) * CELL + 5, y + 15, f"e{e} t{time} s{s}", text_anchor="middle")
                parts.append(f'<g data-moved="{kind}">{place(x + a * CELL + 1, y + 1, CELL - 2, kind)}{label}</g>')
    return parts


def _other(result: object) -> str:
    """Describe a result that cannot be drawn."""
    if isinstance(result, Tensor):
        return _("the result {shape}: another shape").format(shape=list(result.shape))
    return _("the result is not a tensor: {name}").format(name=type(result).__name__)


def _seat(x: int, y: int, own: bool, taken: bool) -> str:
    """Draw one seat of one episode: green if the learner sat there, with a dot if the answer used it."""
    box = svg_box(x + 1, y + 1, SEAT - 2, ROW - 2, LOOKS["right"][0] if own else "#888888", 0.7 if own else 0.15)
    dot = f'<circle cx="{x + SEAT / 2:g}" cy="{y + ROW / 2:g}" r="4"/>' if taken else ""
    return f'<g data-own="{str(own).lower()}" data-taken="{str(taken).lower()}">{box}{dot}</g>'


def place(x: Number, y: Number, width: Number, kind: str) -> str:
    """Draw a place in the colour and hatch of its kind; the picture needs `svg_hatches("omg-moved", LOOKS)`."""
    colour, hatch = LOOKS[kind]
    frame = svg_box(x, y, width, ROW - 2, colour, 0.25, stroke=colour)
    return frame + (svg_box(x, y, 10, ROW - 2, f"url(#omg-moved-{kind})", 1) if hatch else "")


def _legend(y: int) -> str:
    parts = [
        svg_box(4, y + 3, 16, 14, LOOKS["right"][0], 0.7),
        svg_text(26, y + 15, _("the learner's seat")),
        f'<circle cx="12" cy="{y + 31}" r="4"/>',
        svg_text(26, y + 35, _("used by the answer")),
    ]
    for number, kind in enumerate(LOOKS):
        x, top = (150, 440)[number % 2], y + 23 * (number // 2)
        parts += [place(x, top + 1, 18, kind), svg_text(x + 26, top + 15, _(MOVED[kind]))]
    return "".join(parts) + svg_text(4, y + 56, _("e: episode, t: time step, s: seat"))
