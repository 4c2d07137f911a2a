"""The flow picture that stands still: each of its numbers comes from a trace."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from omg_lib import Difference, OMGConfig, Training, compare, predict
from omg_lib.flow.reasons import fields_table, headline
from omg_lib.flow.svg import flow_svg
from tests.helpers.work import calls

SMALL = OMGConfig(n_agents=3, batch_size=2, device="cpu")


@pytest.fixture(scope="module")
def measured():
    """Prediction and trace of one real update."""
    with Training(SMALL) as run:
        next(iter(run))
    return predict(SMALL), run.trace


def rows(svg: str) -> dict[str, ElementTree.Element]:
    """Return stage -> its `<g>`, in the order of the picture."""
    found = [g for g in ElementTree.fromstring(svg).iter() if "data-stage" in g.attrib]
    return {g.get("data-stage"): g for g in found}


def texts(element: ElementTree.Element) -> list[str]:
    return [part.text for part in element.iter() if part.tag.endswith("text") and part.text]


@pytest.mark.parametrize("n_agents, batch_size", [(8, 32), (7, 5), (16, 64), (2, 1)])
@pytest.mark.parametrize("learner", ["omg", "iql"])
@pytest.mark.parametrize("parallel", [False, True])
def test_predicted_rows_carry_the_numbers_of_the_plan(n_agents, batch_size, learner, parallel):
    plan = predict(OMGConfig(n_agents, batch_size, learner=learner, batch_size_run=n_agents if parallel else 1))
    found = rows(flow_svg(plan))
    assert list(found) == [stage.name for stage in plan.stages]
    assert {row.get("data-state") for row in found.values()} == {"predicted"}
    for stage in plan.stages:
        shown = texts(found[stage.name])
        if stage.leading is not None:
            assert str(stage.leading) in shown
        for field in list(stage.fields.values())[:1]:
            for axis, size in zip(field.axes, field.shape, strict=True):
                assert axis in shown
                assert f"{'≤' if axis in ('T', 'T-1') else ''}{size}" in shown
        assert (f"× {stage.calls} calls" in shown) == (stage.calls > 1)


SIZES = [(8, 32, "omg", 1), (8, 32, "omg", 8), (16, 64, "omg", 1), (2, 1, "omg", 1), (8, 1, "omg", 1),
         (8, 32, "iql", 64), (4, 2, "iql", 300), (2, 40, "naive_om", 2)]  # fmt: skip


@pytest.mark.parametrize("n_agents, batch_size, learner, at_once", SIZES)
def test_columns_are_to_scale_and_what_is_drawn_wider_says_so(n_agents, batch_size, learner, at_once):
    plan = predict(OMGConfig(n_agents, batch_size, learner=learner, batch_size_run=at_once))
    widths = {}
    for name, row in rows(flow_svg(plan)).items():
        chart = [part for part in row.iter() if part.get("fill-opacity") == "0.25"]  # the background of the columns
        if chart:
            episodes = plan[name].leading * (plan[name].calls if len(chart) > 1 else 1)
            said = [re.match(r"drawn ([\d.e+]+) × as wide", text) for text in texts(row)]
            wider = float(next(filter(None, said), [1, 1])[1])
            widths[name] = sum(float(part.get("width")) for part in chart) / episodes / wider
            ends = float(chart[-1].get("x")) + float(chart[-1].get("width"))
            assert ends <= 456, "the axes of the main field begin there"
    assert {"runner.run", "buffer.sample"} < set(widths)
    sample = widths["buffer.sample"]
    assert widths == {name: pytest.approx(sample, rel=0.06) for name in widths}


def test_head_shows_runner_sample_learner_and_network():
    shown = texts(ElementTree.fromstring(flow_svg(predict(OMGConfig(n_agents=5, batch_size=7)))))
    numbers = [int(text) for text in shown if text.isdigit()][:4]
    assert numbers == [1, 35, 7, 35]


def test_without_teammates_nothing_is_regrouped_and_the_sample_is_a_batch():
    plan = predict(OMGConfig(learner="iql"))
    assert "learner.regroup" not in rows(flow_svg(plan))
    assert "nothing to regroup" in headline(plan) and "32 × 8 = 256" in headline(plan)
    assert "32 × 8 = 256 episodes" in headline(predict(OMGConfig()))


@pytest.mark.slow
def test_equal_rows_show_what_was_measured(measured):
    plan, trace = measured
    found = rows(flow_svg(plan, trace, compare(plan, trace)))
    assert {row.get("data-state") for row in found.values()} == {"equal"}
    T = trace.sizes["T"]
    assert f"[6, {T}, 3, 30]" in texts(found["truncate"])
    assert any(f"T = {T} measured" in text for text in texts(found["truncate"]))
    assert any(text.endswith("· cpu") for text in texts(found["learner.step"]))


def test_a_wrong_row_is_marked_and_says_what_differs(measured):
    plan, trace = measured
    wrong = Difference("learner.regroup", "obs", ((2, 9, 3, 30), "float32", 1), ((6, 9, 30), "float32", 1))
    found = rows(flow_svg(plan, trace, [wrong]))
    assert [name for name, row in found.items() if row.get("data-state") == "different"] == ["learner.regroup"]
    assert "obs: predicted [2, 9, 3, 30] float32, measured [6, 9, 30] float32" in texts(found["learner.regroup"])


def test_a_stage_that_nobody_predicted_has_a_row(measured):
    plan, trace = measured
    odd = replace(trace, stages=(*trace.stages, replace(trace.stages[0], name="a<b")))
    found = rows(flow_svg(plan, odd, compare(plan, odd)))
    assert found["a<b"].get("data-state") == "different"


def test_who_hears_the_picture_hears_the_numbers(measured):
    plan, trace = measured
    root = ElementTree.fromstring(flow_svg(plan, trace))
    assert root.get("role") == "img"
    said = root.get("aria-label")
    assert "n_agents 3, batch_size 2" in said and "buffer.sample, 1 call: obs [G*A 6" in said and "equal" in said


def test_picture_is_drawn_fast_enough_for_a_slider(measured):
    """By its work: Python makes so many calls in some hundredths of a second."""
    flow_svg(*measured)  # fills what is cached
    made = calls(lambda: flow_svg(*measured))
    assert made < 100_000, made


def test_table_lists_every_field(measured):
    plan, trace = measured
    table = fields_table(plan, trace, [Difference("truncate", "obs", None, None)])
    lines = re.findall("<tr>(.*?)</tr>", table)
    assert len(lines) == 1 + sum(len(stage.fields) for stage in plan.stages)
    states = [re.findall("<td>(.*?)</td>", line)[-1] for line in lines[1:]]
    assert states.count("different") == 1 and states.count("equal") == len(states) - 1
    assert "<td>predicted</td>" in fields_table(plan)
