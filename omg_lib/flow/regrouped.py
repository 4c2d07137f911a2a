"""Any regrouping, right or wrong, as the flow shows it: whose seat each slot holds, computed from labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.flow.handover import handover
from omg_lib.flow.page import flow_frame, flow_page
from omg_lib.flow.svg import flow_svg
from omg_lib.lessons.regroup_answers import MOVED, judge, labelled, moved
from omg_lib.predict import predict
from omg_lib.words import _

Regroup = Callable[[Int[Tensor, "G*A T A F"], Int[Tensor, "G*A T 1"]], Int[Tensor, "G T A F"]]
STEPS = 2
"""Time steps of the labels: two, so that a regrouping that mixes time is seen."""


def regrouped(regroup: Regroup, config: OMGConfig) -> dict[str, Any]:
    """Return where a regrouping takes each slot of [G, A] from, as plain data for the page.

    `slots` lists, group by group, [episode, seat, what]: what is "right", "teammate", "slot" or "time" (MOVED of
    `omg_lib.lessons.regroup_answers`), the first thing that is wrong at any time step. It is empty if the result is no
    regrouping, with the reason in `said`. ConfigError if all seats learn, since nothing is regrouped then.
    """
    if not config.has_teammates:
        raise ConfigError("learner", config.learner, _("all seats learn, so nothing is regrouped; allowed is omg"))
    sample = labelled(config.batch_size, config.n_agents, STEPS)
    sizes = {"A": config.n_agents, "G": config.batch_size}
    try:
        result = regroup(sample["obs"].clone(), sample["seat"].clone())
    except Exception as error:  # a student's code: shown, not thrown
        return sizes | {
            "said": _("Not yet: it stops with {error}").format(error=f"{type(error).__name__}: {error}"),
            "slots": [],
        }
    wanted = (sizes["G"], STEPS, sizes["A"], 3)
    if not (isinstance(result, Tensor) and result.shape == wanted and torch.isin(result, sample["obs"]).all()):
        return sizes | {"said": judge(result, sample).said, "slots": []}
    slots = []
    for labels, judged in zip(result.tolist(), moved(result, sample["seat"]), strict=True):
        for (episode, __, seat), *over_time in zip(labels[0], *judged, strict=True):
            slots.append([episode, seat, next((kind for kind in over_time if kind != "right"), "right")])
    return sizes | {"said": _said(slots), "slots": slots}


def _said(slots: list[list[Any]]) -> str:
    count, used = Counter(what for *_, what in slots), len({episode for episode, *_ in slots})
    if count["right"] == used == len(slots):
        return _("Right: each of {count} slots holds the learner's own data.").format(count=len(slots))
    said = _("The shape is right, the content is not: {right} of {count} slots hold what they should.")
    one = _("{count}: {kind}.")
    wrong = [one.format(count=count[kind], kind=_(MOVED[kind])) for kind in MOVED if kind != "right" and count[kind]]
    used = _("{used} of {count} episodes are used.").format(used=used, count=len(slots))
    return " ".join([said.format(right=count["right"], count=len(slots)), *wrong, used])


def regrouping_frame(regroup: Regroup, config: OMGConfig) -> str:
    """Return HTML for a cell's output: the moving picture of an update that regroups with `regroup(x, seat)`.

        from IPython.display import HTML
        HTML(regrouping_frame(ANSWERS[4].apply, OMGConfig()))

    Press Play, or step to `learner.regroup`: each seat flies to the slot into which this regrouping puts it.
    """
    data = handover(config) | {"regrouped": regrouped(regroup, config)}
    frame = flow_frame(flow_page(data, flow_svg(predict(config)), framed=True))
    return f"<div>{frame}</div>"  # IPython warns of a frame that stands alone
