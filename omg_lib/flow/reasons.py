"""Why each stage has its shape: the sentences of the flow picture, and the table of every field.

Every number comes from the traces that `predict` and `Training` make. No Jupyter is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from omg_lib.contract import axis_size
from omg_lib.plots.units import bytes_text, seconds_text
from omg_lib.predict import Difference
from omg_lib.trace import Field, ShapeTrace, Stage
from omg_lib.words import N_, _, listing, plural


def has_regrouping(plan: ShapeTrace) -> bool:
    """Return whether the learner counts groups: one seat of each episode learns."""
    return any(stage.name == "learner.regroup" for stage in plan.stages)


HEADLINES = {
    True: (
        N_(
            "One seat per team learns, so {G} groups of {A} learner's seats need {G} × {A} = {G*A} episodes; "
            "regrouping puts the seats together."
        )
    ),
    False: (
        N_("All {A} seats learn, so {G} episodes give the learner {G} × {A} = {G*A} rows: there is nothing to regroup.")
    ),
}
"""Why the three numbers of an update differ, with and without regrouping. `{G*A}` is an axis: `fill` puts its size in.
"""
REASONS = {
    "learner.regroup": N_("each of {A} episodes gives its learner's seat: {G*A} / {A} = {G}"),
    "to_device": N_("to the learner's device"),
    "truncate": N_("T: the longest filled length, at most L+1 = {L+1}; known after a run"),
    "truncate, measured": N_("T = {T} measured: the longest filled length (L+1 = {L+1})"),
    "learner.omg_loss": N_("candidate subgoals: the next H = {H} states, at all steps except the last"),
    "controller.init_hidden": N_("the network sees {G} × {A} = {G*A} rows"),
    "learner.q_values": N_("a value for each of C = {C} actions"),
    "learner.td_loss": N_("a masked mean: one number"),
    "learner.step": N_("no tensor: the weights change"),
}
"""Stage -> why it has its shape; those that regrouping changes are in `reasons`."""


GROUPED = {
    "runner.run": N_("R = {R}: so many episodes at once; the learner's seat rotates"),
    "buffer.insert_episode_batch": N_("{A/R} × {R} = {A} new episodes per update, one for each seat's ring"),
    "buffer.sample": N_("G*A = {G} × {A} = {G*A} stored episodes: {G} per seat"),
}
WHOLE = {
    "runner.run": N_("R = {R}: so many episodes at once; all {A} seats learn"),
    "buffer.insert_episode_batch": N_("1 × {R} = {R} new episodes per update, into one ring"),
    "buffer.sample": N_("G = {G} stored episodes: each feeds all {A} seats"),
}


def reasons(grouped: bool) -> dict[str, str]:
    """Return why each stage has its shape, as text for `fill`."""
    own = GROUPED if grouped else WHOLE
    return {stage: _(text) for stage, text in (REASONS | own).items()}


def fill(text: str, sizes: Mapping[str, int]) -> str:
    """Put the sizes of axes into a text.

    >>> fill("{G} groups of {A}: {G*A}", {"G": 32, "A": 8})
    '32 groups of 8: 256'
    """
    return re.sub(r"\{([^}]+)\}", lambda axis: str(axis_size(axis[1], sizes)), text)


def headline(plan: ShapeTrace) -> str:
    """Explain in one or two sentences why the three numbers of an update differ."""
    return fill(_(HEADLINES[has_regrouping(plan)]), plan.sizes)


def reason(stage: str, plan: ShapeTrace, trace: ShapeTrace | None = None) -> str:
    """Explain why this stage has its shape; with a trace, T is the measured one."""
    known = reasons(has_regrouping(plan))
    if trace and f"{stage}, measured" in known:
        return fill(known[f"{stage}, measured"], trace.sizes)
    return fill(known.get(stage, ""), plan.sizes)


def shape_text(field: Field) -> str:
    """Format a measured shape, such as [256, 63, 8, 80]."""
    return "[" + ", ".join(str(n) for n in field.shape) + "]"


def at_most(*axes: str) -> str:
    """Return the sign before a predicted number that depends on T, which is known only after sampling."""
    return "≤" if {"T", "T-1"} & set(axes) else ""


def other_fields(stage: Stage) -> str:
    """List all fields but the first, with the axes that follow the leading two.

    >>> from omg_lib import OMGConfig, predict
    >>> other_fields(predict(OMGConfig())["learner.omg_loss"])
    'infer_log_var [.., A, Z]  candidates [.., A, H, Z]  values [.., A, H]  chosen [.., A]'
    """
    by_axes: dict[str, list[str]] = {}
    for name, field in list(stage.fields.items())[1:]:
        by_axes.setdefault(", ".join(("..", *field.axes[2:])), []).append(name)
    return "  ".join(f"{', '.join(names)} [{axes}]" for axes, names in by_axes.items())


def difference_text(difference: Difference) -> str:
    """Describe one difference: its field, the predicted and the measured value."""
    return _("{field}: predicted {predicted}, measured {measured}").format(
        field=difference.field, predicted=_said(difference.predicted), measured=_said(difference.measured)
    )


def _said(value: Any) -> str:
    if isinstance(value, tuple):  # shape, dtype and bytes of a field
        return f"[{', '.join(map(str, value[0]))}] {value[1]}"
    return _("nothing") if value is None else str(value)


def spoken(plan: ShapeTrace, trace: ShapeTrace | None, states: dict[str, str]) -> str:
    """Describe the whole picture as text, for screen readers."""
    s = plan.sizes
    parts = [
        _("Flow of tensors for n_agents {agents}, batch_size {groups}. {headline}").format(
            agents=s["A"], groups=s["G"], headline=headline(plan).rstrip(".。")
        )
    ]
    for stage in plan.stages:
        calls = plural("{n} call", "{n} calls", stage.calls).format(n=stage.calls)
        said = f"{stage.name}, {calls}"
        for name, field in list(stage.fields.items())[:1]:
            sizes = listing(f"{axis} {n}" for axis, n in zip(field.axes, field.shape, strict=True))
            said += f": {name} [{sizes}]"
        said += f", {_(states[stage.name])}"
        measured = trace and next((m for m in trace.stages if m.name == stage.name), None)
        if measured and measured.seconds is not None:
            shapes = "".join(f" {shape_text(f)}" for f in list(measured.fields.values())[:1])
            said += _(", measured{shapes} in {seconds}").format(shapes=shapes, seconds=seconds_text(measured.seconds))
        parts.append(said)
    return ". ".join(parts) + "."


def fields_table(plan: ShapeTrace, trace: ShapeTrace | None = None, differences: Sequence[Difference] = ()) -> str:
    """Return an HTML table of every field of every stage, as predicted and as measured."""
    found = {(d.stage, d.field) for d in differences}
    measured = {stage.name: stage for stage in trace.stages} if trace else {}
    heads = (
        _("stage"), _("field"), _("axes"), _("predicted"), _("measured"), "dtype", _("bytes of one call"), "",
    )  # fmt: skip
    rows = ["<tr>" + "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr>"]
    for stage in plan.stages:
        for name, field in stage.fields.items():
            real = measured[stage.name].fields.get(name) if stage.name in measured else None
            state = (
                N_("predicted") if trace is None else N_("different") if (stage.name, name) in found else N_("equal")
            )
            shape, shown = (shape_text(real), real) if real else ("", field)
            cells = (
                stage.name, name, f"[{', '.join(field.axes)}]", shape_text(field), shape, shown.dtype,
                bytes_text(shown.bytes), _(state),
            )  # fmt: skip
            rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return f'<table style="line-height:1.5;text-align:left;border-spacing:10px 0">{"".join(rows)}</table>'
