"""python -m paper [partners | foraging] [--quick] [--jobs 2] [--data FOLDER] [--tables-only]

Runs what is missing, then writes every table and figure. Run the same command again to continue an interrupted call.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from paper.foraging import foraging, run_foraging, write_foraging
from paper.plan import partners, plain
from paper.run import run_all, ship
from paper.tables import write_all


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m paper", description=__doc__.split("\n\n")[1])
    games = ("partners", "foraging")
    parser.add_argument("game", nargs="?", default="partners", choices=games, help="default partners")
    parser.add_argument("--quick", action="store_true", help="a smoke test: tiny, proves nothing")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once; default 2")
    parser.add_argument("--data", type=Path, default=Path("data"), help="where pools, priors and results go")
    parser.add_argument("--tables-only", action="store_true", help="only write tables and figures of existing results")
    args = parser.parse_args()
    if args.game == "foraging":
        plan = foraging(args.quick, args.data)
        if not args.tables_only:
            run_foraging(plan, args.jobs)
        write_foraging(plan)
        return
    plans = [partners(args.quick, args.data), plain(args.quick, args.data)]
    if not args.tables_only:
        with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as workers:
            for plan in plans:
                run_all(plan, workers)
    ship(plans[0])
    write_all(plans, args.quick)


if __name__ == "__main__":
    main()
