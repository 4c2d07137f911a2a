"""Train pools: fixed policies of several algorithms and seeds, kept at their best and sorted into sets."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

from omg_lib.config import JOINT_LEARNERS, ConfigError, OMGConfig, RunError
from omg_lib.envs import EnvInfo, env_info
from omg_lib.networks import Agent
from omg_lib.runs.claims import Claim, claimed
from omg_lib.system.files import reason
from omg_lib.teammates.pool import KINDS, SCRIPT, Member, Pool, TeammateSet
from omg_lib.training import Training
from omg_lib.words import _, listing

ALGORITHMS = ("iql", *JOINT_LEARNERS)
POOL_SETTINGS = dict(
    learner="iql", batch_size_run=4, td_steps=5, optimiser="adam", lr=0.001, t_max=100_000, test_interval=10_000
)
"""Settings for training a pool's policies that differ from OMGConfig's defaults."""
SPLIT_OF_SEED = ("train", "train", "validation", "test")
"""Policies of seed k belong to split k mod 4."""


def train_pool(
    config: OMGConfig,
    algorithms: Sequence[str],
    seeds: int,
    out: str | Path,
    progress: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> Pool:
    """Train a team of each algorithm and seed with `config` (except its learner and seed); write the pool to a folder.

    Each member is the shared network of a team in which all seats learn, at its best greedy test. The environment's
    scripts join them. The folder is written after every member; a second call trains only the missing ones.
    ConfigError, before anything is trained, for an unknown algorithm, for `see_actions`, which a pool's members do not
    support, for a folder that cannot be written, and for one whose pool was made with other settings.
    """
    for algorithm in algorithms:
        if algorithm not in ALGORITHMS:
            raise ConfigError(
                "algorithms", algorithm, _("allowed are {algorithms}").format(algorithms=listing(ALGORITHMS))
            )
    if config.see_actions:
        raise ConfigError(
            "see_actions", True, _("a pool's policies read only their own seat's history: allowed is False")
        )
    with claimed(out) as claim:
        return _train(config, algorithms, seeds, Path(out), claim, progress)


def _train(
    config: OMGConfig,
    algorithms: Sequence[str],
    seeds: int,
    out: Path,
    claim: Claim,
    progress: Callable[[str, int, int], None],
) -> Pool:
    info, settings = env_info(config.env, config.n_agents), config.to_dict()
    members, policies = [], {}
    if os.path.lexists(out / "pool.json"):
        begun = Pool.load(out, config.env, info)
        if OMGConfig.from_dict(begun.config | {"runner": config.runner}) != config:
            raise ConfigError("out", str(out), _("its pool was made with other settings; allowed is a new folder"))
        members, policies = [m for m in begun.members if m.algorithm != SCRIPT], begun.policies
    for seed in range(seeds):
        for algorithm in algorithms:
            name = f"{algorithm}-{seed}"
            if name in policies:
                continue
            member, policies[name] = train_member(name, algorithm, seed, config, progress)
            members.append(member)
            scripts = [Member(style) for style in script_splits(info)]
            pool = Pool(config.env, config.n_agents, (*scripts, *members), sets_of(members, info), policies, settings)
            try:
                claim.check()
                pool.save(out)
            except (OSError, ConfigError) as error:
                said = _("{name} could not be added to the pool in {out} ({reason})")
                raise RunError(said.format(name=name, out=out, reason=reason(error))) from None
    return Pool.load(out, config.env, info)


def train_member(
    name: str, algorithm: str, seed: int, config: OMGConfig, progress: Callable[[str, int, int], None]
) -> tuple[Member, Agent]:
    """Train one policy in self-play of a whole team. Keep it at its best greedy test (the first of equals), or at the
    end if the game has no winner.
    """
    settings = config.to_dict() | {"learner": algorithm, "seed": seed, "teammates": "none"}
    curve, best, kept = [], None, None
    with Training(OMGConfig.from_dict(settings)) as run:
        for report in run:
            progress(name, report.t_env, run.config.t_max_total)
            if run.tested_at != report.t_env or run.win_rate is None:
                continue
            curve.append((report.t_env, run.win_rate))
            if best is None or curve[-1][1] > best:
                best, kept = curve[-1][1], copy.deepcopy(run.controller.agent)
        kept = kept or run.controller.agent
    return Member(name, algorithm, seed, best, tuple(curve)), kept.requires_grad_(False)


def script_splits(info: EnvInfo) -> dict[str, str]:
    """Return scripted styles used as teammates -> their split.

    Every enemy is the first target of one strict order in training; the other strict orders alternate between
    validation and test. Other styles are not used: a pool has policies instead.
    """
    orders = [style for style in info.styles if style.startswith("order ")]
    slopes = sorted({int(name.split()[1].split(",")[0]) for name in orders})
    splits, held_out = {}, 0
    for first in range(info.n_agents):
        for i, a in enumerate(slopes):
            name = f"order {a},{-a * first % info.n_agents}"
            if (i + first) % 2 == 0:
                splits[name] = "train"
            else:
                splits[name] = ("test", "validation")[held_out % 2]
                held_out += 1
    return splits


def sets_of(members: Sequence[Member], info: EnvInfo) -> tuple[TeammateSet, ...]:
    """Return a homologue set for every member, and for validation and test also non-homologue sets of two policies of
    different algorithms (App. B).
    """
    splits = script_splits(info) | {m.name: SPLIT_OF_SEED[m.seed % len(SPLIT_OF_SEED)] for m in members}
    others = info.n_agents - 1
    sets = [TeammateSet(name, split, KINDS[0], (name,) * others) for name, split in splits.items()]
    if others > 1:
        for one, two in combinations(members, 2):
            if one.algorithm != two.algorithm and splits[one.name] == splits[two.name] != "train":
                team = tuple((one.name, two.name)[i % 2] for i in range(others))
                sets.append(TeammateSet(f"{one.name} + {two.name}", splits[one.name], KINDS[1], team))
    return tuple(sets)
