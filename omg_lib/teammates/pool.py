"""Pools of teammates for the learner. Members are scripts or trained policies; sets of members are kept for training,
validation and test.

On disk a pool is a folder with two files that cannot run code: `pool.json` (members with their algorithm, seed, curve
and win rate; sets) and `weights.safetensors` (`NAME/fc1.weight`, ... of every policy).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from omg_lib.config import SPLITS, ConfigError, OMGConfig
from omg_lib.envs import EnvInfo
from omg_lib.networks import AGENTS, Agent, RecurrentAgent, input_widths
from omg_lib.seeds import Stream, torch_generator
from omg_lib.system.files import (
    TensorFile,
    count,
    finite,
    listed,
    open_tensors,
    read_json,
    reason,
    sha256,
    short_text,
    shown,
    write_tensors,
    write_text,
)
from omg_lib.system.places import Place, remove, rename
from omg_lib.words import _, listing

KINDS = ("homologue", "non_homologue")
SCRIPT, RANDOM = "script", "random"
RANDOM_TEAMMATES = 4
MOST = 4096
"""Upper limit for members, sets, points of a curve and hidden units of a pool."""
MOST_BYTES = 2**28
WEIGHTS, NEW = "weights.safetensors", "weights.new.safetensors"


@dataclass(frozen=True)
class Member:
    """One fixed player. A script's name is a style of the environment; a policy's weights are in the pool.

    `win_rate` is from the greedy test of a team of copies of it, at the checkpoint that was kept; `curve` lists
    (t_env, win_rate) of every test during its training.
    """

    name: str
    algorithm: str = SCRIPT
    seed: int | None = None
    win_rate: float | None = None
    curve: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class TeammateSet:
    """The A - 1 co-players of one episode: `members[i]` plays i + 1 seats after the learner.

    homologue: all the same; non_homologue: different algorithms (the paper's App. B).
    """

    name: str
    split: str
    kind: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Pool:
    """Fixed teammates for one environment and team size. `policies` holds the networks of the trained members.

    `digest` is the checksum of the members, their sets and weights; None for a pool that was not loaded from disk.
    """

    env: str
    n_agents: int
    members: tuple[Member, ...]
    sets: tuple[TeammateSet, ...]
    policies: dict[str, Agent] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    digest: str | None = None

    @property
    def on_disk(self) -> bool:
        return self.digest is not None

    def ids(self, *splits: str) -> tuple[int, ...]:
        """Return the positions of these splits' sets; ConfigError if there are none."""
        found = tuple(i for i, s in enumerate(self.sets) if s.split in splits)
        if not found:
            raise ConfigError(
                "splits", "+".join(splits), _("the pool has no such set; it has {splits}").format(splits=self._splits())
            )
        return found

    def training_ids(self, config: OMGConfig) -> tuple[int, ...]:
        """Return the sets that a run trains with; of an environment's own sets, all of them."""
        return self.ids(*config.training_splits) if self.on_disk else tuple(range(len(self.sets)))

    def _splits(self) -> str:
        return listing(sorted({s.split for s in self.sets}))

    def save(self, path: str | Path) -> None:
        """Write the pool to a folder. ConfigError if it cannot be written; the pool that was there stays.

        pool.json says which weights are its own, so at every moment the folder holds one whole pool.
        """
        folder = Path(path)
        weights = {
            f"{name}/{key}": x.numpy(force=True)
            for name, agent in sorted(self.policies.items())
            for key, x in agent.state_dict().items()
        }
        values = {
            "schema": 1,
            "env": self.env,
            "n_agents": self.n_agents,
            "config": self.config,
            "members": [asdict(member) for member in self.members],
            "sets": [asdict(s) for s in self.sets],
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            values["weights_sha256"] = write_tensors(folder / NEW, weights)
            try:
                write_text(folder / "pool.json", json.dumps(values, indent=1) + "\n")
            except OSError:
                remove(Place(folder) / NEW)
                raise
            rename(Place(folder) / NEW, WEIGHTS)
        except OSError as error:
            allowed = _("cannot be written ({reason}); allowed is a writable folder").format(reason=reason(error))
            raise ConfigError("out", str(path), allowed) from None

    @classmethod
    def load(cls, path: str | Path, env: str, info: EnvInfo) -> Pool:
        """Load a pool for this environment and size. ConfigError, before anything is trained, if the pool is for
        another one, is damaged, or has weights of another shape or not finite.
        """
        folder, refuse = Path(path), _refuser(path)
        try:
            values = read_json(folder / "pool.json")
            members = tuple(_member(row) for row in listed(values["members"], MOST))
            sets = tuple(_set(row) for row in listed(values["sets"], MOST))
            found_env, found_agents, weights_sum = values["env"], values["n_agents"], values["weights_sha256"]
            config = dict(values["config"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"{type(error).__name__}: {reason(error)[:80]}"
            raise refuse(_("pool.json is not a readable pool ({why})").format(why=why)) from None
        said = _("the pool is for {found}, this run has {own}")
        if found_env != env:
            raise refuse(said.format(found=f"env={shown(found_env)}", own=f"env={env}"))
        if found_agents != info.n_agents:
            own = f"n_agents={info.n_agents}"
            raise refuse(said.format(found=f"n_agents={shown(found_agents)}", own=own))
        _check_sets(members, sets, info, refuse)
        names = [member.name for member in members if member.algorithm != SCRIPT]
        try:
            policies = _policies(folder / WEIGHTS, names, weights_sum, info, refuse)
        except (OSError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            raise refuse(_("weights.safetensors cannot be read ({why})").format(why=reason(error)[:80])) from None
        digest = _digest(members, sets, weights_sum)
        return cls(env, info.n_agents, members, sets, policies, config, digest)


def pool_of(config: OMGConfig, info: EnvInfo) -> Pool:
    """Return the teammates of a run's learner: a pool from disk, the environment's scripts, or else random networks."""
    if config.teammates not in (None, "scripted"):
        return Pool.load(config.teammates, config.env, info)
    if info.teams:
        teams = [tuple(info.styles[style] for style in team[1:]) for team in info.teams]
        names = dict.fromkeys(name for team in teams for name in team)
        short = [" + ".join(dict.fromkeys(team)) for team in teams]
        words = short if len(set(short)) == len(teams) else [" + ".join(team) for team in teams]
        sets = [TeammateSet(name, "train", _kind(team), team) for name, team in zip(words, teams, strict=True)]
        return Pool(config.env, info.n_agents, tuple(map(Member, names)), tuple(sets))
    policies = {f"random-{config.seed}-{k}": random_policy(config.seed, k, info) for k in range(RANDOM_TEAMMATES)}
    members = tuple(Member(name, RANDOM, config.seed) for name in policies)
    sets = tuple(TeammateSet(name, "train", KINDS[0], (name,) * (info.n_agents - 1)) for name in policies)
    return Pool(config.env, info.n_agents, members, sets, policies)


def random_policy(seed: int, k: int, info: EnvInfo) -> RecurrentAgent:
    """Create the k-th random network of a seed, fixed for the whole run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_generator(seed, Stream.TEAM, k).initial_seed())
        return RecurrentAgent(sum(input_widths(info)), info.n_actions).requires_grad_(False)


def _digest(members: tuple[Member, ...], sets: tuple[TeammateSet, ...], weights_sha256: object) -> str:
    """Return the checksum of everything that affects play: names and algorithms, sets in order, weights."""
    players = [(member.name, member.algorithm) for member in members]
    said = json.dumps([players, [asdict(s) for s in sets], str(weights_sha256)])
    return hashlib.sha256(said.encode()).hexdigest()


def _kind(team: tuple[str, ...]) -> str:
    return KINDS[len(set(team)) > 1]


def _member(row: dict[str, Any]) -> Member:
    curve = tuple((count(t), finite(rate)) for t, rate in listed(row["curve"], MOST))
    seed, win_rate = row["seed"], row["win_rate"]
    return Member(
        short_text(row["name"]),
        short_text(row["algorithm"]),
        None if seed is None else count(seed),
        None if win_rate is None else finite(win_rate),
        curve,
    )


def _set(row: dict[str, Any]) -> TeammateSet:
    members = tuple(map(str, listed(row["members"], MOST)))
    return TeammateSet(**row | {"name": short_text(row["name"]), "members": members})


def _refuser(path: str | Path) -> Callable[[str], ConfigError]:
    return lambda reason: ConfigError("teammates", str(path), reason)


def _check_sets(
    members: tuple[Member, ...], sets: tuple[TeammateSet, ...], info: EnvInfo, refuse: Callable[[str], ConfigError]
) -> None:
    names = {member.name for member in members}
    for member in members:
        if member.algorithm == SCRIPT and member.name not in info.styles:
            said = _("member {name} is not a scripted style of {env}")
            raise refuse(said.format(name=repr(member.name), env=info.name))
    if not sets:
        raise refuse(_("the pool has no sets of teammates"))
    twins = _("two of its members are called {name}"), _("two of its sets are called {name}")
    for said, told in zip(twins, ([member.name for member in members], [s.name for s in sets]), strict=True):
        twice = next((name for name in told if told.count(name) > 1), None)
        if twice is not None:
            raise refuse(said.format(name=repr(twice)))
    for s in sets:
        if s.split not in SPLITS or s.kind not in KINDS:
            said = _("set {name} has split {split} and kind {kind}; allowed are {splits} and {kinds}").format(
                name=repr(s.name), split=repr(shown(s.split)), kind=repr(shown(s.kind)),
                splits=listing(SPLITS), kinds=listing(KINDS),
            )  # fmt: skip
            raise refuse(said)
        if len(s.members) != info.n_agents - 1 or not names.issuperset(s.members):
            said = _("set {name} must name {n} members of the pool, it names {members}")
            raise refuse(said.format(name=repr(s.name), n=info.n_agents - 1, members=shown(s.members)))


def _policies(
    path: Path, names: list[str], digest: object, info: EnvInfo, refuse: Callable[[str], ConfigError]
) -> dict[str, Agent]:
    """Load the networks of these members. The header is checked against their shapes before any weights are read."""
    new = path.with_name(NEW)
    if Place.of(new).is_file() and sha256(new, MOST_BYTES) == digest:
        path = new  # `save` was interrupted between its last two steps
    if sha256(path, MOST_BYTES) != digest:
        raise refuse(_("weights.safetensors does not match pool.json: it is damaged"))
    with open_tensors(path) as file:
        return _read_policies(file, names, info, refuse)


def _read_policies(
    file: TensorFile, names: list[str], info: EnvInfo, refuse: Callable[[str], ConfigError]
) -> dict[str, Agent]:
    found, policies, wanted = file.layout, {}, {}
    for name in names:
        recurrent = f"{name}/middle.weight" not in found
        __, shape = found.get(f"{name}/{'fc1' if recurrent else 'middle'}.weight", ("", ()))
        hidden = shape[0] if len(shape) == 2 and 0 < shape[0] <= MOST else 1
        sizes, dueling = (sum(input_widths(info)), info.n_actions, hidden), f"{name}/value.weight" in found
        agent = AGENTS["rnn" if recurrent else "mlp"](*sizes, dueling=dueling)
        policies[name] = agent.requires_grad_(False)
        for key, x in agent.state_dict().items():
            __, shape = found.get(f"{name}/{key}", ("", None))
            if shape != tuple(x.shape):
                has = list(shape) if shape is not None else _("nothing")
                said = _("weights {name} are {found}, this run needs {wanted}")
                raise refuse(said.format(name=f"{name}/{key}", found=has, wanted=list(x.shape)))
            wanted[f"{name}/{key}"] = (str(x.dtype).removeprefix("torch."), tuple(x.shape))
    try:
        weights = file.arrays(wanted)
    except ValueError as error:
        raise refuse(_("weights {why}").format(why=reason(error))) from None
    for name, agent in policies.items():
        agent.load_state_dict({key: torch.from_numpy(weights[f"{name}/{key}"]) for key in agent.state_dict()})
    return policies
