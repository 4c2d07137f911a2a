"""One row of an update as a picture: what each TD target is made of, and what the network predicted."""

from __future__ import annotations

from html import escape

from omg_lib.lessons.td_target import Targets
from omg_lib.plots.page import svg_frame, svg_hatches
from omg_lib.words import _

Number = int | float
EARNED, ESTIMATED, ERROR = "#dd7011", "#3b82d6", "#e0484d"
"""Contrast of 3 or more on white and on black."""
LEFT, TOP, WIDTH, HEIGHT = 46, 26, 720, 190


def target_svg(targets: Targets, group: int, slot: int, mask: bool = True) -> str:
    """Return the text of an `<svg>` element: one column per transition of one slot, padding included.

    Solid orange is what was earned. Hatched blue, beside it and starting where it ends, is what is estimated; the bar
    ends at the target. The dot is Q of the action taken, the line between dot and target the error. With `mask`,
    padding is drawn but does not count. The scale fits the slot, rounded up to keep it from jumping.
    """
    taken, reward, bootstrap = (x[group, :, slot].tolist() for x in (targets.taken, targets.reward, targets.bootstrap))
    real, ended = targets.real[group, :, slot].tolist(), targets.ended[group, :, slot].tolist()
    count, lived = len(real), sum(real)
    step, values = WIDTH / count, [*taken, *reward, *(r + b for r, b in zip(reward, bootstrap, strict=True))]
    low, high = 0.0 - _round_up(-min(values)), _round_up(max(values))

    def y(value: Number) -> float:
        return TOP + HEIGHT * (high - value) / (high - low)

    parts = [svg_hatches("omg", {"estimated": (ESTIMATED, "M0 6L6 0")})]
    if lived < count:
        words = _("padding: masked") if mask else _("padding: counted")
        parts += [
            _rect(LEFT + lived * step, TOP, (count - lived) * step, HEIGHT, "#888888", 0.15),
            _text(LEFT + WIDTH, TOP - 6, words, text_anchor="end", fill="currentColor" if mask else ERROR),
        ]
    for t in range(count):
        faint, counts = "" if real[t] else ' opacity=".55"', real[t] or not mask
        x, target = LEFT + t * step + 0.05 * step, reward[t] + bootstrap[t]
        lane = LEFT + t * step + 0.8 * step  # beside the bars: red would not show on top of them
        error = f'<path d="M{lane:.1f} {y(taken[t]):.1f}V{y(target):.1f}" stroke="{ERROR}" stroke-width="2"/>'
        parts.append(
            f'<g data-real="{str(real[t]).lower()}"{faint}>'
            + _bar(x, 0.28 * step, y(0), y(reward[t]), EARNED, 0.85)
            + _bar(x + 0.28 * step, 0.28 * step, y(reward[t]), y(target), "url(#omg-estimated)", 1, ESTIMATED)
            + (error if counts else "")
            + _end(x + 0.28 * step, lane + 0.12 * step, y(target))
            + f'<circle cx="{lane:.1f}" cy="{y(taken[t]):.1f}" r="3.2"/></g>'
        )
    late = lived * step > 280
    last = max(LEFT + (lived - 0.5) * step, LEFT + 46)
    end = _("the game ended: nothing to estimate") if any(ended) else _("cut off by the limit: still estimated")
    for value in sorted({low, 0.0, high / 2, high}):
        parts.append(f'<path d="M{LEFT} {y(value):.1f}H{LEFT + WIDTH}" stroke="currentColor" stroke-opacity=".15"/>')
        parts.append(_text(LEFT - 5, y(value) + 4, f"{value:g}", text_anchor="end"))
    parts += [
        f'<path d="M{LEFT} {y(0):.1f}H{LEFT + WIDTH}" stroke="currentColor" stroke-opacity=".5"/>',
        _text(LEFT, TOP + HEIGHT + 16, "t = 0"),
        _text(last, TOP + HEIGHT + 16, f"t = {lived - 1}, {end}", text_anchor="end" if late else "start"),
    ]
    legend = TOP + HEIGHT + 28
    for x, drawn, words in (
        (LEFT, _rect(LEFT, legend, 14, 14, EARNED, 0.85), _("earned: rewards")),
        (LEFT + 130, _rect(LEFT + 130, legend, 14, 14, "url(#omg-estimated)", 1, ESTIMATED), _("estimated: bootstrap")),
        (LEFT + 290, _end(LEFT + 290, LEFT + 304, legend + 7), _("the target: their sum")),
        (LEFT + 445, f'<circle cx="{LEFT + 452}" cy="{legend + 7}" r="3.2"/>', _("Q of the action taken")),
        (
            LEFT + 600,
            f'<path d="M{LEFT + 607} {legend}v14" stroke="{ERROR}" stroke-width="2"/>',
            _("error that counts"),
        ),
    ):
        parts += [drawn, _text(x + 20, legend + 12, words)]
    said = _(
        "Group {group}, slot {slot}: {lived} real transitions, {padding} of padding, {mask}. At t = 0 "
        "the target is {earned:.3f} earned and {estimated:.3f} estimated, Q is {taken:.3f}. {end}. "
        "Loss of the whole batch {loss:.4f}."
    ).format(
        group=group,
        slot=slot,
        lived=lived,
        padding=count - lived,
        mask=_("masked") if mask else _("counted"),
        earned=reward[0],
        estimated=bootstrap[0],
        taken=taken[0],
        end=end[0].upper() + end[1:],
        loss=targets.loss,
    )
    width = LEFT + WIDTH + 8
    return svg_frame(width, legend + 20, said, parts)


def _round_up(value: float) -> float:
    """Round up to the next of 0, .5, 1, 2, 5, 10, 20, ...

    >>> [_round_up(value) for value in (-1.0, 0.3, 1.2, 5.0, 12.0)]
    [0.0, 0.5, 2.0, 5.0, 20.0]
    """
    steps = [0.0, 0.5, *(first * 10.0**power for power in range(9) for first in (1, 2, 5))]
    return next(step for step in steps if value <= step)


def _bar(x: Number, width: Number, start: Number, end: Number, fill: str, opacity: Number, stroke: str = "") -> str:
    """Draw a bar that may go up or down."""
    return _rect(x, min(start, end), width, abs(end - start), fill, opacity, stroke)


def _end(left: Number, right: Number, y: Number) -> str:
    return f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="currentColor" stroke-width="2.5"/>'


def _rect(x: Number, y: Number, width: Number, height: Number, fill: str, opacity: Number, stroke: str = "") -> str:
    size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    edge = f' stroke="{stroke}"' if stroke else ""
    return f'<rect {size} fill="{fill}" fill-opacity="{opacity:g}"{edge}/>'


def _text(x: Number, y: Number, text: str, **more: str) -> str:
    named = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}>{escape(text)}</text>'
