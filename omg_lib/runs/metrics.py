"""metrics.csv: one row per update, flushed at once. A row torn by a crash is dropped when the run is resumed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice

from omg_lib.system.files import File, write_text
from omg_lib.system.places import Place, append, reading, rename, replacing
from omg_lib.training import Report

COLUMNS = (
    "update", "t_env", "loss", "td_loss", "omg_loss", "train_win_rate", "win_rate", "train_return", "epsilon",
    "grad_norm", "recon_loss", "kl_loss", "model_loss",
)  # fmt: skip
LINE = 4096
"""Maximum characters read of a row."""
MOST_BYTES = 2**30
"""A larger file is not ours: so many rows would take months."""


def begin(metrics: File) -> None:
    """The header line: a file without rows."""
    write_text(metrics, _line(COLUMNS))


def record(metrics: File, report: Report) -> None:
    """Append the row of one update, whole or not at all."""
    out = io.StringIO(newline="")
    csv.DictWriter(out, COLUMNS).writerow({"update": report.update, "t_env": report.t_env} | report.metrics)
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
        raise ValueError("it has no row")
    return dict(zip(COLUMNS, last, strict=True))


def _rows(metrics: File) -> Iterator[list[str] | None]:
    """Yield the rows of metrics.csv; None for a torn or damaged row."""
    with reading(metrics, MOST_BYTES) as file:
        lines = io.TextIOWrapper(file, "utf-8", errors="replace", newline="")
        lines.readline(LINE)
        for line in iter(lambda: lines.readline(LINE), ""):
            row = line.rstrip("\r\n").split(",")
            yield row if len(row) == len(COLUMNS) and row[0].isascii() and row[0].isdecimal() else None


def _line(row: Iterable[str]) -> str:
    return ",".join(row) + "\r\n"


def cut(metrics: Place, update: int) -> str:
    """Keep the rows up to an update; return a notice about damaged ones. A crash tears at most one row."""
    torn = 0
    with replacing(metrics) as draft:
        draft.write(_line(COLUMNS).encode())
        for row in _rows(metrics) if metrics.is_file() else ():
            torn += row is None
            if row and int(row[0][:18]) <= update:
                draft.write(_line(row).encode())
        if torn > 1:
            rename(metrics, "metrics.damaged.csv")
    return f" {torn} rows of metrics.csv cannot be read: the file is kept as metrics.damaged.csv." if torn > 1 else ""
