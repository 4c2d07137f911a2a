"""Saved runs as one table: a row per update of each run, with the settings in which the runs differ."""

from __future__ import annotations

import os
from pathlib import Path

from omg_lib.config import ConfigError
from omg_lib.settings.words import DEFAULTS, flat
from omg_lib.system.files import read_json, read_rows, reason
from omg_lib.system.places import Place, walk
from omg_lib.words import _

ALWAYS = ("env", "learner", "n_agents", "batch_size", "seed")
"""Settings that every row has."""
NO_SETTING = ("device", "buffer_device", "runner", "actors", "versions")
"""Columns that do not distinguish experiments: where a run was computed, and with which versions."""


def results(folder: str | Path) -> list[dict[str, object]]:
    """Return every update of every run at or below a folder: `pandas.DataFrame(omg.results("runs"))` is a table.

    Each row has `run` (its folder, below this one), the settings of ALWAYS, each other setting in which the runs
    differ, and the columns of metrics.csv: numbers, None where a cell is empty. A registered learner's own settings are
    among them, None for runs of other learners; nothing has to be registered. Group by all settings but the seed before
    you average. ConfigError if there is no run, or one cannot be read. No link is followed.
    """
    configs, tables = {}, {}
    for path in sorted(_runs_below(Path(folder))):
        name = os.path.relpath(path, folder)
        try:
            saved = read_json(Place(path) / "config.json")
            configs[name], tables[name] = flat(DEFAULTS | saved), read_rows(Place(path) / "metrics.csv")
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                "folder", str(path), _("this run cannot be read ({reason})").format(reason=reason(error))
            ) from None
    if not tables:
        raise ConfigError("folder", str(folder), _("there is no run; allowed is a folder of runs written by --out"))
    known = dict.fromkeys(key for config in configs.values() for key in config if key not in NO_SETTING)
    differ = [key for key in known if len({repr(config.get(key)) for config in configs.values()}) > 1]
    names = list(dict.fromkeys([*ALWAYS, *differ]))
    columns = dict.fromkeys(key for rows in tables.values() for row in rows for key in row)
    return [
        {"run": run}
        | {key: configs[run].get(key) for key in names}
        | {key: _number(row.get(key, "")) for key in columns}
        for run, rows in tables.items()
        for row in rows
    ]


def _runs_below(folder: Path) -> list[Path]:
    """Return the folders that hold a run."""
    found = []
    for path, entries in walk(folder):
        if {"config.json", "metrics.csv"} <= {entry.name for entry in entries if not entry.is_dir()}:
            found.append(path)
            entries.clear()
    return found


def _number(text: str) -> object:
    """Return a cell as a number, None if it is empty, or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None
