"""Bytes and milliseconds of each stage as a picture, and the panel that follows a run."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import omg_lib as omg
from omg_lib.plots import stage_svg
from omg_lib.widgets import FlowModel, StagePanel

CONFIG = omg.OMGConfig(n_agents=2, batch_size=2, learner="iql", teammates="scripted", device="cpu")


def bars(svg, stage):
    (group,) = re.findall(f'<g data-stage="{re.escape(stage)}".*?</g>', svg)
    return [(float(width), "dasharray" in look) for width, look in re.findall(r'width="([\d.]+)"( [^/]*)', group)]


def test_a_plan_has_bytes_and_no_time_yet():
    plan = omg.predict(CONFIG)
    svg = stage_svg(plan)
    ElementTree.fromstring(svg)
    assert svg.count("data-stage=") == len(plan.stages) and "known after a run" in svg
    (sample,), (cut,) = bars(svg, "buffer.sample"), bars(svg, "truncate")
    assert not sample[1] and cut[1], "a view is hollow"
    assert sample[0] == cut[0] > bars(svg, "learner.regroup")[0][0]
    assert bars(svg, "learner.step") == []


def test_bars_are_to_scale():
    plan = omg.predict(CONFIG)
    seconds = {"runner.run": 0.04, "learner.step": 0.08}
    timed = replace(plan, update=7, stages=tuple(replace(s, seconds=seconds.get(s.name, 0.001)) for s in plan.stages))
    svg = stage_svg(timed)
    assert "update 7 on cpu" in svg and "learner.step: no tensor, 80.0 ms" in svg
    (step,), (_, run) = bars(svg, "learner.step"), bars(svg, "runner.run")
    assert step[0] == 2 * run[0] == 236
    moved = replace(timed, device="cuda")
    assert not bars(stage_svg(moved), "to_device")[0][1], "there it is a copy"


def test_the_panel_follows_a_run():
    model = FlowModel(n_agents=2, batch_size=2, learner="iql", device="cpu")
    panel = StagePanel(model)
    assert "not run yet" in panel.picture.value
    model.run(updates=2)
    shown, drawn = (re.sub(r"omg-\w+-", "", svg) for svg in (panel.picture.value, stage_svg(model.trace)))
    assert "update 2 on cpu" in shown and shown == drawn, "except the ids, which are unique to each drawing"
    model.set(batch_size=3)
    assert "batch_size 3, predicted" in panel.picture.value
