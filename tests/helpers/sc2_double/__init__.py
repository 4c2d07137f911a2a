"""A protocol double of StarCraft II, for tests and recordings: a program that pysc2 starts instead of the game.

It speaks the game's protocol over a websocket, which lets the real smacv2 and pysc2 code run without the game. It is
not StarCraft: how units move, shoot and die in `game.py` are our guesses. What runs against it proves types, shapes,
the order of calls, seeds, restarts and errors, and nothing about the game.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

SERVER = Path(__file__).with_name("server.py")
COMPARABLE = 75689
"""The build of version 4.10, on which published results were measured."""


def install(root: str | Path, build: int = COMPARABLE, **faults: object) -> Path:
    """Put the double and an empty map where pysc2 looks for the game if SC2PATH is `root`; return the program.

    `faults` are injected: `start_after=seconds`, `exit_at_start=code`, `exit_at_step=k`, `silent_at_step=k` (the first
    game that gets this far; all games with `again=True`), `refuse_map=text`, `swallow_units=k` (the first k units of
    each game do not appear).
    """
    root = Path(root).absolute()
    program = root / f"Versions/Base{build}/SC2_x64"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SERVER}" "{root}" "$@"\n')
    program.chmod(0o755)
    map_file = root / "Maps/SMAC_Maps/32x32_flat.SC2Map"
    map_file.parent.mkdir(parents=True, exist_ok=True)
    map_file.write_bytes(b"no map")
    (root / "faults.json").write_text(json.dumps(faults))
    return program
