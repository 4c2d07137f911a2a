"""metrics.csv: one row per update, flushed at once. A row torn by a crash is dropped when the run is resumed.

The library's columns come first; a registered learner's own metrics follow, each from the update that first reports it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice

from omg_lib.contract import METRICS
from omg_lib.errors import ConfigError
from omg_lib.system.files import File, finite, write_text
from omg_lib.system.places import Place, append, reading, rename, replacing
from omg_lib.training import Report
from omg_lib.words import _

LINE = 2**16
"""Maximum characters of a row."""
MOST_BYTES = 2**30
"""A larger file is not ours: its rows would take months to train."""


def begin(metrics: File) -> None:
    """The header line: a file without rows."""
    write_text(metrics, _line(METRICS))


def record(metrics: File, report: Report, seconds: float) -> None:
    """Append the row of one update, whole or not at all; `seconds` is the run's time so far.

    What was not measured in this update stays empty: a report carries the latest `win_rate`, its row does not.
    ConfigError if a learner reports more metrics than a row can hold.
    """
    values = {"update": report.update, "t_env": report.t_env, "time": round(seconds, 3)} | report.metrics
    if "test_return" not in values:
        values.pop("win_rate", None)
    columns = _columns(metrics)
    new = [name for name in values if name not in columns]
    rows = [[*row, *("" for _ in new)] for row in _rows(metrics) if row] if new else []
    columns = (*columns, *new)
    out = io.StringIO(newline="")
    csv.DictWriter(out, columns).writerow(values)
    if max(len(_line(columns)), len(out.getvalue())) > LINE:
        allowed = _("make a row of metrics.csv longer than {most} characters; report fewer").format(most=LINE)
        raise ConfigError("metrics", f"{len(columns)} columns", allowed)
    if new:
        write_text(metrics, "".join(map(_line, [columns, *rows])))
    append(metrics, out.getvalue().encode())


def has_two_rows(metrics: Place) -> bool:
    """Return whether there are more rows than the one written before the first checkpoint."""
    return metrics.is_file() and len(list(islice(_rows(metrics), 2))) > 1


def last_row(metrics: File) -> dict[str, str]:
    """Return the last complete row. ValueError if there is none."""
    last = None
    for row in _rows(metrics):
        last = row or last
    if last is None:
        raise ValueError(_("it has no row"))
    return dict(zip(_columns(metrics), last, strict=True))


def seconds_of(metrics: Place) -> float:
    """Return the time of the last complete row, from which a resumed run continues counting; 0 if there is none."""
    try:
        return finite(float(last_row(metrics).get("time", "")))
    except (OSError, ValueError):
        return 0.0


def _columns(metrics: File) -> tuple[str, ...]:
    """Return the columns that the header names; the library's if it is damaged."""
    with reading(metrics, MOST_BYTES) as file:
        names = tuple(file.readline(LINE).decode("utf-8", "replace").rstrip("\r\n").split(","))
    whole = names[:2] == METRICS[:2] and len(set(names)) == len(names) and all(map(str.isidentifier, names))
    return names if whole else METRICS


def _rows(metrics: File) -> Iterator[list[str] | None]:
    """Yield the rows of metrics.csv; None for a torn or damaged row."""
    width = len(_columns(metrics))
    with reading(metrics, MOST_BYTES) as file:
        lines = io.TextIOWrapper(file, "utf-8", errors="replace", newline="")
        lines.readline(LINE)
        for line in iter(lambda: lines.readline(LINE), ""):
            row = line.rstrip("\r\n").split(",")
            yield row if len(row) == width and row[0].isascii() and row[0].isdecimal() else None


def _line(row: Iterable[str]) -> str:
    return ",".join(row) + "\r\n"


def cut(metrics: Place, update: int) -> str:
    """Keep the rows up to an update; return a notice about damaged ones. A crash tears at most one row."""
    rows = list(_rows(metrics)) if metrics.is_file() else []
    torn = rows.count(None)
    columns = _columns(metrics) if metrics.is_file() else METRICS
    with replacing(metrics) as draft:
        for row in (columns, *(row for row in rows if row and int(row[0][:18]) <= update)):
            draft.write(_line(row).encode())
        if torn > 1:
            rename(metrics, "metrics.damaged.csv")
    said = _(" {torn} rows of metrics.csv cannot be read: the file is kept as metrics.damaged.csv.")
    return said.format(torn=torn) if torn > 1 else ""
