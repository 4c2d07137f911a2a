"""Pictures of the prior: the plane keeps the variance it claims, and every mark is where its embedding is."""

import re
from xml.etree import ElementTree

import pytest
import torch
from matplotlib.figure import Figure

from omg_lib.config import ConfigError
from omg_lib.plots.latent import MARKS, SIDE, fit_figure, latent_svg, principal_plane
from omg_lib.plots.page import figure_svg


def cloud(n=40, seed=0):
    """Points of 5 numbers that differ most along two known directions."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 5, generator=generator) * torch.tensor([0.1, 6.0, 0.1, 3.0, 0.1]) + 7


def test_the_plane_keeps_the_two_widest_directions_and_its_shares_are_those_of_the_variance():
    x = cloud()
    plane = principal_plane(x)
    places = plane(x)
    kept = places.var(dim=0) / x.var(dim=0).sum()
    assert torch.allclose(torch.tensor(plane.shares), kept, atol=1e-5) and plane.shares[0] > plane.shares[1]
    assert torch.allclose(plane.axes.T @ plane.axes, torch.eye(2), atol=1e-5)
    assert plane.axes[1, 0] > 0.9 and plane.axes[3, 1] > 0.9, "the largest part of a direction is positive"
    assert torch.allclose(places.mean(dim=0), torch.zeros(2), atol=1e-4)
    assert plane(x[3]).shape == (2,)


@pytest.mark.parametrize("x", [torch.zeros(2, 4), torch.ones(9, 4)])
def test_too_few_or_equal_embeddings_are_refused(x):
    with pytest.raises(ConfigError, match="^embeddings="):
        principal_plane(x)


def drawn(svg, tag):
    return [e for e in ElementTree.fromstring(svg).iter() if e.tag.endswith(tag)]


def test_marks_ring_and_path_lie_where_the_points_are():
    points = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    path = torch.tensor([[0.0, 0.0], [1.0, 0.5]])
    svg = latent_svg(points, torch.tensor([0, 1, 1]), ["a <b>", "c"], path, now=1)
    (ring,) = [e for e in drawn(svg, "circle") if e.get("class") == "now"]
    marks = [e.get("d") for e in drawn(svg, "path") if e.get("transform") is None]
    starts = [[tuple(map(float, p)) for p in re.findall(r"M([\d.]+) ([\d.]+)", d)] for d in marks]
    assert [len(own) for own in starts] == [1, 2]
    (x0, y0), (x1, y1), (x2, y2) = starts[0] + starts[1]
    assert (x1 - x0, y0 - y1) == pytest.approx((SIDE, 0)) and (x2 - x0, y0 - y2) == pytest.approx((0, SIDE / 2))
    assert (float(ring.get("cx")), float(ring.get("cy"))) == pytest.approx((x0 + SIDE / 2, y0 - SIDE / 4))
    assert drawn(svg, "polyline")[0].get("points") == f"{x0},{y0} {ring.get('cx')},{ring.get('cy')}"
    assert [e.text for e in drawn(svg, "text")] == ["a <b>", "c"]
    assert "the ring is at step 1" in drawn(svg, "svg")[0].get("aria-label")


@pytest.mark.parametrize(
    "name, changes",
    [("now", {"now": 2}), ("now", {"now": -1}), ("names", {"names": ["a"]}), ("names", {"names": ["a"] * 5})],
)
def test_bad_input_is_named(name, changes):
    common = dict(cloud=torch.rand(3, 2), kinds=torch.tensor([0, 1, 1]), names=["a", "b"], path=torch.rand(2, 2), now=0)
    with pytest.raises(ConfigError, match=f"^{name}="):
        latent_svg(**(common | changes))


def test_every_mark_has_an_outline_of_its_own():
    assert len(set(MARKS)) == 4 and all(mark.startswith("m") for mark in MARKS)


def test_a_fit_is_drawn_beside_the_error_of_the_blind():
    figure = fit_figure({"one": [0.4, 0.2, 0.1], "two": [0.3, 0.3]}, blind=0.25)
    first, second, line = figure.axes[0].lines
    assert first.get_ydata().tolist() == [0.4, 0.2, 0.1] and first.get_xdata().tolist() == [1, 2, 3]
    assert list(second.get_ydata()) == [0.3, 0.3] and set(line.get_ydata()) == {0.25}
    assert first.get_linestyle() != second.get_linestyle()
    for bad in ({}, {str(k): [1.0] for k in range(5)}):
        with pytest.raises(ConfigError, match="^errors="):
            fit_figure(bad, 0.1)


def test_a_figure_on_a_page_has_a_name_and_no_fixed_width():
    svg = figure_svg(Figure(figsize=(3, 2)), 'a "name"')
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img" and root.get("aria-label") == 'a "name"'
    assert root.get("width") is None and "max-width:288px" in root.get("style")
