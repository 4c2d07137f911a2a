"""What is run: pools, priors, arms and seeds. Every chosen number is here, with the data it was chosen on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omg_lib.config import own_settings
from omg_lib.experiment.train_pool import ALGORITHMS


@dataclass(frozen=True)
class Arm:
    """One configuration of one method. `group` decides which file its scores go to."""

    name: str
    group: str
    settings: dict[str, Any]
    seeds: range


@dataclass(frozen=True)
class Plan:
    """Everything for one environment and size; paths are relative to the root of the repository."""

    env: str
    n_agents: int
    data: Path
    runs: Path
    pool_settings: dict[str, Any]
    pool_seeds: int
    prior_episodes: int
    prior_steps: int
    arms: tuple[Arm, ...]
    episodes: int
    tuning: int
    tuned_battles: int
    tuned_seeds: int
    cross_episodes: int
    algorithms: tuple[str, ...] = ALGORITHMS
    splits: str | None = None
    """The pool's algorithms, and its splits used in training if not `train`."""

    @property
    def name(self) -> str:
        return f"{self.env.split(':')[-1]}-{self.n_agents}"

    @property
    def pool(self) -> Path:
        return self.data / "pools" / self.name

    @property
    def prior(self) -> Path:
        return self.data / "priors" / f"{self.name}.safetensors"


LEARNING = dict(batch_size=16, td_steps=5, optimiser="adam", lr=0.001, t_max=40_000, test_interval=20_000, device="cpu")
"""Shared by all arms: 120,000 environment steps (40,000 a seat), about 5,000 battles, 1,600 updates of 48 episodes."""

METHODS = {
    "iql": dict(learner="iql"),
    "naive_om": dict(learner="naive_om"),
    "liam": dict(learner="liam"),
    "iql_actions": dict(learner="iql_actions"),
    "oracle": dict(learner="oracle"),
    "omg optimistic": dict(learner="omg", subgoal_mode="optimistic"),
    "omg conservative": dict(learner="omg", subgoal_mode="conservative"),
    "omg random": dict(learner="omg", subgoal_choice="random"),
}
"""Reported with five seeds each."""

QUESTIONS = {
    "omg and actions": dict(learner="omg", see_actions=True),
    "oracle and actions": dict(learner="oracle", see_actions=True),
}
"""Does a subgoal add anything to the co-players' actions, and does their identity? Three seeds each."""

ABLATIONS = {
    "omg supervised": dict(learner="omg", subgoal_model="supervised"),
    "omg prior only": dict(learner="omg", q_subgoal="prior"),
    "omg inferred only": dict(learner="omg", q_subgoal="inferred"),
    "omg H=1": dict(learner="omg", horizon=1),
    "omg H=10": dict(learner="omg", horizon=10),
    "omg t+1": dict(learner="omg", subgoal_choice="t+1"),
    "omg t+3": dict(learner="omg", subgoal_choice="t+3"),
    "omg H=3": dict(learner="omg", horizon=3),
    "oracle long": dict(learner="oracle", t_max=120_000),
}
"""Optimistic unless stated otherwise; three seeds each."""

OFF = dict.fromkeys(own_settings("omg_released"), False)
"""`omg_released` without any of its choices is `omg`."""
FIELDS = dict(bootstrap_subgoal="next", q_subgoal="inferred", test_subgoal="sample")
"""The released code's choices that every configuration has; "omg inferred only" is the arm of the second alone."""
RELEASED = {
    "released all": dict(learner="omg_released", **FIELDS),
    **{f"released {name}": dict(learner="omg_released", extra=OFF | {name: True}) for name in OFF},
    "released bootstrap": dict(learner="omg", bootstrap_subgoal="next"),
    "released sampled tests": dict(learner="omg", test_subgoal="sample"),
}
"""What each choice of the released code costs: all of them, and each alone, beside "omg optimistic"; three seeds."""

PLAIN = {name: METHODS[name] for name in ("iql", "iql_actions", "oracle", "omg optimistic")}
"""In the plain battle, with its own scripted styles as teammates, none of them unseen."""

FIRST_SEED = 100
"""First reported seed; the choices above were made on other seeds and on validation teammates."""


SELECTION = {
    "iql rmsprop": dict(learner="iql", optimiser="rmsprop", lr=0.0005),
    "iql adam": dict(learner="iql"),
    "omg rmsprop": dict(learner="omg", optimiser="rmsprop", lr=0.0005),
    "omg adam": dict(learner="omg"),
    "omg Z=16": dict(learner="omg", subgoal_dim=16, prior=None),
}
"""The candidates for LEARNING, compared on validation teammates and seed 0, never on the test teammates."""


def arms(quick: bool) -> tuple[Arm, ...]:
    """Return all arms in the order in which they are run."""
    methods, ablations = (1, 1) if quick else (5, 3)
    found = [Arm(name, "selection", s, range(1)) for name, s in SELECTION.items()]
    found += [Arm(name, "methods", s, range(FIRST_SEED, FIRST_SEED + methods)) for name, s in METHODS.items()]
    found += [Arm(name, "questions", s, range(FIRST_SEED, FIRST_SEED + ablations)) for name, s in QUESTIONS.items()]
    found += [Arm(name, "ablations", s, range(FIRST_SEED, FIRST_SEED + ablations)) for name, s in ABLATIONS.items()]
    released = list(RELEASED.items())[: 2 if quick else None]  # in a smoke test all of them, and one switch alone
    found += [Arm(name, "released", s, range(FIRST_SEED, FIRST_SEED + ablations)) for name, s in released]
    return tuple(found)


def runs_of(data: Path) -> Path:
    """Return where runs are kept until their tables are written: beside the data, in a folder that git ignores."""
    return data.parent / "runs" / "paper"


def partners(quick: bool, data: Path) -> Plan:
    """Return the plan for `skirmish:partners` at n_agents 3: the reported experiment, or a smoke test of it."""
    small = dict(batch_size=2, t_max=120, test_interval=10**6, test_nepisode=3) if quick else {}
    return Plan(
        env="skirmish:partners",
        n_agents=3,
        data=data,
        runs=runs_of(data),
        pool_settings=dict(device="cpu") | (dict(t_max=200, batch_size=2, test_interval=150) if quick else {}),
        pool_seeds=4,
        prior_episodes=10 if quick else 640,
        prior_steps=20 if quick else 3000,
        arms=tuple(Arm(a.name, a.group, LEARNING | a.settings | small, a.seeds) for a in arms(quick)),
        episodes=3 if quick else 192,
        tuning=3 if quick else 102,
        tuned_battles=3 if quick else 128,
        tuned_seeds=3,
        cross_episodes=3 if quick else 96,
    )


def plain(quick: bool, data: Path) -> Plan:
    """Return the plan for the plain battle, where partners hardly matter. No pool: teammates are the six scripts."""
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if quick else 2))
    small = dict(batch_size=2, t_max=120, test_interval=10**6, test_nepisode=3) if quick else {}
    return Plan(
        env="skirmish",
        n_agents=3,
        data=data,
        runs=runs_of(data),
        pool_settings={},
        pool_seeds=0,
        prior_episodes=0,
        prior_steps=0,
        arms=tuple(Arm(name, "plain", LEARNING | settings | small, seeds) for name, settings in PLAIN.items()),
        episodes=3 if quick else 192,
        tuning=0,
        tuned_battles=0,
        tuned_seeds=0,
        cross_episodes=0,
    )
