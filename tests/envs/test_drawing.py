"""Pictures of battles: valid SVG, a GIF with the requested number of frames, shots and glow in the right place."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from omg_lib.envs.drawing import GLOW, TEAM_LOOKS, draw_frame, episode_gif, frame_svg
from omg_lib.seeds import TEST_EPISODES
from tests.helpers.battles import squads, started


def frames_of(env, style, steps):
    frames = [env.frame()]
    for _ in range(steps):
        env.step(env.scripted_actions(squads(env, style)))
        frames.append(env.frame())
    return frames


def lines(frame, colour):
    ax = Figure().add_subplot()
    draw_frame(frame, ax)
    return [line for line in ax.lines if to_hex(line.get_color()) == colour]


def test_a_frame_is_a_snapshot_in_the_maps_frame():
    env = started("skirmish:partners", 3, batch=2)
    first = env.frame(1)
    kept = {key: np.copy(value) for key, value in first.items()}
    env.step(env.scripted_actions(squads(env, "nearest")))
    assert all(np.array_equal(first[key], kept[key]) for key in kept)
    assert (first["position"][0, :, 0] < 0).all()
    assert (first["position"][1, :, 0] > 0).all()
    assert (first["episode"], first["time"], env.frame(1)["time"]) == (1, 0, 1)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_svg(backend):
    env = started("skirmish:partners", 3, backend=backend)
    for frame in frames_of(env, "order 1,0", 6):
        picture = ElementTree.fromstring(frame_svg(frame))
        assert picture.tag.endswith("svg") and picture.get("role") == "img"
    label = r"Battle, episode 0, step 6: \d of 3 own units and \d of 3 enemies are alive\."
    assert re.fullmatch(label, picture.get("aria-label"))
    assert 'aria-label="Battle, test battle 2, step 6: ' in frame_svg(frame | {"episode": TEST_EPISODES + 2})


def test_beams_that_meet_glow_only_where_joined_fire_counts():
    fights = {
        name: frames_of(started(name, 3, half_distance=3), "order 1,0", 4) for name in ("skirmish", "skirmish:partners")
    }
    for name, frames in fights.items():
        shots = max(frames, key=lambda frame: frame["shots"][0].sum(0).max())
        assert shots["shots"][0].sum(0).max() > 1
        own = int(shots["shots"][0].sum()) + int((shots["health"][0] > 0).sum())
        assert len(lines(shots, TEAM_LOOKS[0][0])) == own  # a beam per shot, a bar per living unit
        assert bool(lines(shots, GLOW)) == (name == "skirmish:partners")
    assert not lines(fights["skirmish:partners"][0], GLOW)


def test_gif_has_as_many_frames_as_asked(tmp_path):
    frames = frames_of(started(n=2), "nearest", 3)
    episode_gif([*frames, frames[-1], frames[-1]], tmp_path / "battle.gif")
    with Image.open(tmp_path / "battle.gif") as picture:
        assert picture.n_frames == 6
    with pytest.raises(ValueError, match="at least one frame"):
        episode_gif([], tmp_path / "none.gif")


DRAWING = """
import sys
from omg_lib.envs.drawing import episode_gif, frame_svg
from tests.helpers.battles import started
frame = started(n=2).frame()
frame_svg(frame), episode_gif([frame, frame], sys.argv[1])
print("matplotlib.pyplot" in sys.modules)
"""


@pytest.mark.slow
def test_drawing_needs_no_pyplot(tmp_path):
    """In a process of its own: another test's modules are not in the way."""
    command = [sys.executable, "-c", DRAWING, str(tmp_path / "battle.gif")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "False"
