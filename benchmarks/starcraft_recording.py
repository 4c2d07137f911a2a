"""One update of OMG on `smacv2` against the protocol double, recorded for notebook 11.

    python -m benchmarks.starcraft_recording --out data/starcraft/double.json

It needs the package smacv2 (`make smacv2`) but not the game: `tests/helpers/sc2_double` runs instead.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from omg_lib.config import OMGConfig
from omg_lib.lessons.starcraft import play
from tests.helpers.sc2_double import install

CONFIG = OMGConfig(env="smacv2", n_agents=8, batch_size=32, device="cpu")
FRAMES = 3


def record(config: OMGConfig, out: str | Path, frames: int = FRAMES) -> None:
    """Play and write; SC2PATH points to the double meanwhile."""
    before = os.environ.get("SC2PATH")
    with tempfile.TemporaryDirectory() as folder:
        install(folder)
        os.environ["SC2PATH"] = folder
        try:
            play(config).save(out, frames)
        finally:
            os.environ.pop("SC2PATH")
            if before is not None:
                os.environ["SC2PATH"] = before


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="data/starcraft/double.json")
    record(CONFIG, parser.parse_args().out)
