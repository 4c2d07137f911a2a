"""Pictures of the failure museum: each shows what happened in the run."""

from xml.etree import ElementTree

import pytest

import omg_lib as omg
from omg_lib.lessons.museum import EXHIBITS, fail
from omg_lib.lessons.museum.exhibit import count_kinds, run
from omg_lib.lessons.museum.loud import LOUD
from omg_lib.lessons.museum.silent import SILENT
from omg_lib.plots import museum_svg

CONFIG = omg.OMGConfig(n_agents=5, batch_size=3, batch_size_run=5)
SVG = "{http://www.w3.org/2000/svg}"


def groups(svg: str, name: str) -> list[str]:
    return [g.get(name) for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if g.get(name)]


@pytest.mark.parametrize("key", [one.key for one in LOUD])
def test_torch_stops_where_the_picture_says(key):
    outcome = fail(key, CONFIG)
    svg = museum_svg(outcome)
    meets = groups(svg, "data-meets")
    last = max(d for d, one in enumerate(meets) if one == "different")
    assert last == outcome.numbers["dimension"]
    assert svg.count("stops here") == 1 and svg.count("where it stops") == 1
    assert 'role="img"' in svg and f"dimension {last}: " in svg
    repaired = museum_svg(run(EXHIBITS[key], EXHIBITS[key].right, CONFIG))
    assert "different" not in groups(repaired, "data-meets") and ">?<" not in svg + repaired


@pytest.mark.parametrize("key", [one.key for one in SILENT])
def test_places_are_those_of_the_run(key):
    config = omg.OMGConfig(n_agents=5, batch_size=3, batch_size_run=1 if key == "slice" else 5)
    for line, broken in ((EXHIBITS[key].wrong, True), (EXHIBITS[key].right, False)):
        outcome = run(EXHIBITS[key], line, config)
        look, svg = EXHIBITS[key].look(outcome.names), museum_svg(outcome)
        kinds = groups(svg, "data-kind")
        assert kinds == [kind for row in look.cells for _, kind in row]
        said = ElementTree.fromstring(svg).get("aria-label")
        assert bool({"wrong", "missed"} & set(kinds)) == broken
        for kind, count in count_kinds([kinds]).items():
            assert f"{count} places: {look.words[kind]}" in said
