"""Tables of runs that `python -m benchmarks.gpu` recorded, for readers without a GPU."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from omg_lib.config import ConfigError
from omg_lib.lessons.table import Table
from omg_lib.system.files import read_json, reason
from omg_lib.words import _

COMMAND = "python -m benchmarks.gpu --json data/gpu/NAME.json"


@dataclass(frozen=True)
class Recorded:
    """Tables of recorded runs, or one sentence that says there are none and how to record one."""

    tables: tuple[Table, ...]

    @property
    def said(self) -> str:
        if self.tables:
            return _("Recorded on other machines, not measured here:")
        return _("No GPU run is recorded yet: on a machine with a GPU, `{command}` records one.").format(
            command=COMMAND
        )

    def __repr__(self) -> str:
        return "\n\n".join([self.said, *map(repr, self.tables)])

    def _repr_html_(self) -> str:
        said = re.sub("`(.+)`", r"<code>\1</code>", escape(self.said))
        return f"<p>{said}</p>" + "".join(table._repr_html_() for table in self.tables)


def recorded_gpu(folder: str | Path) -> Recorded:
    """Tabulate the time of each stage of one update (median of the rounds) for every JSON file of `benchmarks.gpu` in a
    folder. A missing folder counts as empty. ConfigError for any other file.
    """
    return Recorded(tuple(_table(file) for file in sorted(Path(folder).glob("*.json"))))


def _table(file: Path) -> Table:
    try:
        record = read_json(file)
        stages, sizes = record["stages"], record["sizes"]
        names = list(dict.fromkeys(name for column in stages.values() for name in column))
        rows = [
            (name, *(f"{column[name]['median']:.2f}" if name in column else "" for column in stages.values()))
            for name in names
        ]
        place = record["card"] or _("no GPU, but {cpu}").format(cpu=record["machine"]["cpu"])
        caption = _(
            "{name}: {place}, torch {torch}, commit {commit}, n_agents {n_agents}, {episodes} episodes of T = {t}"
        ).format(
            name=file.name,
            place=place,
            torch=record["torch"],
            commit=record["commit"],
            n_agents=sizes["n_agents"],
            episodes=sizes["episodes"],
            t=sizes["T"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = _("not a record of benchmarks.gpu ({name}: {error})").format(
            name=type(error).__name__, error=reason(error)
        )
        raise ConfigError(
            "file", str(file), _("{why}; allowed is what `{command}` writes").format(why=why, command=COMMAND)
        ) from None
    return Table(("stage", *(f"{name}, ms" for name in stages)), tuple(rows), caption=caption)
