"""python -m paper [--quick] [--jobs 2] [--data FOLDER] [--tables-only]

Runs what is missing, then writes every table and figure. An interrupted call is gone on with by the same command.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from paper.plan import partners, plain
from paper.run import run_all, ship
from paper.tables import write_all


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m paper", description=__doc__.split("\n\n")[1])
    parser.add_argument("--quick", action="store_true", help="a smoke version: tiny, and it proves nothing")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once; default 2")
    parser.add_argument("--data", type=Path, default=Path("data"), help="where pools, priors and results go")
    parser.add_argument("--tables-only", action="store_true", help="write tables and figures of what is there")
    args = parser.parse_args()
    plans = [partners(args.quick, args.data), plain(args.quick, args.data)]
    if not args.tables_only:
        for plan in plans:
            run_all(plan, args.jobs)
    ship(plans[0])
    write_all(plans, args.quick)


if __name__ == "__main__":
    main()
