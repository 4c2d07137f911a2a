"""Where the bytes and milliseconds of one update go: two bars per stage, to scale."""

from __future__ import annotations

from html import escape

from omg_lib.plots.page import svg_frame
from omg_lib.plots.units import bytes_text, seconds_text
from omg_lib.trace import ShapeTrace, Stage
from omg_lib.training import resolve_device
from omg_lib.words import _, labelled, listing

Number = int | float
BYTES, TIME = "#3b82d6", "#dd7011"
"""Contrast of 3 or more on white and on black."""
NAME_X, BYTES_X, TIME_X, BAR, ROW, TOP = 196, 204, 560, 236, 26, 48


def stage_bytes(stage: Stage) -> str:
    """Format the bytes of all fields: 8 × 414 kB for eight calls."""
    size = bytes_text(sum(field.bytes for field in stage.fields.values()))
    return f"{stage.calls} × {size}" if stage.calls > 1 else size


def stage_device(stage: str, trace: ShapeTrace) -> str:
    """Return where a stage's result is: main memory up to `truncate`, the learner's device from `to_device` on."""
    names = [entry.name for entry in trace.stages]
    early = "to_device" in names and stage in names[: names.index("to_device")]
    return "cpu" if early else trace.device


def all_bytes(stage: Stage) -> int:
    """Return the bytes of all fields and calls of a stage."""
    return stage.calls * sum(field.bytes for field in stage.fields.values())


def is_view(stage: str, trace: ShapeTrace) -> bool:
    """Return whether a stage copies nothing: always true of truncating, and of moving if the device is the CPU."""
    device = stage_device(stage, trace)
    device = resolve_device(device).type if device == "auto" else device
    return stage == "truncate" or (stage == "to_device" and device == "cpu")


def stage_svg(trace: ShapeTrace) -> str:
    """Return the text of an `<svg>` element; a plan (`predict`) has bytes but no milliseconds yet.

    Each stage is a `<g>` with `data-stage`. A hollow bar is a view: nothing is copied.
    """
    most = max(all_bytes(stage) for stage in trace.stages) or 1
    times = [stage.seconds for stage in trace.stages if stage.seconds is not None]
    longest = max(times, default=1) or 1
    parts, said, y = [_heads(trace)], [], TOP
    for stage in trace.stages:
        size, view = all_bytes(stage), is_view(stage.name, trace)
        words = stage_bytes(stage) if stage.fields else _("no tensor")
        words += _(", a view") if view else ""
        bars = _bar(BYTES_X, BAR * size / most, words, BYTES, view)
        time = ""
        if stage.seconds is not None:
            time = seconds_text(stage.seconds)
            bars += _bar(TIME_X, BAR * stage.seconds / longest, time, "url(#omg-milliseconds)", False)
        name = _text(NAME_X, 17, stage.name, text_anchor="end")
        parts.append(f'<g data-stage="{escape(stage.name)}" transform="translate(0 {y})">{name}{bars}</g>')
        said.append(listing(filter(None, (labelled(stage.name, words), time))))
        y += ROW
    total = _("all tensors {bytes}").format(
        bytes=bytes_text(sum(all_bytes(s) for s in trace.stages if not is_view(s.name, trace)))
    )
    total += _(", all stages {time}").format(time=seconds_text(sum(times))) if times else ""
    parts.append(_text(BYTES_X, y + 16, total, font_weight="bold"))
    width, height = TIME_X + BAR + 90, y + 26
    return svg_frame(width, height, f"{'. '.join([*said, total])}.", parts, size=12)


def _heads(trace: ShapeTrace) -> str:
    sizes = f"n_agents {trace.sizes['A']}, batch_size {trace.sizes['G']}"
    when = (
        _("predicted: not run yet")
        if trace.update is None
        else _("update {update} on {device}").format(update=trace.update, device=trace.device)
    )
    hatch = (
        '<defs><pattern id="omg-milliseconds" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<rect width="6" height="6" fill="{TIME}" fill-opacity=".35"/>'
        f'<path d="M0 6L6 0" stroke="{TIME}" stroke-width="1.8"/></pattern></defs>'
    )
    return (
        hatch
        + _text(8, 14, f"{sizes}, {when}")
        + _text(BYTES_X, 38, _("bytes of its tensors"), opacity="0.75")
        + _text(TIME_X, 38, _("time") if trace.update is not None else _("time: known after a run"), opacity="0.75")
    )


def _bar(x: Number, width: Number, words: str, fill: str, hollow: bool) -> str:
    look = f'fill="none" stroke="{fill}" stroke-dasharray="4 3"' if hollow else f'fill="{fill}"'
    bar = f'<rect x="{x}" y="4" width="{max(width, 1):.1f}" height="17" {look}/>' if width else ""
    return bar + _text(x + width + 6, 17, words)


def _text(x: Number, y: Number, text: str, **more: str) -> str:
    named = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}>{escape(text)}</text>'
