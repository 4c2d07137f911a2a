"""How fast is this tree beside another checkout of it? CPU seconds of both, in turn, one thread each.

    git worktree add ../before 49fbce0
    python -m benchmarks.against ../before --json against.json

Each side runs in a process of its own, and only one of them works at a time. In every round each piece of work is
measured on one side and then on the other, with the sides changing places; `ratios` are this tree over the checkout,
round by round: below 1 this tree is faster.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import machine, spread

HERE = Path(__file__).resolve().parents[1]
NAMES = (
    "omg_update", "omg_update_8", "iql_update", "runner_1", "runner_8", "runner_32", "sample", "train_32", "train_256",
    "first_picture",
)  # fmt: skip
"""Whole updates at the defaults, the OMG learner's also with 8 episodes played at once, then the parts of one."""
ROUNDS = 7


class Side:
    """A checkout in a process of its own. RuntimeError, with what it printed last, if it ends."""

    def __init__(self, checkout: Path) -> None:
        command = [sys.executable, str(HERE / "benchmarks" / "against_side.py"), str(checkout)]
        self.checkout = checkout
        self._process = subprocess.Popen(
            command, cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def seconds(self, name: str) -> float:
        try:
            self._process.stdin.write(f"{name}\n")
            self._process.stdin.flush()
            return float(self._process.stdout.readline())
        except (BrokenPipeError, ValueError):
            said = self._process.stderr.read().strip().splitlines()[-1:] or ["it said nothing"]
            raise RuntimeError(f"{self.checkout} cannot do {name}: {said[0]}") from None

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def compare(checkout: Path, names: Sequence[str] = NAMES, rounds: int = ROUNDS) -> dict[str, Any]:
    """Return the ratios and both sides' CPU seconds, each with median, min and max."""
    sides = {"this": Side(HERE), "other": Side(checkout)}
    found: dict[str, dict[str, list[float]]] = {name: {side: [] for side in sides} for name in names}
    try:
        for turn in range(rounds):
            for name in names:
                for side in list(sides)[:: 1 if turn % 2 else -1]:
                    found[name][side].append(sides[side].seconds(name))
    finally:
        for side in sides.values():
            side.close()
    ratios = {
        name: spread([a / b for a, b in zip(read["this"], read["other"], strict=True)]) for name, read in found.items()
    }
    seconds = {side: {name: spread(read[side]) for name, read in found.items()} for side in sides}
    return {"ratios": ratios, "seconds": seconds, "rounds": rounds, "machine": machine()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="another checkout of this repository")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    args = parser.parse_args()
    if not (args.checkout / "omg_lib" / "__init__.py").is_file():
        parser.error(f"checkout={args.checkout}: it holds no omg_lib; allowed is a checkout of this repository")
    if args.json and not args.json.absolute().parent.is_dir():
        parser.error(f"--json={args.json}: there is no such folder; allowed is a file in one")
    found = compare(args.checkout.resolve())
    for name, ratio in found["ratios"].items():
        print(f"{name:14} {ratio['median']:.2f}  ({ratio['min']:.2f} to {ratio['max']:.2f})")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
