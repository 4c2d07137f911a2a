"""OMGConfig: every setting of a run in one frozen record, checked when you create it."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import numbers
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

ENVIRONMENTS = {
    "skirmish": range(2, 17),
    "skirmish:partners": range(2, 17),
    "foraging": range(2, 9),
    "predator_prey": range(2, 17),
    "smacv2": range(2, 21),
    "smacv2:10gen_terran": range(2, 21),
    "smacv2:10gen_protoss": range(2, 21),
    "smacv2:10gen_zerg": range(2, 21),
}
"""Name of an environment -> the team sizes it can play."""
ENV_POINTS = "omg_lib.envs"
"""Group of entry points by which an installed package offers games: name of the game -> its class."""
PETTINGZOO = "pettingzoo:"
"""Prefix of names that continue with a module, whose team sizes are known once it is loaded."""
SMACV2 = "smacv2:"
"""Prefix of names that continue with one of SMACv2's own maps."""
RUNNERS = ("local", "processes", "ray")
"""Where games run: all in this process, one process per game, or distributed over Ray actors."""
LEARNERS = ("iql", "vdn", "qmix", "omg", "naive_om", "liam", "iql_actions", "oracle")
LEARNERS_WITH_TEAMMATES = ("omg", "naive_om", "liam", "iql_actions", "oracle")
"""Learners that by default play one seat among fixed teammates; the others play every seat."""
JOINT_LEARNERS = ("vdn", "qmix")
"""Learners that mix the values of all seats, so every seat must learn."""
SPLITS = ("train", "validation", "test")
"""The splits of a pool's teammate sets."""


INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended."""


class ConfigError(ValueError):
    """Bad input, in one sentence: the name, the value, what is allowed."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        shown = repr(value)
        shown = shown if len(shown) <= 180 else shown[:90] + "..." + shown[-87:]
        said = f"{name}={shown}: {allowed}"
        super().__init__("".join(c if c.isprintable() else " " for c in said))  # it may quote a file's contents
        self._parts = (name, value, allowed)
        self.name, self.allowed = name, allowed

    def __reduce__(self) -> tuple:  # by default an exception is rebuilt from its message alone
        return type(self), self._parts


class RunError(RuntimeError):
    """A run that cannot continue, in one sentence: what happened and what is saved."""


@dataclass(frozen=True)
class OMGConfig:
    """Settings of one run; the defaults are the released code's on SMAC's 8m (see `omg_lib.config` for the table).

    | symbol | field | meaning |
    |---|---|---|
    | A | n_agents | seats in a team |
    | G | batch_size | groups per update; a group is A episodes, one per seat |
    | R | batch_size_run | episodes the runner steps at once |
    | H | horizon | future steps that are candidate subgoals (Eq. 6, 7) |
    | Z | subgoal_dim | width of a subgoal embedding |

    `deterministic` restricts a GPU to algorithms that give the same result every time; on a CPU all of them do.

    `teammates` is None (the learner's default), "none" (all seats learn), "scripted" (the environment's own) or a
    pool's folder; `splits` names the pool's sets used in training. `prior` is a file of pre-trained weights, ignored by
    learners without a subgoal; None pre-trains one first. `see_actions` lets any agent also read its co-players' last
    actions. `runner` sets where games run: "local" steps them in this process, "processes" starts one process per game,
    "ray" distributes them over `actors` Ray actors (None: one per game, up to the number of CPUs). The results are the
    same.

    Three fields define the paper's ablations: `subgoal_choice` picks g- by value (Eq. 6, 7), at random or always k
    steps ahead (t+k); `subgoal_model` infers with the CVAE or with a network trained to predict g- (supervised);
    `q_subgoal` trains Q on Eq. 8's mix, on the inferred subgoal alone or on the prior's alone.

    `t_max` is per learner seat. With teammates the learner's seat rotates, so a run takes n_agents times as many
    environment steps: `t_max_total`. `steps`, if given, is that total itself.

    Durations are in environment steps of the whole run (`steps`, `*_anneal_time`, `test_interval`), per learner seat
    (`t_max`), in episodes per learner seat (`target_update_interval`) or in updates (`updates`). Raises ConfigError for
    any value that is not allowed.
    """

    n_agents: int = 8
    batch_size: int = 32
    env: str = "skirmish"
    learner: str = "omg"
    subgoal_mode: str = "optimistic"
    horizon: int = 5
    batch_size_run: int = 1
    device: str = "auto"
    seed: int = 0
    updates: int | None = None
    t_max: int = 200_000
    steps: int | None = None
    buffer_size: int = 5000
    td_steps: int = 1
    teammates: str | None = None
    prior: str | None = None
    splits: str | None = None
    runner: str = "local"
    actors: int | None = None
    deterministic: bool = False

    # Q learning, PyMARL's defaults
    optimiser: str = "rmsprop"
    gamma: float = 0.99
    lr: float = 0.0005
    optim_alpha: float = 0.99
    optim_eps: float = 1e-5
    grad_norm_clip: float = 10.0
    target_update_interval: int = 200
    epsilon_start: float = 1.0
    epsilon_finish: float = 0.05
    epsilon_anneal_time: int = 50_000
    rnn_hidden_dim: int = 64
    dueling: bool = False
    see_actions: bool = False
    test_interval: int = 20_000
    test_nepisode: int = 128

    # Opponent model, the released code's sizes (the paper's Table 1: 64 and 32 for the two widths)
    subgoal_dim: int = 64
    feature_dim: int = 32
    context_dim: int = 96
    omg_lr: float = 0.001
    kl_weight: float = 0.001
    mix_start: float = 0.5
    mix_anneal_time: int = 50_000
    bootstrap_subgoal: str = "same"
    test_subgoal: str = "mean"

    # The paper's ablations (Figs. 6 and 7)
    subgoal_choice: str = "value"
    subgoal_model: str = "cvae"
    q_subgoal: str = "mixed"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked_type(field, getattr(self, field.name)))
        sizes = team_sizes(self.env)
        if self.n_agents not in sizes:
            raise ConfigError("n_agents", self.n_agents, f"{self.env} allows {sizes.start} to {sizes.stop - 1}")
        _check_choice("learner", self.learner, LEARNERS)
        for name, choices in _CHOICES.items():
            _check_choice(name, getattr(self, name), choices)
        self._check_teammates()
        if self.prior is not None and not _is_file(self.prior):
            raise ConfigError("prior", self.prior, "allowed is None (pre-train one first) or a prior's file")
        step = re.fullmatch(r"t\+([1-9][0-9]{0,17})", self.subgoal_choice)  # short enough for int()
        if self.subgoal_choice not in ("value", "random") and not (step and int(step[1]) <= self.horizon):
            allowed = f"allowed are value, random and t+1 to t+{self.horizon} (horizon={self.horizon})"
            raise ConfigError("subgoal_choice", self.subgoal_choice, allowed)
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise ConfigError("device", self.device, "allowed are auto, cpu, cuda and cuda:0, cuda:1, ...")
        for name, low in _AT_LEAST.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(name, value, f"allowed is {low} or more")
        for name in _FRACTIONS:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(name, getattr(self, name), "allowed is 0 to 1")
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise ConfigError(name, getattr(self, name), "allowed is a number above 0")
        if self.updates is not None and self.steps is not None:
            raise ConfigError("steps", self.steps, f"updates={self.updates} ends the run: allowed is one of the two")
        if self.steps is not None and self.t_max != OMGConfig.t_max:
            raise ConfigError("steps", self.steps, f"t_max={self.t_max} is given as well: allowed is one of the two")
        if self.has_teammates and self.n_agents % self.batch_size_run:
            widths = ", ".join(str(r) for r in range(1, self.n_agents + 1) if self.n_agents % r == 0)
            raise ConfigError(
                "batch_size_run",
                self.batch_size_run,
                f"with teammates it must divide n_agents={self.n_agents}: {widths}",
            )
        if self.actors is not None and self.actors > self.batch_size_run:
            allowed = f"each plays at least one episode: allowed is 1 to batch_size_run={self.batch_size_run}"
            raise ConfigError("actors", self.actors, allowed)
        if self.sample_size > self.buffer_size:
            most = self.buffer_size * self.batch_size // self.sample_size
            raise ConfigError(
                "batch_size",
                self.batch_size,
                f"one sample needs {self.sample_size} episodes but buffer_size={self.buffer_size} holds fewer; "
                f"allowed here is at most {most}",
            )

    def _check_teammates(self) -> None:
        """Check the teammates (none, the environment's own, or a pool) and the splits of a pool."""
        if self.teammates not in (None, "none", "scripted") and not _is_file(self.teammates, "pool.json"):
            allowed = "allowed are none (all seats learn), scripted, or a pool's folder (with pool.json)"
            raise ConfigError("teammates", self.teammates, allowed)
        if self.learner in JOINT_LEARNERS and self.has_teammates:
            raise ConfigError("teammates", self.teammates, f"{self.learner} trains all seats together: allowed is none")
        if self.learner == "oracle" and not self.has_teammates:
            raise ConfigError("teammates", self.teammates, "the oracle observes its teammates: allowed is any but none")
        if self.splits is not None and not set(self.splits.split("+")) <= set(SPLITS):
            raise ConfigError("splits", self.splits, f"allowed are {', '.join(SPLITS)}, joined by +")
        if self.splits is not None and self.teammates in (None, "none", "scripted"):
            raise ConfigError(
                "splits", self.splits, f"only a pool has them; with teammates={self.teammates} allowed is None"
            )

    @property
    def has_teammates(self) -> bool:
        """True if one seat learns among fixed teammates; that seat rotates."""
        if self.teammates is None:
            return self.learner in LEARNERS_WITH_TEAMMATES
        return self.teammates != "none"

    @property
    def sees_actions(self) -> bool:
        """Whether the agent reads its co-players' last actions; `iql_actions` is IQL that does."""
        return self.see_actions or self.learner == "iql_actions"

    @property
    def training_splits(self) -> tuple[str, ...]:
        """The splits of a pool used in training; the oracle also trains with the test split."""
        default = "train+test" if self.learner == "oracle" else "train"
        return tuple((self.splits or default).split("+"))

    @property
    def sample_size(self) -> int:
        """Episodes drawn per update: G * A with teammates (a group has one episode per seat), else G."""
        return self.batch_size * self.n_agents if self.has_teammates else self.batch_size

    @property
    def runs_per_update(self) -> int:
        """Calls of `runner.run()` per update: A / R with teammates (every seat once), else 1."""
        return self.n_agents // self.batch_size_run if self.has_teammates else 1

    @property
    def t_max_total(self) -> int:
        """Environment steps of the whole run: `steps`, else A times t_max with teammates, else t_max."""
        if self.steps is not None:
            return self.steps
        return self.t_max * self.n_agents if self.has_teammates else self.t_max

    def to_dict(self) -> dict[str, object]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> OMGConfig:
        """Create a configuration from a mapping such as `to_dict` returns; missing fields take their defaults."""
        check_names("config", values)
        return cls(**values)  # type: ignore[arg-type]


_CHOICES = dict(
    subgoal_mode=("optimistic", "conservative"), bootstrap_subgoal=("same", "next"), test_subgoal=("mean", "sample"),
    subgoal_model=("cvae", "supervised"), q_subgoal=("mixed", "inferred", "prior"), optimiser=("rmsprop", "adam"),
    runner=RUNNERS,
)  # fmt: skip
_AT_LEAST = dict(
    n_agents=2, batch_size=1, horizon=1, batch_size_run=1, seed=0, updates=1, t_max=1, steps=1, buffer_size=1,
    td_steps=1, actors=1, rnn_hidden_dim=1, target_update_interval=1, epsilon_anneal_time=1, test_interval=1,
    test_nepisode=1, subgoal_dim=1, feature_dim=1, context_dim=1, mix_anneal_time=1, optim_eps=1e-20, kl_weight=0,
)  # fmt: skip
_FRACTIONS = ("gamma", "optim_alpha", "epsilon_start", "epsilon_finish", "mix_start")
_POSITIVE = ("lr", "omg_lr", "grad_norm_clip")


def check_names(where: str, names: Iterable[object]) -> None:
    """Raise ConfigError for the first of these names that is no setting, with the nearest one."""
    known = [field.name for field in dataclasses.fields(OMGConfig)]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name)[:80], known, 1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(where, name, f"there is no such setting; {meant}allowed are the fields of OMGConfig")


def team_sizes(env: object) -> range:
    """Return the team sizes an environment can play, from its name. ConfigError for a name that is not allowed."""
    if isinstance(env, str) and re.fullmatch(re.escape(PETTINGZOO) + r"\w+(\.\w+)*(,.+)?", env):
        return range(2, 129)
    if isinstance(env, str) and env in ENVIRONMENTS:
        return ENVIRONMENTS[env]
    own_maps = [name for name in ENVIRONMENTS if name.startswith(SMACV2)]
    if isinstance(env, str) and env.startswith(SMACV2):
        never = "on other maps the second episode never begins; for 8m's battle use env=smacv2 with n_agents=8"
        raise ConfigError("env", env, f"{never}; allowed are smacv2, {', '.join(own_maps)}")
    if isinstance(env, str) and (found := installed(ENV_POINTS, env)) is not None:
        return found.sizes
    names = [name for name in ENVIRONMENTS if name not in own_maps] + sorted(entry_points(group=ENV_POINTS).names)
    raise ConfigError("env", env, f"allowed are {', '.join(names)}, {SMACV2}MAP, {PETTINGZOO}MODULE, or --import yours")


def installed(group: str, name: str) -> Any:
    """Load what an installed package offers under this name, by an entry point of the group; None if none does.

    ConfigError if it cannot be loaded.
    """
    for point in entry_points(group=group, name=name):
        try:
            return point.load()
        except Exception as error:  # a package's code can raise anything
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
            raise ConfigError(group, name, f"{point.value} cannot be loaded ({said})") from error
    return None


def _checked_type(field: dataclasses.Field, value: object) -> object:
    """Convert a value to the Python type its field declares. numpy's numbers are accepted; bool is not an integer."""
    kind = str(field.type)
    if value is None and "None" in kind:
        return None
    if kind.startswith("int"):
        if isinstance(value, numbers.Integral) and not isinstance(value, bool):
            return int(value)
        least = _AT_LEAST.get(field.name)
        most = max(sizes.stop - 1 for sizes in ENVIRONMENTS.values())
        span = f", {least} to {most}" if field.name == "n_agents" else "" if least is None else f", {least} or more"
        raise ConfigError(field.name, value, f"allowed is a whole number{span}")
    if kind.startswith("float"):
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):  # an int can exceed any float
                if math.isfinite(float(value)):
                    return float(value)
        raise ConfigError(field.name, value, "allowed is a finite number")
    if kind == "bool":
        if isinstance(value, bool):
            return value
        raise ConfigError(field.name, value, "allowed is True or False")
    if isinstance(value, str):
        return value
    raise ConfigError(field.name, value, "allowed is text")


def _is_file(*parts: str) -> bool:
    """Return whether a path leads to a file; False for an invalid path too."""
    return os.path.isfile(os.path.join(*parts))


def _check_choice(name: str, value: object, choices: tuple) -> None:
    if value not in choices:
        raise ConfigError(name, value, "allowed are " + ", ".join(str(c) for c in choices))
