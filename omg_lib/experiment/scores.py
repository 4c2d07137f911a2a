"""The scores of saved runs as rows of a table, and their summary: a mean and an interval for each group."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from omg_lib.config import ConfigError
from omg_lib.experiment.evaluate import evaluate, fine_tune, interval_of
from omg_lib.runs.folder import load
from omg_lib.system import files
from omg_lib.system.files import reason
from omg_lib.teammates.pool import Pool
from omg_lib.words import _


def scores_of(
    folder: str, settings: str, pool_path: str | None, splits: Sequence[str], episodes: int, tuning: int
) -> list[dict[str, object]]:
    """Return the scores of one saved run as rows; with `tuning`, after that many episodes of learning with each set."""
    with load(folder) as run:
        config = run.config
        if not run.finished:
            print(
                _("{folder}: its training stands at update {update} and has not ended").format(
                    folder=folder, update=run.update
                ),
                file=sys.stderr,
            )
        if tuning:
            numbers = run.controller.coplayers.pool.ids(*splits)
            scores = [fine_tune(run, number, tuning, episodes)[1] for number in numbers]
        else:
            pool = Pool.load(pool_path, config.env, run.env.info) if pool_path else None
            scores = evaluate(run, splits, episodes, pool)
        about = {"run": folder, "env": config.env, "n_agents": config.n_agents, "learner": config.learner}
        mode = config.subgoal_mode if config.base == "omg" else ""
        about |= {"subgoal_mode": mode, "settings": settings, "seed": config.seed}
        return [about | asdict(score) for score in scores]


def means_of_each(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Return the mean and 95 % interval of each learner and its settings, for each split and kind of teammates."""
    keys = ("learner", "subgoal_mode", "settings", "split", "kind")
    groups: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    lines = []
    for group, mine in groups.items():
        mean, low, high, seeds, sets = interval_of(mine)
        line = dict(zip(("method", "mode", *keys[2:]), group, strict=True)) | {"mean": mean, "low": low, "high": high}
        own = len({row["teammates"] for row in mine}) > sets
        lines.append(line | {"seeds": seeds, "sets": sets, "own": own})
    return lines


def write_rows(path: str | Path, rows: Sequence[dict[str, object]]) -> None:
    """Write rows as a CSV file. ConfigError if it cannot be written."""
    try:
        files.write_rows(path, rows, list(rows[0]))
    except OSError as error:
        allowed = _("cannot be written ({reason}); allowed is a file that can").format(reason=reason(error))
        raise ConfigError("out", str(path), allowed) from None
