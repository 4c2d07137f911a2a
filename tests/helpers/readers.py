"""Readers under fuzzing: each takes the bytes of a file, and may only accept them or raise ConfigError.

`seeds(name, folder)` returns files that a reader accepts, as an initial corpus; `prepare(folder)` makes them and
returns {name: reader}. Used by the tests, and by `python tests/fuzz/run.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import torch

import omg_lib as omg
from omg_lib.commands.options import read_settings
from omg_lib.config import OMGConfig
from omg_lib.experiment.evaluate import read_rows
from omg_lib.experiment.sweep import Results, _cost
from omg_lib.lessons.answers import Answers
from omg_lib.lessons.experiment import ARMS, KEPT, START, read_results
from omg_lib.lessons.starcraft import HERE, OneUpdate
from omg_lib.plots.recorded import recorded_gpu
from omg_lib.runs.claims import claimed
from omg_lib.runs.folder import RunFolder, saved_config
from omg_lib.runs.follow import follow
from omg_lib.runs.metrics import cut
from omg_lib.runs.state import digest, read_state
from omg_lib.subgoals import SubgoalPrior
from omg_lib.system.places import Place
from omg_lib.teammates.pool import Pool
from omg_lib.teammates.priors import load_prior, save_prior
from omg_lib.trace import ShapeTrace
from tests.helpers.batches import Echo, echo_pool, echo_registered, short_pretraining

Reader = Callable[[bytes], object]


class Readers:
    """The readers by name, and the bytes of a file that each of them accepts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._stack = folder, contextlib.ExitStack()
        self._stack.enter_context(echo_registered())
        self._stack.enter_context(short_pretraining())
        folder.mkdir(parents=True, exist_ok=True)
        settings = dict(env="echo", n_agents=2, batch_size=1, device="cpu", updates=1, test_nepisode=1)
        settings |= dict(learner="iql", teammates="scripted", buffer_size=4, rnn_hidden_dim=2)
        self.config = OMGConfig(**settings)
        with omg.Training(self.config) as run:
            for _ in follow(run, RunFolder.create(folder / "run", self.config)):
                pass
        self.run = omg.Training(self.config)
        (self.checkpoint,) = (folder / "run" / "checkpoints").glob("update-*")
        (self.segment,) = (folder / "run" / "checkpoints" / "episodes").iterdir()
        self.state = read_state(self.checkpoint)
        echo_pool(2).save(folder / "pool")
        self.pool = json.loads((folder / "pool" / "pool.json").read_text())
        self.prior = SubgoalPrior(2, 2)
        save_prior(self.prior, folder / "prior.safetensors", {})
        omg.predict(self.config).save(folder / "trace.json")
        (folder / "settings.json").write_text(json.dumps(self.config.to_dict()))
        self._lessons(folder)
        self.files = {
            "state": self.checkpoint / "state.json",
            "weights": self.checkpoint / "weights.safetensors",
            "segment": self.segment,
            "metrics": folder / "run" / "metrics.csv",
            "trace": folder / "trace.json",
            "pool": folder / "pool" / "pool.json",
            "pool_weights": folder / "pool" / "weights.safetensors",
            "prior": folder / "prior.safetensors",
            "config": folder / "settings.json",
            "run_config": folder / "run" / "config.json",
            "answers": folder / ".answers" / "lesson.jsonl",
            "gpu": folder / "gpu" / "card.json",
            "recording": folder / "recording.json",
            "results": folder / "results.json",
            "cost": folder / "run" / "cost.json",
            "table": folder / "results.csv",
        }
        self.seeds = {name: path.read_bytes() for name, path in self.files.items()}
        self.names = tuple(self.files)

    def _lessons(self, folder: Path) -> None:
        """Return what the notebooks read, and a sweep."""
        for name in (".answers", "gpu"):
            (folder / name).mkdir(exist_ok=True)
        answer = {"question": "the seat", "answer": "2", "state": "right"}
        (folder / ".answers" / "lesson.jsonl").write_text(json.dumps(answer) + "\n")
        sizes = {"n_agents": 2, "episodes": 4, "T": 3}
        gpu = {"stages": {"iql": {"learner.step": {"median": 1.5}}}, "sizes": sizes, "card": "a card", "machine": {}}
        (folder / "gpu" / "card.json").write_text(json.dumps(gpu | {"torch": "2.11", "commit": "abc"}))
        OneUpdate(HERE, omg.predict(self.config), ()).save(folder / "recording.json", 0)
        curve = {name: [0.0] * 5 for name in KEPT} | {"t_env": [6, 12, 18, 24, 30]}
        runs = [{"arm": arm, "seed": seed} | curve for arm in ARMS for seed in range(3)]
        plan = {arm: START | {"n_agents": 2} for arm in ARMS} | {"seeds": [0, 1, 2]}
        (folder / "results.json").write_text(json.dumps({"plan": plan, "updates": 5, "runs": runs}))
        (folder / "run" / "cost.json").write_text(json.dumps({"seconds": 1.5, "updates": 1, "peak_bytes": 10}))
        with claimed(folder) as claim:
            Results(folder, claim).add({"trial": "iql-n2-b4-seed0", "state": "finished"})

    def close(self) -> None:
        self._stack.close()

    def read(self, name: str, data: bytes) -> str:
        """Put bytes where a reader looks, and read them: return "taken", or the sentence that refuses them."""
        path = self.files[name]
        path.write_bytes(data)
        try:
            getattr(self, f"_{name}")(path)
        except omg.ConfigError as error:
            sentence = str(error)
            assert "\n" not in sentence.strip(), sentence
            return sentence
        finally:
            path.write_bytes(self.seeds[name])
        return "taken"

    def _restore(self, path: Path | None = None) -> None:
        RunFolder(self.folder / "run")._restore(self.run)
        assert all(torch.isfinite(x).all() for x in self.run.learner.agent.state_dict().values())
        if self.run.buffer.can_sample(self.config.sample_size):
            self.run.buffer.sample(self.config.sample_size)

    def _with_sum(self, key: str, name: str, path: Path) -> None:
        """Forge the checksum, as an attacker would: everything behind it must be safe on its own."""
        sums = self.state[key] | {name: hashlib.sha256(path.read_bytes()).hexdigest()}
        state = self.state | {key: sums}
        self.files["state"].write_text(json.dumps(state | {"sha256": digest(state)}))
        try:
            self._restore()
        finally:
            self.files["state"].write_bytes(self.seeds["state"])

    def _state(self, path: Path) -> None:
        with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError):
            state = json.loads(path.read_text())
            state["sha256"] = digest({key: x for key, x in state.items() if key != "sha256"})
            path.write_text(json.dumps(state))
        self._restore()

    def _weights(self, path: Path) -> None:
        self._with_sum("files", "weights.safetensors", path)

    def _segment(self, path: Path) -> None:
        self._with_sum("segments", path.name, path)

    def _metrics(self, path: Path) -> None:
        try:
            cut(Place.of(path), 10**6)
        except OSError as error:  # as RunFolder.resume does
            raise omg.ConfigError("resume", str(path), str(error)) from None
        for extra in path.parent.glob("metrics.damaged.csv"):
            extra.unlink()

    def _trace(self, path: Path) -> None:
        ShapeTrace.load(path).to_dict()

    def _pool(self, path: Path) -> None:
        Pool.load(path.parent, "echo", Echo.describe(2))

    def _pool_weights(self, path: Path) -> None:
        forged = self.pool | {"weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        self.files["pool"].write_text(json.dumps(forged))
        try:
            Pool.load(path.parent, "echo", Echo.describe(2))
        finally:
            self.files["pool"].write_bytes(self.seeds["pool"])

    def _prior(self, path: Path) -> None:
        load_prior(self.prior, path)

    def _config(self, path: Path) -> None:
        OMGConfig.from_dict(read_settings(str(path)))

    def _run_config(self, path: Path) -> None:
        saved_config(path.parent)

    def _answers(self, path: Path) -> None:
        Answers("lesson", self.folder).progress()
        for extra in path.parent.glob("*.broken-*"):
            extra.unlink()

    def _gpu(self, path: Path) -> None:
        recorded_gpu(path.parent)._repr_html_()

    def _recording(self, path: Path) -> None:
        OneUpdate.load(path)

    def _results(self, path: Path) -> None:
        read_results(path)

    def _cost(self, path: Path) -> None:
        _cost(Place(self.folder) / "run")

    def _table(self, path: Path) -> None:
        read_rows(path)
        with claimed(self.folder) as claim:
            Results(self.folder, claim)
