"""metrics.csv: a row after each update, flushed at once; what a crash has torn is left out when the run goes on."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from omg_lib.files import open_plain, replacing, write_text
from omg_lib.training import Report

COLUMNS = (
    "update", "t_env", "loss", "td_loss", "omg_loss", "train_win_rate", "win_rate", "train_return", "epsilon",
    "grad_norm", "recon_loss", "kl_loss", "model_loss",
)  # fmt: skip
LINE = 4096
"""Characters of a row that are read."""


def begin(metrics: Path) -> None:
    """A file without a row."""
    write_text(metrics, _line(COLUMNS))


def append(metrics: Path, report: Report) -> None:
    """Add the row of one update, and flush it."""
    row = {"update": report.update, "t_env": report.t_env} | report.metrics
    with metrics.open("a", newline="") as file:
        csv.DictWriter(file, COLUMNS).writerow(row)


def has_two_rows(metrics: Path) -> bool:
    """Whether there is more than the row that is written before the first checkpoint."""
    return metrics.is_file() and len(list(islice(_rows(metrics), 2))) > 1


def _rows(metrics: Path) -> Iterator[list[str] | None]:
    """The rows of metrics.csv one by one; None for one that is torn or damaged."""
    with open_plain(metrics) as file:
        lines = io.TextIOWrapper(file, "utf-8", errors="replace", newline="")
        lines.readline(LINE)
        for line in iter(lambda: lines.readline(LINE), ""):
            row = line.rstrip("\r\n").split(",")
            yield row if len(row) == len(COLUMNS) and row[0].isascii() and row[0].isdecimal() else None


def _line(row: Iterable[str]) -> str:
    return ",".join(row) + "\r\n"


def cut(metrics: Path, update: int) -> str:
    """Leave the rows up to an update; what there is to say about the others. A crash tears one row at most."""
    torn = 0
    with replacing(metrics) as draft:
        with draft.open("w", newline="") as file:
            file.write(_line(COLUMNS))
            for row in _rows(metrics) if metrics.exists() else ():
                torn += row is None
                if row and int(row[0][:18]) <= update:
                    file.write(_line(row))
        if torn > 1:
            os.replace(metrics, metrics.with_name("metrics.damaged.csv"))
    return f" {torn} rows of metrics.csv cannot be read: the file is kept as metrics.damaged.csv." if torn > 1 else ""
