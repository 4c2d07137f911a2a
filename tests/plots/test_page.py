"""Every drawing is self-contained: its ids are unique on the page, and everything it refers to is in it."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

import omg_lib as omg
from omg_lib.envs.drawing import frame_svg, own_ids
from omg_lib.flow import flow_svg
from omg_lib.lessons.capacity import Cluster, Costs, plan
from omg_lib.lessons.museum import EXHIBITS, fail
from omg_lib.lessons.regroup_answers import ANSWERS, labelled
from omg_lib.lessons.td_target import Targets
from omg_lib.plots import curves_figure, museum_svg, seats_svg, stage_svg, target_svg
from omg_lib.plots.capacity import capacity_svg
from omg_lib.plots.page import figure_svg

SOURCES = Path(omg.__file__).parent
SMALL = omg.OMGConfig(n_agents=3, batch_size=2)


def seats():
    sample = labelled(2, 3, 2)
    return seats_svg(sample, ANSWERS[5].apply(sample["obs"], sample["seat"]))


def target():
    values, true = torch.rand(1, 4, 2, generator=torch.Generator().manual_seed(0)), torch.ones(1, 4, 2) > 0
    return target_svg(Targets(values, values, values, true, ~true, 0.5), 0, 1)


def capacity():
    costs = Costs(step=0.001, learn=0.1, steps=800, step_bytes=4000, weight_bytes=400_000)
    return capacity_svg(costs, 16, plan(costs, 1e7, Cluster()), 100.0)


def battle():
    env = omg.make_env("skirmish", 2)
    env.reset()
    return frame_svg(env.frame())


DRAWINGS = {
    "flow": lambda: flow_svg(omg.predict(SMALL)),
    "stages": lambda: stage_svg(omg.predict(SMALL)),
    "seats": seats,
    "target": target,
    "capacity": capacity,
    "battle": battle,
    "figure": lambda: figure_svg(curves_figure([]), "curves"),
    **{f"museum {key}": lambda key=key: museum_svg(fail(key, SMALL)) for key in EXHIBITS},
}


def ids(svg: str) -> list[str]:
    return [part.get("id") for part in ElementTree.fromstring(svg).iter() if part.get("id")]


def references(svg: str) -> set[str]:
    return set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_shares_no_id_with_the_same_drawing_and_lacks_none(name):
    one, other = DRAWINGS[name](), DRAWINGS[name]()
    assert ids(one) and not set(ids(one)) & set(ids(other))
    assert references(one) <= set(ids(one)) and references(other) <= set(ids(other))
    assert len(references(one)) == len(references(other))


def test_all_ids_of_a_page_differ():
    found = [id for draw in DRAWINGS.values() for id in ids(draw())]
    assert len(found) == len(set(found))


def test_only_ids_and_what_refers_to_them_change():
    svg = '<svg data-id="a"><pattern id="a"/><path fill="url(#a)" aria-label="id a"/><use xlink:href="#a"/></svg>'
    changed = own_ids(svg)
    (id,) = ids(changed.replace("xlink:", ""))
    assert changed.replace(id, "a") == svg and id.endswith("-a")


def test_every_drawing_is_framed_where_its_ids_become_its_own():
    makers = [
        str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*.py") if re.search(r"f'<svg", path.read_text())
    ]
    ids_free = "provenance/picture.py"  # needs no other room; tests/provenance/test_picture.py shows that it has no ids
    assert sorted(makers) == ["envs/drawing.py", "plots/page.py", ids_free]


@pytest.mark.slow
def test_pictures_need_no_jupyter_and_no_pyplot():
    unwanted = "('ipywidgets', 'IPython', 'matplotlib.pyplot')"
    code = f"import sys, omg_lib.plots, omg_lib.flow; print([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
