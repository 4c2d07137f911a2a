"""The seat puzzle: the model by value, and the panel as its view."""

import ipywidgets as W
import pytest

from omg_lib.config import ConfigError
from omg_lib.lessons.regroup_answers import ANSWERS
from omg_lib.widgets import SeatModel, SeatPuzzle


def test_an_answer_is_judged_and_drawn():
    model, heard = SeatModel(), []
    model.listen(lambda: heard.append(model.answer))
    assert model.verdict.state == "open" and "data-moved" not in model.picture
    model.choose(answer=5)
    assert model.verdict.ok and model.picture.count('data-moved="right"') == 24
    model.choose(shuffled=True)
    assert not model.verdict.ok and 'data-moved="teammate"' in model.picture
    model.choose(answer=7, n_agents=6)
    assert model.verdict.ok and model.sample["obs"].shape == (12, 3, 6, 3)
    model.choose(answer=None)
    assert model.tried == [5, 7] and heard == [5, 5, 7, None]


@pytest.mark.parametrize(
    "bad, named",
    [(dict(answer=9), "answer=9"), (dict(n_agents=40), "n_agents=40"), (dict(seats=1), "seat puzzle='seats'")],
)
def test_what_is_not_allowed_is_one_sentence_and_changes_nothing(bad, named):
    model = SeatModel()
    model.choose(answer=1)
    picture = model.picture
    with pytest.raises(ConfigError, match=named):
        model.choose(**bad)
    assert (model.answer, model.n_agents, model.picture) == (1, 4, picture)


def test_the_panel_follows_its_controls_and_its_model():
    panel = SeatPuzzle(n_agents=3)
    assert [value for _, value in panel.answers.options] == list(ANSWERS) and panel.answers.value is None
    panel.answers.value = 4
    assert panel.model.answer == 4 and "reshape(A, G, T, A, F)" in panel.code.value
    panel.shuffled.value, panel.agents.value = True, 5
    assert panel.model.shuffled and panel.model.n_agents == 5 and "<svg" in panel.picture.value
    assert 'role="status"' in panel.status.value and "the content is not" in panel.status.value
    panel.model.choose(answer=7, n_agents=2)
    assert (panel.answers.value, panel.agents.value) == (7, 2) and "Right" in panel.status.value
    panel.model.choose(answer=None)
    assert panel.answers.value is None and "Choose an answer" in panel.status.value
    classes = {name for part in panel.children for name in part._dom_classes}
    assert {"omg-seat-answers", "omg-seat-status", "omg-seat-picture"} <= classes
    assert isinstance(panel.answers, W.RadioButtons)


def test_a_number_that_is_not_allowed_stays_in_its_box_and_the_picture_too():
    panel = SeatPuzzle(n_agents=3)
    panel.answers.value = 7
    picture = panel.picture.value
    for bad in (7, 0, -1):
        panel.agents.value = bad
        assert f"n_agents={bad}: the puzzle allows 2 to 6" in panel.status.value
        assert panel.agents.value == bad and panel.picture.value == picture and panel.model.n_agents == 3
    panel.agents.value = 5
    assert panel.model.n_agents == 5 and "Right" in panel.status.value
    panel.agents.value = 9
    panel.shuffled.value = True
    assert panel.agents.value == 5 and "Right" in panel.status.value


def test_a_prediction_is_held_against_the_next_answer_and_then_forgotten():
    model = SeatModel()
    model.expect(shape=True, seats=True)
    model.choose(shuffled=False)
    assert model.held == "" and model.expected == {"shape": True, "seats": True}, "the answer is still to be chosen"
    model.choose(answer=4)
    assert model.held == "You predicted: shape right, which held; seats right, which did not hold. 1 of 2 so far."
    assert model.expected == {"shape": None, "seats": None}
    model.expect(shape=False)
    model.choose(answer=2)
    assert model.held == "You predicted: shape wrong, which held. 2 of 3 so far."
    model.choose(answer=5)
    assert model.held == "", "nothing was predicted"
    with pytest.raises(ConfigError, match="prediction='time=True': allowed are shape and seats"):
        model.expect(time=True)


def test_the_panel_takes_a_prediction():
    panel = SeatPuzzle()
    panel.expected["shape"].value, panel.expected["seats"].value = True, False
    panel.answers.value = 1
    assert "shape right, which held; seats wrong, which held" in panel.status.value
    assert [control.value for control in panel.expected.values()] == [None, None]
    assert panel.model.tried == [1]
