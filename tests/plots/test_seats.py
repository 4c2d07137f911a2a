"""Pictures of regrouping: every place is judged, and colour is never the only cue."""

from xml.etree import ElementTree

import pytest

from omg_lib.lessons.regroup_answers import ANSWERS, MOVED, labelled, tally
from omg_lib.lessons.regroup_cost import Trained
from omg_lib.plots import cost_svg, seats_svg


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("key", [key for key in ANSWERS if key != 2])
def test_every_place_is_drawn_as_it_was_judged(key, shuffled):
    sample = labelled(2, 4, 3, shuffled)
    result = ANSWERS[key].apply(sample["obs"], sample["seat"])
    svg, counted = seats_svg(sample, result), tally(result, sample)
    ElementTree.fromstring(svg)
    assert {kind: svg.count(f'data-moved="{kind}"') for kind in MOVED} == {kind: counted[kind] for kind in MOVED}
    assert svg.count('data-own="true"') == 8
    used = {(e, s) for e, _, s in result.reshape(-1, 3).tolist()}
    assert svg.count('data-taken="true"') == len(used)
    assert 'role="img"' in svg and f"{counted['right']} of 24 places" in svg


@pytest.mark.parametrize(
    "result, said", [(None, "A sample of labels"), (labelled(1, 2, 3)["obs"], "another shape"), (7, "is not a tensor")]
)
def test_what_cannot_be_drawn_is_said(result, said):
    svg = seats_svg(labelled(2, 3, 2), result)
    ElementTree.fromstring(svg)
    assert said in svg and "data-moved" not in svg


def test_losses_of_two_panels_and_their_ends_in_words():
    panels = {"left": [Trained(7, (0.5, 0.25), (1.0,)), Trained(1, (0.5, 0.5), (0.0,))], "right": []}
    svg = cost_svg(panels, {key: answer.words for key, answer in ANSWERS.items()})
    ElementTree.fromstring(svg)
    assert "left: answer 7 ends at 0.250, answer 1 ends at 0.500. right: ." in svg
