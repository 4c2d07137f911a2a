"""Notebook 11: one update on StarCraft II if it is installed; otherwise a recording made with a double of the game."""

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
from omg_lib.words import N_, _

HERE = N_("StarCraft II, just now on this machine")
RECORDED = N_("A RECORDING, AND NOT OF STARCRAFT II: a program that replaces the game and invents its fights")
CLAIMS = {
    "shapes": N_("SMACv2's own code makes every tensor, with or without the game"),
    "win rate": N_("the double invents who hits whom, and what the enemy does"),
    "speed": N_("the double moves a few marines; the game computes a whole world"),
}
CLAIM = "shapes"
"""What a test against the double allows you to claim about the real game; the last question asks for it."""
Frame = dict[str, Any]


@dataclass(frozen=True)
class OneUpdate:
    """The trace of an update, and a battle of its policy: one frame (`env.frame()`) after each step."""

    made: str
    trace: ShapeTrace
    frames: tuple[Frame, ...]

    @property
    def source(self) -> str:
        """What made it, in words."""
        return _(self.made)

    @property
    def config(self) -> OMGConfig:
        return OMGConfig.from_dict(self.trace.config)

    def save(self, path: str | Path, pictures: int) -> None:
        """Write it as JSON with `pictures` of its frames, evenly spaced."""
        chosen = spread(self.frames, pictures)
        frames = [{key: _plain(value) for key, value in frame.items()} for frame in chosen]
        write_text(path, json.dumps({"trace": self.trace.to_dict(), "frames": frames}) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> OneUpdate:
        """Read a file of `save`, and mark it as a recording. ConfigError for anything else."""
        try:
            values = read_json(path)
            frames = tuple(
                {key: np.array(x) if isinstance(x, list) else x for key, x in frame.items()}
                for frame in values["frames"]
            )
            return cls(RECORDED, ShapeTrace.from_dict(values["trace"]), frames)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                "recording", str(path), _("is not a readable recording ({error})").format(error=reason(error))
            ) from None


def one_update(config: OMGConfig, recording: str | Path) -> OneUpdate:
    """Run an update of one group (to keep it short) on the real game; without the game, load the recording."""
    if any(not check.ok for check in starcraft_checks() if check.name != "smac"):
        return OneUpdate.load(recording)
    return play(replace(config, batch_size=1))


def play(config: OMGConfig) -> OneUpdate:
    """Train for one update, then play one battle with its policy."""
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
    """Return `count` frames, from the first to the last, evenly spaced; all of them if there are fewer."""
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[place] for place in places]


def frames_html(update: OneUpdate, count: int = 3) -> str:
    """Return pictures of some moments of the battle side by side, under a line with their source."""
    pictures = "".join(frame_svg(frame, inches=2.7) for frame in spread(update.frames, count))
    return f'<p><b>{update.source}</b></p><div style="display: flex; flex-wrap: wrap; gap: 8px">{pictures}</div>'


def _plain(value: Any) -> Any:
    """Turn arrays into lists; round real numbers to three decimals."""
    if not isinstance(value, np.ndarray):
        return value
    return (value.round(3) if value.dtype.kind == "f" else value).tolist()
