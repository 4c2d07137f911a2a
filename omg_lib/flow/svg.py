"""`flow_svg`: the flow of tensors through one update, as an SVG picture.

One row per stage. The chart in the middle is drawn to scale: one column per episode (or group), one line per seat, full
colour for the learner's own data. Runner columns too thin to see are widened, and the factor is printed beside them.
With teammates, a sample is a wide staircase, because each episode holds one learner's seat; regrouping packs it into a
narrow, full block of the same area.

Every number comes from the traces that `predict` and `Training` make. No Jupyter is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from omg_lib.flow.reasons import (
    at_most,
    difference_text,
    has_regrouping,
    headline,
    other_fields,
    reason,
    shape_text,
    spoken,
)
from omg_lib.plots.axes import KINDS, axis_kind
from omg_lib.plots.page import svg_frame, svg_hatches, svg_text
from omg_lib.plots.stages import stage_bytes, stage_device
from omg_lib.plots.units import seconds_text
from omg_lib.predict import Difference
from omg_lib.trace import Field, ShapeTrace, Stage
from omg_lib.words import _, plural

Number = int | float
WIDTH = 900
"""Width of the picture in its own units; on a page it scales down with its frame."""
NUMBER_X, CHART_X, CHIPS_X, RUN_X, CHART_WIDTH, BLOCK = 236, 250, 456, 724, 192, 34
ROOM, THINNEST, WIDER = 204, 3.0, 120
"""Maximum width of a chart, thinnest visible column, and total width of columns that are widened."""
MARKS = {"predicted": ("#888888", "?"), "equal": ("#1f9a68", "="), "different": ("#e0484d", "≠")}


def flow_svg(plan: ShapeTrace, trace: ShapeTrace | None = None, differences: Sequence[Difference] = ()) -> str:
    """Return the text of an `<svg>` element: each stage as predicted and, with a trace, as measured beside it.

    Each row is a `<g>` with `data-stage` and `data-state`: predicted, equal or different.
    """
    measured = {stage.name: stage for stage in trace.stages} if trace else {}
    wrong = {difference.stage: difference for difference in reversed(differences)}
    stages = [*plan.stages, *(stage for name, stage in measured.items() if name not in _names(plan))]
    states = {s.name: "predicted" if not trace else "different" if s.name in wrong else "equal" for s in stages}
    parts, y, before = [svg_hatches("omg", KINDS), _summary(plan), _heads(trace)], 112.0, None
    for stage in stages:
        others = other_fields(stage)
        others = "" if before and others == other_fields(before) else others
        height = (75 if others else 60) if stage.fields and stage.leading else 44
        body = _planned(stage, plan, trace, wrong.get(stage.name), others)
        body += _ran(measured.get(stage.name), states[stage.name], trace)
        named = f'data-stage="{escape(stage.name)}" data-state="{states[stage.name]}"'
        body = f'<path d="M4 0H{WIDTH - 4}" stroke="currentColor" stroke-opacity=".15"/>{body}'
        parts.append(f'<g {named} transform="translate(0 {y:g})">{body}</g>')
        y, before = y + height, stage
    parts.append(_legend(y + 6, has_regrouping(plan)))
    return svg_frame(WIDTH, y + 34, spoken(plan, trace, states), parts, widest=WIDTH + 80)


def _names(plan: ShapeTrace) -> set[str]:
    return {stage.name for stage in plan.stages}


# --- pieces ------------------------------------------------------------------------------------------------


def _rect(x: Number, y: Number, width: Number, height: Number, fill: str, **attributes: Number | str) -> str:
    named = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<rect x="{x:.4g}" y="{y:.4g}" width="{width:.4g}" height="{height:.4g}" fill="{fill}"{named}/>'


def _summary(plan: ShapeTrace) -> str:
    """Draw the three numbers, and why they differ."""
    grouped, sizes = has_regrouping(plan), plan.sizes
    run, sample = plan["runner.run"], plan["buffer.sample"]
    rows = plan["controller.init_hidden"].fields["hidden"].shape
    axis = sample.fields["obs"].axes[0]
    made = f"{axis} = {sizes['G']} × {sizes['A']}" if grouped else axis
    learners = plural("group", "groups", rows[0]) if grouped else plural("episode", "episodes", rows[0])
    steps = [
        (
            _("the runner steps"),
            run.leading,
            "R",
            _("R, {calls} times").format(calls=run.calls) if run.calls > 1 else "R",
            plural("episode", "episodes", run.leading),
        ),
        (_("the sample holds"), sample.leading, axis, made, plural("episode", "episodes", sample.leading)),
        (_("the learner sees"), rows[0], "G", "G", learners),
        (
            _("the network sees"),
            rows[0] * rows[1],
            "",
            f"{rows[0]} × {rows[1]}",
            plural("row", "rows", rows[0] * rows[1]),
        ),
    ]
    parts = []
    for index, (who, number, name, made, what) in enumerate(steps):
        x = 12 + 224 * index
        colour = KINDS[axis_kind(name, grouped)][0] if name else "currentColor"
        digits = len(str(number)) * 24
        parts += [
            svg_text(x, 14, who, 12, opacity=0.75),
            svg_text(x, 50, str(number), 34, font_weight="bold", fill=colour),
            svg_text(x + digits + 8, 36, what, 12),
            svg_text(x + digits + 8, 50, made, 12, opacity=0.75),
        ]
        if index:
            parts.append(svg_text(x - 36, 48, "→", 24, opacity=0.6))
    return "".join(parts) + svg_text(12, 78, headline(plan), 13)


def _heads(trace: ShapeTrace | None) -> str:
    ran = _("measured") if trace is None else _("measured, update {update}").format(update=trace.update)
    heads = [
        (12, _("stage")),
        (NUMBER_X - 66, _("leading axis: columns to scale, one line per seat")),
        (CHIPS_X, _("main field, predicted")),
        (RUN_X, ran),
    ]
    return "".join(svg_text(x, 104, head, 11, opacity=0.75) for x, head in heads)


def _planned(stage: Stage, plan: ShapeTrace, trace: ShapeTrace | None, wrong: Difference | None, others: str) -> str:
    room, __, name = stage.name.rpartition(".")
    calls = _("× {calls} calls").format(calls=stage.calls) if stage.calls > 1 else ""
    parts = [
        svg_text(12, 16, f"{room}." if room else "", 11, opacity=0.75),
        svg_text(12, 31 if room else 22, name, 13, font_weight="bold"),
        svg_text(12, 46, calls, 12, opacity=0.85),
    ]
    grouped = has_regrouping(plan)
    main = next(iter(stage.fields.items()), None)
    if stage.leading is not None and main:
        colour = KINDS[axis_kind(main[1].axes[0], grouped)][0]
        parts.append(svg_text(NUMBER_X, 33, str(stage.leading), 26, font_weight="bold", text_anchor="end", fill=colour))
        parts.append(_chart(stage, plan, colour))
        parts.append(_chips(*main, grouped))
    note_y = 54 if stage.leading is not None else 22
    if wrong:
        red = {"fill": MARKS["different"][0], "font_weight": "bold"}
        parts.append(svg_text(CHART_X, note_y, difference_text(wrong), 11, **red))
    else:
        parts.append(svg_text(CHART_X, note_y, reason(stage.name, plan, trace), 11.5))
        if stage.fields:
            size = at_most(*main[1].axes) + stage_bytes(stage)
            parts.append(svg_text(RUN_X - 12, note_y, size, 11, text_anchor="end", opacity=0.75))
    if others:
        parts.append(svg_text(CHART_X, 68, _("also {fields}").format(fields=others), 9.5, opacity=0.75))
    return "".join(parts)


def _chart(stage: Stage, plan: ShapeTrace, colour: str) -> str:
    """Draw a column per episode or group and a line per seat; full colour is the learner's own data."""
    A, G = plan.sizes["A"], plan.sizes["G"]
    alone = has_regrouping(plan) and "seat" in stage.fields  # one learner's seat in each episode
    scale = CHART_WIDTH / (G * A)
    note = ""
    if stage.name == "runner.run" or stage.name == "buffer.insert_episode_batch":
        played = stage.calls * stage.leading
        column = scale if THINNEST <= scale <= ROOM / played else min(THINNEST, WIDER / played)
        gap = min(3.0, (ROOM - column * played) / stage.calls)  # a gap separates the calls
        backs = [(call * (column * stage.leading + gap), column * stage.leading) for call in range(stage.calls)]
        columns = [(x + column * r, column) for x, _ in backs for r in range(stage.leading)]
        if column != scale:
            x = CHART_X + sum(backs[-1]) + 4
            note = svg_text(x, 27, _("drawn {factor:.2g} × as wide").format(factor=column / scale), 9.5, opacity=0.75)
    else:
        width = max(3.0, stage.leading * scale)
        columns = [(width * a / A, width / A) for a in range(A)] if alone else [(0.0, width)]
        backs = [(0.0, width)]
    parts = [_rect(CHART_X + x, 6, w, BLOCK, colour, fill_opacity=0.25) for x, w in backs]
    line = BLOCK / A
    for index, (x, w) in enumerate(columns):
        for seat in [index % A] if alone else range(A):
            parts.append(_rect(CHART_X + x, 6 + seat * line, w, 0.85 * line, colour))
    return "".join(parts) + note


def _chips(name: str, field: Field, grouped: bool) -> str:
    """Draw one chip per axis: its name, its size, and its kind as colour and hatch."""
    parts = [svg_text(CHIPS_X, 27, name, 12, font_family="ui-monospace, monospace")]
    x = CHIPS_X + 68.0
    for axis, size in zip(field.axes, field.shape, strict=True):
        kind = axis_kind(axis, grouped)
        colour = KINDS[kind][0]
        parts += [
            _rect(x, 5, 44, 36, colour, fill_opacity=0.14, stroke=colour, rx=3),
            _rect(x + 1, 34, 42, 6, f"url(#omg-{kind})"),
            svg_text(x + 22, 16, axis, 10, text_anchor="middle"),
            svg_text(x + 22, 30, at_most(axis) + str(size), 14, text_anchor="middle", font_weight="bold"),
        ]
        x += 48
    return "".join(parts)


def _ran(stage: Stage | None, state: str, trace: ShapeTrace | None) -> str:
    """Draw the right column: equal or different, and what was measured."""
    colour, sign = MARKS[state]
    ring = f'<circle cx="{RUN_X + 8}" cy="13" r="7.5" stroke="{colour}" fill="{colour}"'
    ring += ' fill-opacity="0" stroke-dasharray="3 2"/>' if state == "predicted" else "/>"
    sign_colour = colour if state == "predicted" else "#ffffff"
    parts = [
        ring,
        svg_text(RUN_X + 8, 17.5, sign, 13, text_anchor="middle", font_weight="bold", fill=sign_colour),
        svg_text(RUN_X + 22, 17, _(state), 12, opacity=0.75) if state == "predicted" else
        svg_text(RUN_X + 22, 17, state, 12, fill=colour, font_weight="bold"),
    ]  # fmt: skip
    if stage and trace:
        main = next(iter(stage.fields.values()), None)
        time = "" if stage.seconds is None else seconds_text(stage.seconds)
        facts = [time, stage_device(stage.name, trace)]
        if main and main.shape:
            parts.append(svg_text(RUN_X, 34, shape_text(main), 12, font_family="ui-monospace, monospace"))
            facts.insert(0, stage_bytes(stage))
        parts.append(svg_text(RUN_X, 50 if main and main.shape else 34, " · ".join(filter(None, facts)), 11))
    return "".join(parts)


def _legend(y: Number, grouped: bool) -> str:
    parts = [f'<path d="M4 {y - 6:g}H{WIDTH - 4}" stroke="currentColor" stroke-opacity=".15"/>']
    x = 12.0
    for kind, (colour, __) in KINDS.items():
        if kind == "groups" and not grouped:
            continue
        parts += [
            _rect(x, y + 4, 16, 14, colour, fill_opacity=0.14, stroke=colour),
            _rect(x, y + 4, 16, 14, f"url(#omg-{kind})"),
            svg_text(x + 22, y + 15, _(kind), 11),
        ]
        x += 92
    parts += [_rect(x + 10, y + 4, 16, 14, "#888888"), svg_text(x + 32, y + 15, _("learner's seat"), 11)]
    if grouped:
        parts += [_rect(x + 130, y + 4, 16, 14, "#888888", fill_opacity=0.25)]
        parts += [svg_text(x + 152, y + 15, _("teammates' seats"), 11)]
    return "".join(parts)
