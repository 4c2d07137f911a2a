"""Fuzz every reader for a long time: `python tests/fuzz/run.py --inputs 100000` (all), or `--readers pool trace`.

Three generators share the inputs: random damage to a good file; JSON with any value in any place (hypothesis, if the
file is JSON); and coverage-guided bytes (atheris, if installed with `pip install atheris`; one process per reader). A
reader may accept its input or refuse it with a ConfigError. Anything else ends the run with exit code 1 and leaves the
input in `--out`; so does an input for which a reader takes more than 10 seconds or the process more than 600 MB on top
of its start.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
if "guided" in sys.argv:  # atheris learns which lines an input reaches only from imports in here
    import atheris

    with atheris.instrument_imports(include=["omg_lib"]):
        from tests.helpers.readers import Readers
else:
    from tests.helpers.readers import Readers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.fuzzing import damaged, json_values

SECONDS = 10
BYTES = 600 * 2**20


def hung(*_: object) -> None:
    raise TimeoutError(f"a reader took longer than {SECONDS} s")


class Watch:
    """Reads one input after another, counts them, and keeps the one that failed."""

    def __init__(self, readers: Readers, name: str, out: Path) -> None:
        self.readers, self.name, self.out, self.done, self.taken = readers, name, out, 0, 0
        resource.setrlimit(resource.RLIMIT_DATA, (_data() + BYTES, resource.RLIM_INFINITY))
        signal.signal(signal.SIGALRM, hung)

    def __call__(self, data: bytes) -> None:
        signal.alarm(SECONDS)
        try:
            self.taken += self.readers.read(self.name, data) == "taken"
        except BaseException:
            self.out.mkdir(parents=True, exist_ok=True)
            (self.out / f"{self.name}-{self.done}").write_bytes(data)
            raise
        finally:
            signal.alarm(0)
        self.done += 1


def _data() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))


def random_damage(watch: Watch, inputs: int, seed: int) -> None:
    chance, original = random.Random(seed), watch.readers.seeds[watch.name]
    for _ in range(inputs):
        watch(damaged(original, chance))


def any_json(watch: Watch, inputs: int) -> None:
    original = json.loads(watch.readers.seeds[watch.name])
    checks = list(HealthCheck)

    @settings(max_examples=inputs, deadline=None, suppress_health_check=checks, database=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        watch(json.dumps(data.draw(json_values(original))).encode())

    check()


def guided(watch: Watch, inputs: int, seed: int, corpus: Path) -> None:
    """Runs until atheris ends the process."""
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "seed").write_bytes(watch.readers.seeds[watch.name])
    longest = 2 * len(watch.readers.seeds[watch.name])
    limits = [f"-runs={inputs}", f"-seed={seed + 1}", "-len_control=0", f"-max_len={longest}", "-rss_limit_mb=0"]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], watch)
    atheris.Fuzz()


def one_reader(args: argparse.Namespace, name: str, maker: str) -> None:
    readers = Readers(args.out / f"files-{name}-{maker}")
    watch, share = Watch(readers, name, args.out), -(-args.inputs // (3 if readers.seeds[name][:1] == b"{" else 2))
    try:
        if maker == "random":
            random_damage(watch, share, args.seed)
        elif maker == "json":
            any_json(watch, share)
        else:
            guided(watch, share, args.seed, args.out / f"corpus-{name}")
    finally:
        print(f"  {name} by {maker}: {watch.done:,} inputs, {watch.taken:,} taken", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="for each reader; default 100,000")
    parser.add_argument("--readers", nargs="+")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--maker", choices=("random", "json", "guided"), help="only one of the makers")
    args = parser.parse_args()
    if args.readers and len(args.readers) == 1 and args.maker:
        one_reader(args, args.readers[0], args.maker)
        return 0
    found = Readers(args.out / "files")
    names = {name: ["random", "guided"] + ["json"] * (data[:1] == b"{") for name, data in found.seeds.items()}
    found.close()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: the other makers run alone")
        names = {name: [maker for maker in makers if maker != "guided"] for name, makers in names.items()}
    failed = []
    for name in args.readers or names:
        for maker in names[name]:
            began = time.monotonic()
            words = [sys.executable, __file__, "--readers", name, "--maker", maker, "--out", str(args.out)]
            code = subprocess.run([*words, "--inputs", str(args.inputs), "--seed", str(args.seed)]).returncode
            failed += [f"{name} by {maker}"] * bool(code)
            print(f"{name} by {maker}: {time.monotonic() - began:.0f} s, {'FAILED' if code else 'well'}", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "every reader refused what it did not take")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
