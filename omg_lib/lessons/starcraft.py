"""Notebook 11: one update on StarCraft II where it is installed; elsewhere a recorded one, of a double of the game."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.envs.drawing import frame_svg
from omg_lib.system.files import read_json, reason, write_text
from omg_lib.system.starcraft import starcraft_checks
from omg_lib.trace import ShapeTrace
from omg_lib.training import Training

HERE = "StarCraft II, just now on this machine"
RECORDED = "A RECORDING, AND NOT OF STARCRAFT II: a program in the game's place, whose fights are invented"
CLAIMS = {
    "shapes": "SMACv2's own code makes every tensor, with the game and without",
    "win rate": "who hits whom, and what the enemy does, the double invents",
    "speed": "the double moves a few marines; the game computes its whole world",
}
CLAIM = "shapes"
"""What one may say of the real game after a test against its double; the last question asks for it."""
Frame = dict[str, Any]


@dataclass(frozen=True)
class OneUpdate:
    """What an update left behind, and a battle of its policy: one frame (`env.frame()`) after each step."""

    source: str
    trace: ShapeTrace
    frames: tuple[Frame, ...]

    @property
    def config(self) -> OMGConfig:
        return OMGConfig.from_dict(self.trace.config)

    def save(self, path: str | Path, pictures: int) -> None:
        """Write it as JSON, with so many of its frames, evenly spread."""
        chosen = spread(self.frames, pictures)
        frames = [{key: _plain(value) for key, value in frame.items()} for frame in chosen]
        write_text(path, json.dumps({"trace": self.trace.to_dict(), "frames": frames}) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> OneUpdate:
        """What `save` wrote, marked as a recording. ConfigError for anything else."""
        try:
            values = read_json(path)
            frames = tuple(
                {key: np.array(x) if isinstance(x, list) else x for key, x in frame.items()}
                for frame in values["frames"]
            )
            return cls(RECORDED, ShapeTrace.from_dict(values["trace"]), frames)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError("recording", str(path), f"is no readable recording ({reason(error)})") from None


def one_update(config: OMGConfig, recording: str | Path) -> OneUpdate:
    """An update on the real game, of one group so that it does not take long; without the game, the recording."""
    if any(not check.ok for check in starcraft_checks() if check.name != "smac"):
        return OneUpdate.load(recording)
    return play(replace(config, batch_size=1))


def play(config: OMGConfig) -> OneUpdate:
    """Train for one update, then play one battle with what it left."""
    with Training(config) as run:
        next(iter(run))
        env, controller, frames = run.env, run.controller, []
        env.reset()
        controller.begin(env.episode, epsilon=config.epsilon_finish, test_mode=False)
        while not frames or not frames[-1]["done"]:
            env.step(controller.select_actions(env, env.obs(), env.avail_actions(), len(frames)))
            frames.append(env.frame())
        return OneUpdate(HERE, run.trace, tuple(frames))


def spread(frames: Sequence[Frame], count: int) -> list[Frame]:
    """So many of the frames, from the first to the last, evenly spread; all of them if there are fewer."""
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[place] for place in places]


def frames_html(update: OneUpdate, count: int = 3) -> str:
    """Some moments of the battle side by side, under a line that says where they come from."""
    pictures = "".join(frame_svg(frame, inches=2.7) for frame in spread(update.frames, count))
    return f'<p><b>{update.source}</b></p><div style="display: flex; flex-wrap: wrap; gap: 8px">{pictures}</div>'


def _plain(value: Any) -> Any:
    """Arrays as lists; real numbers with three decimals."""
    if not isinstance(value, np.ndarray):
        return value
    return (value.round(3) if value.dtype.kind == "f" else value).tolist()
