"""The flow panel in Python: what it hands to the page, and what it does when the page speaks."""

import time

import pytest

from omg_lib import ConfigError
from omg_lib.memory.need import need
from omg_lib.plots.units import bytes_text
from omg_lib.widgets import FlowPanel
from omg_lib.widgets import flow_panel as view


@pytest.fixture
def panel(monkeypatch):
    panel = FlowPanel(n_agents=2, batch_size=2, learner="iql", device="cpu")
    sent = []
    monkeypatch.setattr(FlowPanel, "send", lambda self, event, buffers=None: sent.append(event), raising=False)
    panel.sent = sent
    yield panel
    panel.model.reset()
    assert panel.model.wait(120)


def say(panel: FlowPanel, seq: int = 1, **message) -> None:
    """Speak as the page does."""
    panel._heard(panel, {"from": "here", "seq": seq} | message, [])


@pytest.mark.slow
@pytest.mark.parametrize("name, value", [
    ("n_agents", 7), ("batch_size", 3), ("learner", "omg"), ("runner", "parallel"), ("env", "skirmish:partners"),
    ("seed", 9),
])  # fmt: skip
def test_a_setting_of_the_page_changes_the_model_and_is_answered(panel, name, value):
    say(panel, 4, do="set", settings={name: value})
    assert panel.model.settings[name] == panel.view["settings"][name] == value
    assert panel.view["seq"] == {"here": 4} and panel.view["status"].startswith("Predicted")


@pytest.mark.slow
@pytest.mark.parametrize("bad", [0, -3, 17, 2.5, 10**6])
def test_a_number_that_is_not_allowed_is_a_sentence_and_the_plan_stays(panel, bad):
    plan = panel.model.plan
    say(panel, do="set", settings={"n_agents": bad})
    assert panel.view["status"].startswith(f"n_agents={bad}: ") and panel.view["settings"]["n_agents"] == bad
    assert panel.model.plan is plan
    say(panel, 2, do="run")
    assert panel.model.state == "idle" and panel.view["status"].startswith(f"n_agents={bad}: ")
    say(panel, 3, do="set", settings={"n_agents": 3})
    assert panel.view["status"].startswith("Predicted")


def test_the_bytes_of_a_full_buffer_follow_the_settings(panel):
    shown = panel.view["buffer"]
    assert shown == bytes_text(need(panel.model.config).buffer)
    say(panel, do="set", settings={"n_agents": 8})
    assert panel.view["buffer"] == bytes_text(need(panel.model.config).buffer) != shown


def test_what_the_page_has_no_control_for_is_not_set(panel):
    say(panel, do="set", settings={"gamma": 0.5, "nonsense": 1})
    assert "gamma" not in panel.model.settings and panel.model.config.gamma == 0.99


@pytest.mark.slow
def test_buttons(panel, tmp_path):
    say(panel, 1, do="run")
    assert panel.model.state == "running"
    say(panel, 2, do="stop")
    assert panel.model.wait(120) and panel.view["status"].startswith("Stopped at update")
    say(panel, 3, do="save", folder=str(tmp_path / "flow"))
    assert sorted(path.name for path in (tmp_path / "flow").iterdir()) == [
        "curves.csv", "curves.png", "flow.html", "flow.svg", "trace.json"
    ]  # fmt: skip
    panel.model.set(n_agents=5)
    say(panel, 4, do="reset")
    assert panel.view["settings"]["n_agents"] == 2


@pytest.mark.slow
def test_a_run_is_handed_over_with_its_bookkeeping(panel):
    assert panel.measured is None
    panel.model.run(updates=2)
    measured, trace = panel.measured, panel.model.trace
    assert measured["update"] == 2 and measured["wrong"] == {} and measured["stages"] == trace.to_dict()["stages"]
    books = measured["books"]
    assert len(books["lengths"]) == len(books["places"]) == 2
    assert max(books["lengths"]) == trace.sizes["T"], "the longest episode that was drawn"
    assert "update 2, loss" in panel.curves["alt"] and panel.curves["src"].startswith("data:image/png")
    assert panel.view["progress"] == ["Update 2", 0.0]


def test_each_view_of_a_panel_has_its_own_answers(panel):
    say(panel, 5, do="set", settings={"n_agents": 3})
    say(panel, 1, do="set", settings={"n_agents": 4}, **{"from": "elsewhere"})
    assert panel.view["seq"] == {"here": 5, "elsewhere": 1} and panel.view["settings"]["n_agents"] == 4


def test_the_table_of_fields_is_made_on_request(panel):
    assert panel.table == ""
    say(panel, do="list", on=True)
    assert panel.table.count("avail_actions") >= 5
    say(panel, 2, do="list", on=False)
    assert panel.table == ""


@pytest.mark.slow
def test_a_hidden_page_is_sent_no_more_than_it_has_drawn(panel, monkeypatch):
    monkeypatch.setattr(view, "RATE", 1000)
    panel.model.start()
    end = time.monotonic() + 120
    while len(panel.model.reports) < 30:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert len(panel.sent) == view.UNSEEN, "nobody has drawn any of them"
    asked = [event["ack"] for event in panel.sent if "ack" in event]
    say(panel, do="ack", ack=asked[-1])
    while len(panel.sent) == view.UNSEEN:
        assert time.monotonic() < end
        time.sleep(0.01)
    panel.model.stop()
    assert panel.model.wait(120)
    while panel.sent[-1]["live"]:  # the last message may ask for an answer too
        assert time.monotonic() < end, "the mark of the running stage goes"
        time.sleep(0.01)
    states = [event for event in panel.sent if event["live"]]
    assert {event["live"] for event in states} <= {stage.name for stage in panel.model.plan.stages}
    assert all(len(event["fill"]) == 1 and event["capacity"] > 0 for event in states) and states[-1]["fill"][0] > 1


def test_export_writes_one_page_and_refuses_a_place_that_cannot_be_written(panel, tmp_path):
    assert panel.export(tmp_path / "flow.html") == tmp_path / "flow.html"
    assert "window.flow = mount(" in (tmp_path / "flow.html").read_text(encoding="utf-8")
    assert panel.export(tmp_path / "missing" / "flow.html") is None
    assert panel.view["status"].startswith("path=") and "cannot be written" in panel.view["status"]


def test_a_new_panel_stops_what_an_older_one_trains(panel):
    panel.model.start()
    assert panel.model.state != "idle"
    FlowPanel(n_agents=2, batch_size=2, learner="iql", device="cpu")
    assert panel.model.wait(120) and panel.model.state == "idle"


def test_a_bad_first_setting_is_refused():
    with pytest.raises(ConfigError):
        FlowPanel(n_agents=99)
