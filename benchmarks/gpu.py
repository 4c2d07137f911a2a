"""How fast is a learner on a GPU, compared with PyMARL's on the same card and with what the card can do?

    python -m benchmarks.gpu --pymarl CHECKOUT --json data/gpu/h200.json
    python -m benchmarks.gpu --device cpu --quick                          the same at small sizes, without a GPU

IQL on 256 episodes of T = 121 with 8 agents (2,048 rows), OMG at G = 32, float32 throughout. Times are by CUDA events,
the median and the range of the rounds. README.md says what each figure is. One call takes at most nine minutes: parts
run in order of worth, the file is written after each, and no part begins after that time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

import omg_lib as omg
from benchmarks import device as on
from benchmarks import gpu_runs
from benchmarks.compare import figure, git
from benchmarks.floor import train_flop
from benchmarks.our_side import CPU, Ours
from benchmarks.pymarl_side import PyMARL
from benchmarks.timing import Operation, Reading, interleave, machine, ratio, spread
from omg_lib import training
from omg_lib.config import ConfigError, OMGConfig
from omg_lib.controller import Controller
from omg_lib.episodes import EpisodeBatch, PackedRows, PaddedRows, sizes_of, to_device, truncate
from omg_lib.learners.q_learner import QLearner
from omg_lib.runner import Runner
from omg_lib.system.files import write_text
from omg_lib.trace import Recorder, stage

PARTS = ("equality", "tests", "trace", "train", "stages", "rollouts", "wide", "memory")
"""In order of worth: what comes last is lost first."""
SECONDS = 540
SIZES = dict(n_agents=8, episodes=256, stored=1000, widths=(8, 4096))
QUICK = dict(n_agents=2, episodes=16, stored=256, widths=(2, 8))
WARM_UP = 3
TOLERANCE = 1e-5
"""Maximum relative difference between a loss on the device and on the CPU."""


class Bench:
    """One measurement: both configurations with the same episodes, and the record of results."""

    def __init__(self, place: str, checkout: str | None, rounds: int, quick: bool, seconds: float) -> None:
        self.place, self.device = place, training.resolve_device(place)
        self.checkout, self.rounds, self.quick = checkout, rounds, quick
        self.ends, device = time.perf_counter() + seconds, self.device
        self.sizes, self.clock = QUICK if quick else SIZES, on.Clock(device)
        agents, episodes = self.sizes["n_agents"], self.sizes["episodes"]
        batch_sizes = {"iql": episodes, "omg": episodes // agents}
        self.ours = {
            name: Ours(self.sizes["stored"], learner=name, n_agents=agents, batch_size=size)
            for name, size in batch_sizes.items()
        }
        self.batches = {name: ours.whole_sample(episodes) for name, ours in self.ours.items()}
        cuda, here = device.type == "cuda", Path(__file__).parent
        self.result: dict = {
            "card": torch.cuda.get_device_name(device) if cuda else None,
            "device": str(device),
            "machine": machine(),
            "torch": torch.__version__,
            "cuda": torch.version.cuda if cuda else None,
            "cudnn": torch.backends.cudnn.version() if cuda else None,
            "commit": git(here, "rev-parse", "HEAD"),
            "uncommitted_changes": bool(git(here, "status", "--porcelain", "--untracked-files=no")),
            "pymarl_commit": git(Path(checkout), "rev-parse", "HEAD") if checkout else None,
            "clock": "CUDA events" if cuda else "wall",
            "rounds": rounds,
            "sizes": {"T": self.batches["iql"].max_t_filled(), "rows": agents * episodes, "G": batch_sizes["omg"]}
            | {key: self.sizes[key] for key in ("n_agents", "episodes", "widths")},
            "stages": {},
            "failed": {},
            "skipped": [],
        }

    def fresh(self, name: str, device: torch.device) -> QLearner:
        """Return a fresh learner."""
        return on.fresh_learner(self.ours[name].config, self.ours[name].controller.info, device)

    def time(self, operations: dict[str, Operation]) -> dict[str, list[Reading]]:
        """Return readings of operations in turn, after a warm-up."""
        for operation in operations.values():
            for _ in range(WARM_UP):
                operation()
        return interleave(operations, self.rounds, torch.get_num_threads(), 0.01 if self.quick else 0.2, self.clock)

    # --- one train -------------------------------------------------------------------------------------------------

    def equality(self) -> None:
        """Compare loss and gradients of one train: nn.GRU over whole sequences on the device, the CPU's own form."""
        answer: dict = {"tolerance": TOLERANCE}
        precisions = {"float32": False} | ({"tf32": True} if self.device.type == "cuda" else {})
        for name, batch in self.batches.items():
            expected = self.fresh(name, CPU)
            loss = expected.train(batch, 0, 0)["loss"]
            for precision, allowed in precisions.items():
                torch.backends.cudnn.allow_tf32 = allowed
                learner = self.fresh(name, self.device)
                with on.learning_from(PaddedRows):
                    found = learner.train(to_device(batch, self.device), 0, 0)["loss"]
                pairs = zip(learner.agent.parameters(), expected.agent.parameters(), strict=True)
                apart = max(float((a.grad.cpu() - b.grad).norm() / b.grad.norm()) for a, b in pairs)
                answer[f"{name}_{precision}"] = {"loss": abs(found - loss) / abs(loss), "gradients": apart}
        torch.backends.cudnn.allow_tf32 = False
        answer["within"] = answer["iql_float32"]["loss"] <= TOLERANCE
        self.result["equality"] = answer
        for key, value in answer.items():
            if isinstance(value, dict):
                apart = f"loss differs from the CPU's by {value['loss']:.1e}, gradients {value['gradients']:.1e}"
                print(f"{key}: the {apart}", flush=True)

    def operations(self) -> dict[str, Operation]:
        """Time one train each, on a batch already on the device, and the rates behind the floor."""
        batches = {name: to_device(batch, self.device) for name, batch in self.batches.items()}
        learners = {name: self.fresh(name, self.device) for name in batches}

        def train(name: str) -> int:
            learners[name].train(batches[name], 0, 0)
            return 1

        def stepwise() -> int:
            with on.learning_from(PackedRows):
                return train("iql")

        def tf32() -> int:
            torch.backends.cudnn.allow_tf32 = True
            done = train("iql")
            torch.backends.cudnn.allow_tf32 = False
            return done

        operations = {"iql": lambda: train("iql"), "omg": lambda: train("omg"), "iql_stepwise": stepwise}
        if self.device.type == "cuda":
            operations["iql_tf32"] = tf32
        if self.checkout:
            operations["pymarl"] = self._pymarl(learners["iql"], self.batches["iql"])
        return operations | on.rates(self.device, self.quick)

    def _pymarl(self, learner: QLearner, batch: EpisodeBatch) -> Operation:
        peer = PyMARL(self.checkout, self.sizes["n_agents"], buffer_size=1)
        peer.load_weights(learner.agent, learner.target)
        episodes = peer.batch(batch)
        if self.device.type == "cuda":
            peer.learner.cuda()
        episodes.to(self.device)

        def train() -> int:
            peer.learner.train(episodes, 0, 0)
            return 1

        return train

    def train(self) -> None:
        """Measure times, ratios, memory and floors of one train."""
        operations = self.operations()
        readings = self.time(operations)
        floors = {"matmul": "FLOP/s", "copy": "B/s", "launch": "launches/s"}
        self.result["rates"] = {k: spread([r.rate for r in readings[k]]) | {"unit": u} for k, u in floors.items()}
        trains = [key for key in readings if key not in floors]
        self.result["ms"] = {key: milliseconds([1 / r.rate for r in readings[key]]) for key in trains}
        self.result["peak_bytes"] = {key: on.peak_bytes(operations[key], self.device) for key in trains}
        others = [key for key in trains if key not in ("iql", "omg")]
        self.result["ratios"] = {f"iql_over_{key}": ratio(readings["iql"], readings[key]) for key in others}
        batch, agent = self.batches["iql"], self.ours["iql"].learner.agent
        work = {"matmul": train_flop(batch, agent), "copy": on.train_bytes(batch, agent)}
        work["launch"] = on.train_steps(batch)
        self.result["floor"] = {
            name: spread([work[key] * a.rate / b.rate for a, b in zip(readings["iql"], readings[key], strict=True)])
            | {"work": work[key]}
            for name, key in (("arithmetic", "matmul"), ("bandwidth", "copy"), ("sequential", "launch"))
        }
        for key in trains:
            peak = self.result["peak_bytes"][key]
            told = "" if peak is None else f", {peak / 1e6:,.0f} MB above its start"
            print(f"train {key:14}{figure(self.result['ms'][key])}{told}")
        for title in ("ratios", "floor"):
            for key, values in self.result[title].items():
                print(f"{title} {key:22}{figure(values)}", flush=True)

    # --- one update, stage by stage --------------------------------------------------------------------------------

    def stages(self) -> None:
        """Time each stage of one update, as the training loop runs it: from the sample to the step."""
        for name, ours in self.ours.items():
            learner = self.fresh(name, self.device)
            learner.read = stage("learner.read")(learner.read)
            if name == "omg":
                learner.draw_noise = stage("learner.draw_noise")(learner.draw_noise)
            updates = [self._update(ours, learner) for _ in range(WARM_UP + self.rounds)][WARM_UP:]
            self.result["stages"][name] = {key: milliseconds([u[key] for u in updates]) for key in updates[0]}
            for key, values in self.result["stages"][name].items():
                print(f"{name} {key:24}{figure(values)}", flush=True)

    def _update(self, ours: Ours, learner: QLearner) -> dict[str, float]:
        recorder, began = Recorder(self.device), self.clock()
        with recorder.recording():
            sample = truncate(ours.buffer.sample(ours.config.sample_size, reuse=True))
            learner.train(to_device(sample, self.device), 0, 0)
        total = self.clock() - began
        trace = recorder.finish(ours.config, sizes_of(ours.config, ours.controller.info), learner.updates)
        seconds = {entry.name: entry.seconds for entry in trace.stages}
        return seconds | {"between the stages": total - sum(seconds.values()), "update": total}

    # --- rollouts --------------------------------------------------------------------------------------------------

    def rollouts(self) -> None:
        """Measure environment steps a second: the runner with the game on the device, on the host, the game alone."""
        agents, device = self.sizes["n_agents"], self.device
        config = OMGConfig(learner="iql", n_agents=agents, epsilon_start=0.05)
        torch_backend = dict(device=device, backend="torch")
        pair = omg.make_env("skirmish", agents, batch=2, **torch_backend)
        controller = Controller(config, pair.info, device)
        self.result["rollouts"] = {"refusal": on.refusal(Runner(config, pair, controller))}
        print(f"runner with all of the game on {device}: {self.result['rollouts']['refusal'] or 'plays'}")
        for width in self.sizes["widths"]:
            shown = on.ShownOnHost(agents, batch=width, **torch_backend)
            hosted = omg.make_env("skirmish", agents, batch=width)
            alone = omg.make_env("skirmish", agents, batch=width, **torch_backend)
            operations = {
                f"runner_device_{width}": on.played(Runner(config, shown, controller)),
                f"runner_host_{width}": on.played(Runner(config, hosted, controller)),
                f"game_alone_{width}": on.game_alone(alone),
            }
            for key, column in self.time(operations).items():
                values = spread([r.rate for r in column]) | {"unit": "env-steps/s"}
                self.result["rollouts"][key] = values
                print(f"{key:22}{figure(values)}", flush=True)

    # --- whole runs ------------------------------------------------------------------------------------------------

    def tests(self) -> None:
        """Run the tests that are marked `device`, in a process of their own."""
        found = self.result["tests"] = gpu_runs.tests(self.quick, max(1.0, self.ends - time.perf_counter()))
        print(f"device tests: {found['said']}", flush=True)

    def trace(self) -> None:
        """Record a trace with the time of each stage."""
        self.result["trace"] = gpu_runs.trace(self.place, self.quick).to_dict()

    def wide(self) -> None:
        """Time whole updates with many games at once."""
        self.result["wide"] = gpu_runs.wide(self.place, self.device, self.rounds, self.quick)
        for key, values in self.result["wide"].items():
            print(f"update {key:12}{figure(values['update'])}, {figure(values['rate'])}", flush=True)

    def memory(self) -> None:
        """Compare predicted and measured memory."""
        self.result["memory"] = gpu_runs.memory(self.place, self.device, self.quick)
        for key, values in self.result["memory"].items():
            print(f"memory {key:12}{values}", flush=True)


def milliseconds(seconds: list[float]) -> dict:
    """Return their spread in the JSON's unit."""
    return spread([1e3 * x for x in seconds]) | {"unit": "ms"}


def measure(
    place: str,
    checkout: str | None,
    rounds: int,
    quick: bool,
    parts: Sequence[str] = PARTS,
    seconds: float = SECONDS,
    save: Callable[[dict], None] = lambda result: None,
) -> dict:
    """Measure part after part on `place`, "cuda" or "cpu", print what is found, and `save` the result after each part.

    A part that fails is named in `failed`, one that would begin after `seconds` in `skipped`. ConfigError for a device
    that is not here.
    """
    began, bench = time.perf_counter(), Bench(place, checkout, rounds, quick, seconds)
    if bench.device.type == "cpu":
        torch.set_num_threads(1)
    elif bench.device.type == "cuda" and bench.device.index is not None:
        torch.cuda.set_device(bench.device)  # PyMARL uses the current device
    torch.backends.cudnn.allow_tf32 = False  # PyTorch's default lets a GRU round its products to 10 bits
    result = bench.result
    print(f"{result['card'] or result['machine']['cpu']}, torch {torch.__version__}, {result['clock']}", flush=True)
    for part in parts:
        if time.perf_counter() > bench.ends:
            result["skipped"].append(part)
            continue
        try:
            getattr(bench, part)()
        except (RuntimeError, ValueError) as error:  # the other parts are worth the card's time
            result["failed"][part] = f"{type(error).__name__}: {error}".splitlines()[0]
            print(f"{part} failed: {result['failed'][part]}", flush=True)
        save(result | {"seconds": time.perf_counter() - began})
    return result | {"seconds": time.perf_counter() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--pymarl", metavar="CHECKOUT", help="a checkout of oxwhirl/pymarl")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="no part begins later than this")
    parser.add_argument("--quick", action="store_true", help="small sizes, to check that everything runs")
    args = parser.parse_args()

    def save(result: dict) -> None:
        if args.json:
            write_text(args.json, json.dumps(result, indent=1) + "\n")

    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
    try:
        found = measure(args.device, args.pymarl, args.rounds, args.quick, args.parts, args.seconds, save)
    except ConfigError as error:
        parser.error(str(error))
    save(found)
    raise SystemExit(1 if found["failed"] else 0)


if __name__ == "__main__":
    main()
