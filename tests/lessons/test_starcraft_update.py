"""Notebook 11's update: a recording is labelled as one, and contains what its file says."""

from pathlib import Path

import numpy as np
import pytest

import omg_lib as omg
from omg_lib.lessons.starcraft import CLAIM, CLAIMS, HERE, RECORDED, OneUpdate, frames_html, one_update, play, spread

RECORDING = Path(__file__).parents[2] / "data/starcraft/double.json"


@pytest.fixture(scope="module")
def update():
    """The same, played on skirmish."""
    return play(omg.OMGConfig(env="skirmish:partners", n_agents=2, batch_size=1, device="cpu"))


@pytest.fixture
def no_game(monkeypatch, tmp_path):
    monkeypatch.setenv("SC2PATH", str(tmp_path / "nowhere"))


@pytest.mark.slow
def test_an_update_and_a_whole_battle_are_kept(update):
    assert update.source == HERE
    assert omg.compare(omg.predict(update.config), update.trace) == []
    assert [frame["time"] for frame in update.frames] == list(range(1, len(update.frames) + 1))
    assert [frame["done"] for frame in update.frames] == [False] * (len(update.frames) - 1) + [True]


def test_what_was_saved_is_loaded_and_marked(update, tmp_path):
    update.save(tmp_path / "update.json", pictures=3)
    loaded = OneUpdate.load(tmp_path / "update.json")
    assert loaded.source == RECORDED
    assert loaded.trace == update.trace and loaded.config == update.config
    for frame, kept in zip(spread(update.frames, 3), loaded.frames, strict=True):
        assert frame.keys() == kept.keys()
        for key, value in frame.items():
            assert np.allclose(value, kept[key], atol=5e-4) and np.shape(value) == np.shape(kept[key])


def test_frames_are_spread_from_the_first_to_the_last():
    frames = [{"time": t} for t in range(10)]
    assert [frame["time"] for frame in spread(frames, 4)] == [0, 3, 6, 9]
    assert spread(frames[:2], 4) == frames[:2]


def test_without_the_game_there_is_the_recording(no_game):
    update = one_update(omg.OMGConfig(env="smacv2"), RECORDING)
    assert update.source == RECORDED and "NOT OF STARCRAFT II" in RECORDED
    assert (update.config.env, update.config.n_agents, update.config.batch_size) == ("smacv2", 8, 32)
    assert omg.compare(omg.predict(update.config), update.trace) == []
    assert (update.trace.sizes["O"], update.trace.sizes["S"], update.trace.sizes["L"]) == (130, 216, 200)


def test_the_picture_says_where_it_comes_from(no_game):
    update = OneUpdate.load(RECORDING)
    html = frames_html(update)
    assert html.startswith(f"<p><b>{RECORDED}</b></p>")
    assert html.count("<svg") == html.count('role="img" aria-label="Battle, ') == len(update.frames) == 3


def test_the_recording_is_small():
    assert RECORDING.stat().st_size < 50_000


def test_the_claim_is_one_of_the_answers():
    assert CLAIM in CLAIMS and len(CLAIMS) == 3
