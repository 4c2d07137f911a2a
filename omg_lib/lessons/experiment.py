"""A small experiment: two arms that differ in one setting, several seeds, real training, one results file."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from omg_lib.config import ConfigError, OMGConfig
from omg_lib.system.files import count, read_json, reason, write_text
from omg_lib.training import Report, Training
from omg_lib.words import _, listing

START = dict(
    env="skirmish:partners", learner="iql_actions", n_agents=3, batch_size=8, td_steps=5, optimiser="adam", lr=0.001,
    epsilon_anneal_time=3000,
)  # fmt: skip
"""Both arms before a plan changes anything: 100 updates take half a minute, and show in the return."""
CHOICES = dict(
    env=("skirmish", "skirmish:partners"), learner=("iql", "iql_actions", "omg", "naive_om", "liam"),
    subgoal_mode=("optimistic", "conservative"), subgoal_choice=("value", "random"), optimiser=("rmsprop", "adam"),
    subgoal_model=("cvae", "supervised"), q_subgoal=("mixed", "inferred", "prior"), bootstrap_subgoal=("same", "next"),
)  # fmt: skip
RANGES = dict(
    n_agents=(2, 4), batch_size=(2, 16), horizon=(1, 10), td_steps=(1, 10), lr=(1e-5, 0.1), gamma=(0, 1),
    epsilon_anneal_time=(100, 100_000), target_update_interval=(1, 1000), rnn_hidden_dim=(8, 128), mix_start=(0, 1),
)  # fmt: skip
"""What a plan may set, and within which range: a run takes a minute or two, and less than a gigabyte."""
UPDATES = range(5, 401)
SEEDS = range(3, 9)
"""How many seeds: fewer give no interval, more take too long."""
T95 = {3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""Student's t for a 95 % interval of a mean, by number of seeds."""
KEPT = ("loss", "train_return", "train_win_rate")
ARMS = ("base", "changed")
MOST_BYTES = 4 << 20
MOST = 1e30
"""No number of a run comes near this; NaN and infinity are not below it."""


@dataclass(frozen=True)
class Comparison:
    """Two configurations that differ in one setting, and the seeds of their runs."""

    base: OMGConfig
    changed: OMGConfig
    seeds: tuple[int, ...]

    def config(self, arm: str, seed: int, updates: int) -> OMGConfig:
        return OMGConfig.from_dict(getattr(self, arm).to_dict() | {"seed": seed, "updates": updates})

    @property
    def difference(self) -> str:
        """The setting in which the arms differ, with both values."""
        name = one_difference(self.base, self.changed)
        return _("{name}: {base} or {changed}").format(
            name=name, base=getattr(self.base, name), changed=getattr(self.changed, name)
        )


def read_plan(plan: object) -> Comparison:
    """Read a plan from a dict: "base" and "changed" (settings on top of START) and "seeds". ConfigError if invalid."""
    if not isinstance(plan, Mapping) or not {*ARMS, "seeds"} <= set(plan):
        raise ConfigError("plan", plan, _("allowed is a dict with the keys base, changed and seeds"))
    base, changed = (settings(plan[arm]) for arm in ARMS)
    one_difference(base, changed)
    return Comparison(base, changed, seeds_of(plan["seeds"]))


def settings(asked: object) -> OMGConfig:
    """Return START with these settings changed; the runner steps one episode per seat."""
    if not isinstance(asked, Mapping):
        raise ConfigError("settings", asked, _("allowed is a dict of settings"))
    for name, value in asked.items():
        if name in CHOICES and value not in CHOICES[name]:
            raise ConfigError(name, value, _("allowed here are {names}").format(names=listing(CHOICES[name])))
        if name in RANGES and not (isinstance(value, (int, float)) and RANGES[name][0] <= value <= RANGES[name][1]):
            raise ConfigError(
                name, value, _("allowed here is {least} to {most}").format(least=RANGES[name][0], most=RANGES[name][1])
            )
        if name not in CHOICES and name not in RANGES:
            raise ConfigError(
                "settings", name, _("allowed here are {names}").format(names=listing(sorted([*CHOICES, *RANGES])))
            )
    chosen = START | dict(asked)
    own = dict(batch_size_run=chosen["n_agents"], teammates="scripted", device="cpu", test_nepisode=30)
    return OMGConfig.from_dict(chosen | own)


def one_difference(base: OMGConfig, changed: OMGConfig) -> str:
    """Return the only field in which two configurations differ. ConfigError for none or several."""
    names = [f.name for f in fields(OMGConfig) if getattr(base, f.name) != getattr(changed, f.name)]
    if "n_agents" in names:
        names.remove("batch_size_run")  # it follows the team size
    if len(names) != 1:
        raise ConfigError("changed", listing(names), _("the arms must differ in one setting, the one that you test"))
    return names[0]


def seeds_of(seeds: object) -> tuple[int, ...]:
    """Return the seeds: three to eight different whole numbers. ConfigError otherwise."""
    whole = isinstance(seeds, (list, tuple)) and all(type(seed) is int and 0 <= seed < 2**31 for seed in seeds)
    if not whole or len(set(seeds)) != len(seeds) or len(seeds) not in SEEDS:
        allowed = _("allowed are {start} to {stop} different whole numbers from 0").format(
            start=SEEDS.start, stop=SEEDS.stop - 1
        )
        raise ConfigError("seeds", seeds, allowed)
    return tuple(seeds)


# --- the runs --------------------------------------------------------------------------------------------------------

Heard = Callable[[str, float], None]
"""Called with a text about the progress, and the share that is done."""


def run_experiment(plan: Comparison, updates: int, heard: Heard, stop: threading.Event) -> dict[str, Any] | None:
    """Train every seed of both arms; return the results as plain data, or None if stopped."""
    todo = [(arm, seed) for seed in plan.seeds for arm in ARMS]
    runs = []
    for arm, seed in todo:
        reports = []
        with Training(plan.config(arm, seed, updates)) as training:
            for report in training:
                reports.append(report)
                text = _("{arm}, seed {seed}: update {update} of {updates}").format(
                    arm=arm, seed=seed, update=report.update, updates=updates
                )
                heard(text, (len(runs) + report.update / updates) / len(todo))
                if stop.is_set():
                    return None
        runs.append(_run(arm, seed, reports))
    made = {arm: getattr(plan, arm).to_dict() for arm in ARMS} | {"seeds": list(plan.seeds)}
    return {"schema": 1, "plan": made, "updates": updates, "runs": runs}


def _run(arm: str, seed: int, reports: list[Report]) -> dict[str, Any]:
    columns = {name: [report.metrics[name] for report in reports] for name in KEPT}
    return {"arm": arm, "seed": seed, "t_env": [report.t_env for report in reports]} | columns


def save_results(results: Mapping[str, Any], path: str | Path) -> None:
    write_text(path, json.dumps(results) + "\n")


def read_results(path: str | Path, plan: Comparison | None = None) -> dict[str, Any]:
    """Read a file of `save_results`.

    ConfigError unless it holds every seed of both arms at the same length, and belongs to `plan`, if one is given.
    """
    path = Path(path)
    try:
        results = read_json(path, MOST_BYTES)
        updates, seeds = count(results["updates"]), [count(seed) for seed in results["plan"]["seeds"]]
        found = sorted((run["arm"], count(run["seed"])) for run in results["runs"])
        whole = all(_whole(run, updates) for run in results["runs"])
        arms = [OMGConfig.from_dict(results["plan"][arm]) for arm in ARMS]  # default for newer settings
    except FileNotFoundError:
        allowed = _("there is no such file; the panel saves it after the last run")
        raise ConfigError("results", path.name, allowed) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        allowed = _("it cannot be read ({error}); allowed is a file saved by the panel").format(error=reason(error))
        raise ConfigError("results", path.name, allowed) from None
    if found != sorted((arm, seed) for arm in ARMS for seed in seeds) or not whole:
        why = _("a run is missing or not finished, or contains something that is not a number")
        raise ConfigError("results", path.name, _("{why}: press Run again").format(why=why))
    if updates not in UPDATES:
        raise ConfigError(
            "updates", updates, _("allowed are {start} to {stop}").format(start=UPDATES.start, stop=UPDATES.stop - 1)
        )
    if plan is not None and plan != Comparison(*arms, tuple(seeds)):
        raise ConfigError("results", path.name, _("they are from another plan's runs: press Run again"))
    return results


def _whole(run: Mapping[str, Any], updates: int) -> bool:
    """Check that every column has a number for each update, that steps increase, and that rates are from 0 to 1."""
    columns = {name: run[name] for name in ("t_env", *KEPT)}
    numbers = all(
        isinstance(column, list) and len(column) == updates
        and all(type(x) in (int, float) and abs(x) < MOST for x in column)
        for column in columns.values()
    )  # fmt: skip
    return (
        numbers
        and all(type(x) is int and x > 0 for x in run["t_env"])
        and all(now < later for now, later in pairwise(run["t_env"]))
        and all(0 <= rate <= 1 for rate in run["train_win_rate"])
    )


def curves(results: Mapping[str, Any], metric: str = "train_return") -> dict[str, Float[Tensor, "seeds updates"]]:
    """Return a metric of every run, by arm: one row per seed, one column per update."""
    return {
        arm: torch.tensor([run[metric] for run in results["runs"] if run["arm"] == arm], dtype=torch.float64)
        for arm in ARMS
    }


def again(results: Mapping[str, Any], plan: Comparison, arm: str, seed: int) -> bool:
    """Repeat the first update of one run; return whether it agrees with the results within a thousandth."""
    (claimed,) = [run for run in results["runs"] if (run["arm"], run["seed"]) == (arm, seed)]
    with Training(plan.config(arm, seed, updates=results["updates"])) as training:
        report = next(iter(training))
    told = _run(arm, seed, [report])
    first = torch.tensor([[run[name][0] for name in ("t_env", *KEPT)] for run in (claimed, told)], dtype=torch.float64)
    return torch.allclose(first[0], first[1], rtol=1e-3, atol=1e-6)
