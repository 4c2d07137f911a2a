"""Saved runs as one table: a row per update of each run, with the settings in which the runs differ."""

from __future__ import annotations

import os
from pathlib import Path

from omg_lib.config import ConfigError
from omg_lib.settings.words import DEFAULTS, KINDS
from omg_lib.system.files import read_json, read_rows, reason
from omg_lib.system.places import Place

ALWAYS = ("env", "learner", "n_agents", "batch_size", "seed")
"""Settings that every row has."""
ANYWHERE = ("device", "buffer_device", "runner", "actors")
"""Settings for where a run is computed, which tell no experiments apart."""


def results(folder: str | Path) -> list[dict[str, object]]:
    """Return every update of every run at or below a folder: `pandas.DataFrame(omg.results("runs"))` is a table.

    Each row has `run` (its folder, below this one), the settings of ALWAYS, each other setting in which the runs
    differ, and the columns of metrics.csv: numbers, None where a cell is empty. Group by all settings but the seed
    before you average. ConfigError if there is no run, or one cannot be read. No link is followed.
    """
    configs, tables = {}, {}
    for path in sorted(_runs_below(Path(folder))):
        name = os.path.relpath(path, folder)
        try:
            saved = read_json(Place(path) / "config.json")
            tables[name] = read_rows(Place(path) / "metrics.csv")
        except (OSError, ValueError) as error:
            raise ConfigError("folder", str(path), f"this run cannot be read ({reason(error)})") from None
        configs[name] = {key: saved.get(key, DEFAULTS[key]) for key in KINDS}
    if not tables:
        raise ConfigError("folder", str(folder), "there is no run; allowed is a folder of runs written by --out")
    differ = [key for key in KINDS if len({repr(config[key]) for config in configs.values()}) > 1]
    names = list(dict.fromkeys([*ALWAYS, *(key for key in differ if key not in ANYWHERE)]))
    return [
        {"run": run, **{key: configs[run][key] for key in names}, **{key: _number(text) for key, text in row.items()}}
        for run, rows in tables.items()
        for row in rows
    ]


def _runs_below(folder: Path) -> list[Path]:
    """Return the folders that hold a run."""
    found = []
    for path, folders, files in os.walk(folder):
        if {"config.json", "metrics.csv"} <= set(files):
            found.append(Path(path))
            folders.clear()
    return found


def _number(text: str) -> object:
    """Return a cell as a number, None if it is empty, or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None
