"""metrics.csv: a row after each update, flushed at once; what a crash has torn is left out when the run goes on."""

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
"""Characters of a row that are read."""
MOST_BYTES = 2**30
"""A file of more is none of ours: that many rows come in months."""


def begin(metrics: File) -> None:
    """A file without a row."""
    write_text(metrics, _line(COLUMNS))


def record(metrics: File, report: Report) -> None:
    """Add the row of one update, whole or not at all."""
    out = io.StringIO(newline="")
    csv.DictWriter(out, COLUMNS).writerow({"update": report.update, "t_env": report.t_env} | report.metrics)
    append(metrics, out.getvalue().encode())


def has_two_rows(metrics: Place) -> bool:
    """Whether there is more than the row that is written before the first checkpoint."""
    return metrics.is_file() and len(list(islice(_rows(metrics), 2))) > 1


def last_row(metrics: File) -> dict[str, str]:
    """The last row that is whole. ValueError if none is."""
    last = None
    for row in _rows(metrics):
        last = row or last
    if last is None:
        raise ValueError("it has no row")
    return dict(zip(COLUMNS, last, strict=True))


def _rows(metrics: File) -> Iterator[list[str] | None]:
    """The rows of metrics.csv one by one; None for one that is torn or damaged."""
    with reading(metrics, MOST_BYTES) as file:
        lines = io.TextIOWrapper(file, "utf-8", errors="replace", newline="")
        lines.readline(LINE)
        for line in iter(lambda: lines.readline(LINE), ""):
            row = line.rstrip("\r\n").split(",")
            yield row if len(row) == len(COLUMNS) and row[0].isascii() and row[0].isdecimal() else None


def _line(row: Iterable[str]) -> str:
    return ",".join(row) + "\r\n"


def cut(metrics: Place, update: int) -> str:
    """Leave the rows up to an update; what there is to say about the others. A crash tears one row at most."""
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
