"""OMGConfig: every setting of a run in one frozen record, checked when you create it."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import numbers
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omg_lib import registry
from omg_lib.errors import INTERRUPTED as INTERRUPTED
from omg_lib.errors import ConfigError as ConfigError
from omg_lib.errors import RunError as RunError
from omg_lib.errors import check_choice, did_you_mean
from omg_lib.registry import ENVIRONMENTS as ENVIRONMENTS
from omg_lib.registry import LEARNERS as LEARNERS
from omg_lib.registry import PETTINGZOO as PETTINGZOO
from omg_lib.registry import SMACV2 as SMACV2
from omg_lib.registry import YOURS, Extra, Scalar, learner_names
from omg_lib.registry import team_sizes as team_sizes
from omg_lib.words import _, listing

RUNNERS = ("local", "processes", "ray")
"""Where games run: all in this process, one process per game, or distributed over Ray actors."""
LEARNERS_WITH_TEAMMATES = ("omg", "naive_om", "liam", "iql_actions", "oracle")
"""Learners that by default play one seat among fixed teammates; the others play every seat."""
JOINT_LEARNERS = ("vdn", "qmix")
"""Learners that mix the values of all seats, so every seat must learn."""
SPLITS = ("train", "validation", "test")
"""The splits of a pool's teammate sets."""


@dataclass(frozen=True)
class OMGConfig:
    """Settings of one run; the defaults are the released code's on SMAC's 8m. `omg_lib/settings/README.md` has a table.

    | symbol | field | meaning |
    |---|---|---|
    | A | n_agents | seats in a team |
    | G | batch_size | groups per update; a group is A episodes, one per seat |
    | R | batch_size_run | episodes the runner steps at once |
    | H | horizon | future steps that are candidate subgoals (Eq. 6, 7) |
    | Z | subgoal_dim | width of a subgoal embedding |

    `learner` is one of the library's or one that you registered. `extra` holds the settings that a registered learner
    declares; those you leave out take its defaults.

    `network` is the agent's: "rnn" remembers, `rnn_hidden_dim` wide; "mlp" does not, with two layers, twice as wide and
    as wide as that (32 gives the paper's [64, 32]).

    `deterministic` restricts a GPU to algorithms that give the same result every time; on a CPU all of them do.
    `buffer_device="cuda"` also keeps the stored episodes on the learner's GPU; "auto" does so if they fit.

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
    buffer_device: str = "cpu"
    td_steps: int = 1
    teammates: str | None = None
    prior: str | None = None
    splits: str | None = None
    runner: str = "local"
    actors: int | None = None
    deterministic: bool = False

    # Q learning, PyMARL's defaults
    network: str = "rnn"
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

    # A registered learner's own settings
    extra: Mapping[str, Scalar] = Extra()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            checked = value if field.name == "extra" else _checked_type(field.name, str(field.type), value)
            object.__setattr__(self, field.name, checked)
        sizes = team_sizes(self.env)
        if self.n_agents not in sizes:
            allowed = _("{env} allows {start} to {stop}").format(env=self.env, start=sizes.start, stop=sizes.stop - 1)
            raise ConfigError("n_agents", self.n_agents, allowed)
        if own_learner(self.learner) is None and self.learner not in LEARNERS:
            names = listing([*learner_names(), YOURS])
            meant = did_you_mean(self.learner, learner_names())
            raise ConfigError("learner", self.learner, _("{meant}allowed are {names}").format(meant=meant, names=names))
        object.__setattr__(self, "extra", _checked_extra(self.learner, self.extra))
        for name, choices in _CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        self._check_teammates()
        if self.prior is not None and not _is_file(self.prior):
            raise ConfigError("prior", self.prior, _("allowed is None (pre-train one first) or a prior's file"))
        step = re.fullmatch(r"t\+([1-9][0-9]{0,17})", self.subgoal_choice)  # short enough for int()
        if self.subgoal_choice not in ("value", "random") and not (step and int(step[1]) <= self.horizon):
            allowed = _("allowed are value, random and t+1 to t+{horizon} (horizon={horizon})").format(
                horizon=self.horizon
            )
            raise ConfigError("subgoal_choice", self.subgoal_choice, allowed)
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise ConfigError("device", self.device, _("allowed are auto, cpu, cuda and cuda:0, cuda:1, ..."))
        for name, low in _AT_LEAST.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(name, value, _("allowed is {low} or more").format(low=low))
        for name in _FRACTIONS:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(name, getattr(self, name), _("allowed is 0 to 1"))
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise ConfigError(name, getattr(self, name), _("allowed is a number above 0"))
        if self.updates is not None and self.steps is not None:
            raise ConfigError(
                "steps",
                self.steps,
                _("updates={updates} ends the run: allowed is one of the two").format(updates=self.updates),
            )
        if self.steps is not None and self.t_max != OMGConfig.t_max:
            raise ConfigError(
                "steps",
                self.steps,
                _("t_max={t_max} is given as well: allowed is one of the two").format(t_max=self.t_max),
            )
        if self.has_teammates and self.n_agents % self.batch_size_run:
            widths = listing(str(r) for r in range(1, self.n_agents + 1) if self.n_agents % r == 0)
            raise ConfigError(
                "batch_size_run",
                self.batch_size_run,
                _("with teammates it must divide n_agents={n_agents}: {widths}").format(
                    n_agents=self.n_agents, widths=widths
                ),
            )
        if self.actors is not None and self.actors > self.batch_size_run:
            allowed = _("each plays at least one episode: allowed is 1 to batch_size_run={batch_size_run}").format(
                batch_size_run=self.batch_size_run
            )
            raise ConfigError("actors", self.actors, allowed)
        if self.sample_size > self.buffer_size:
            most = self.buffer_size * self.batch_size // self.sample_size
            raise ConfigError(
                "batch_size",
                self.batch_size,
                _(
                    "one sample needs {sample_size} episodes but buffer_size={buffer_size} holds fewer; "
                    "allowed here is at most {most}"
                ).format(sample_size=self.sample_size, buffer_size=self.buffer_size, most=most),
            )

    def _check_teammates(self) -> None:
        """Check the teammates (none, the environment's own, or a pool) and the splits of a pool."""
        if self.teammates not in (None, "none", "scripted") and not _is_file(self.teammates, "pool.json"):
            allowed = _("allowed are none (all seats learn), scripted, or a pool's folder (with pool.json)")
            raise ConfigError("teammates", self.teammates, allowed)
        if self.base in JOINT_LEARNERS and self.has_teammates:
            raise ConfigError(
                "teammates",
                self.teammates,
                _("{learner} trains all seats together: allowed is none").format(learner=self.learner),
            )
        if self.base == "oracle" and not self.has_teammates:
            raise ConfigError(
                "teammates", self.teammates, _("the oracle observes its teammates: allowed is any but none")
            )
        if self.splits is not None and not set(self.splits.split("+")) <= set(SPLITS):
            raise ConfigError(
                "splits", self.splits, _("allowed are {names}, joined by +").format(names=listing(SPLITS))
            )
        if self.splits is not None and self.teammates in (None, "none", "scripted"):
            raise ConfigError(
                "splits",
                self.splits,
                _("only a pool has them; with teammates={teammates} allowed is None").format(teammates=self.teammates),
            )

    @property
    def base(self) -> str:
        """The library's learner that this one is or builds on: it decides networks, stages and who learns."""
        own = own_learner(self.learner)
        if own is None and self.learner not in LEARNERS:  # an unpickled configuration was not checked here
            raise ConfigError("learner", self.learner, _("this process does not know it; register it here too"))
        return self.learner if own is None else own.base

    @property
    def has_teammates(self) -> bool:
        """True if one seat learns among fixed teammates; that seat rotates."""
        if self.teammates is None:
            return self.base in LEARNERS_WITH_TEAMMATES
        return self.teammates != "none"

    @property
    def sees_actions(self) -> bool:
        """Whether the agent reads its co-players' last actions; `iql_actions` is IQL that does."""
        return self.see_actions or self.base == "iql_actions"

    @property
    def training_splits(self) -> tuple[str, ...]:
        """The splits of a pool used in training; the oracle also trains with the test split."""
        default = "train+test" if self.base == "oracle" else "train"
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
        return dataclasses.asdict(self) | {"extra": dict(self.extra)}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> OMGConfig:
        """Create a configuration from a mapping such as `to_dict` returns; missing fields take their defaults.

        A registered learner's own settings may appear beside the fields, under their plain names. `versions`, which a
        run's config.json also contains, is ignored.
        """
        values = _with_extra({name: value for name, value in values.items() if name != "versions"})
        check_names("config", values, own_settings(values.get("learner")), values.get("learner", cls.learner))
        return cls(**values)  # type: ignore[arg-type]


_CHOICES = dict(
    subgoal_mode=("optimistic", "conservative"), bootstrap_subgoal=("same", "next"), test_subgoal=("mean", "sample"),
    subgoal_model=("cvae", "supervised"), q_subgoal=("mixed", "inferred", "prior"), optimiser=("rmsprop", "adam"),
    runner=RUNNERS, buffer_device=("cpu", "cuda", "auto"), network=("rnn", "mlp"),
)  # fmt: skip
_AT_LEAST = dict(
    n_agents=2, batch_size=1, horizon=1, batch_size_run=1, seed=0, updates=1, t_max=1, steps=1, buffer_size=1,
    td_steps=1, actors=1, rnn_hidden_dim=1, target_update_interval=1, epsilon_anneal_time=1, test_interval=1,
    test_nepisode=1, subgoal_dim=1, feature_dim=1, context_dim=1, mix_anneal_time=1, optim_eps=1e-20, kl_weight=0,
)  # fmt: skip
_FRACTIONS = ("gamma", "optim_alpha", "epsilon_start", "epsilon_finish", "mix_start")
_POSITIVE = ("lr", "omg_lr", "grad_norm_clip")
FIELDS = tuple(field.name for field in dataclasses.fields(OMGConfig))
"""Names of the settings that every learner has."""


def check_names(where: str, names: Iterable[object], own: Iterable[str] = (), learner: object = None) -> None:
    """Raise ConfigError for the first name that is not a setting, and suggest the nearest one. `own` adds the settings
    of `learner`.
    """
    known = [*FIELDS, *own]
    told = _("; learner={learner} has {names} of its own") if learner and registry.OWN else ""
    told = told.format(learner=learner, names=listing(own) or _("none"))
    for name in names:
        if name not in known:
            allowed = _("there is no such setting; {meant}allowed are the fields of OMGConfig{told}")
            raise ConfigError(where, name, allowed.format(meant=did_you_mean(name, known), told=told))


def own_learner(name: object) -> Any | None:
    """Return the class that you registered, or that a package offers, under this name; None if there is none."""
    return registry.own_learner(name, FIELDS)


def own_settings(learner: object) -> Mapping[str, Scalar]:
    """Return the settings that a registered learner declares, with their defaults; {} for any other."""
    own = own_learner(learner)
    return {} if own is None else own.settings


def _with_extra(values: Mapping[str, object]) -> Mapping[str, object]:
    """Return the settings, with a registered learner's own ones moved from their plain names to `extra`."""
    own = own_settings(values.get("learner"))
    plain = {name: values[name] for name in values if name in own}
    if not plain:
        return values
    return {name: values[name] for name in values if name not in own} | {
        "extra": {**_checked_mapping(values.get("extra", {})), **plain}
    }


def _checked_extra(learner: str, extra: object) -> Extra:
    """Return a learner's own settings, each with its default's type. ConfigError for an unknown name or a bad value."""
    given, own = _checked_mapping(extra), own_settings(learner)
    for name in given:
        if name not in own:
            allowed = _("allowed are {names}").format(names=listing(own)) if own else _("it has none")
            raise ConfigError(
                f"extra.{name}",
                given[name],
                _("no setting of learner={learner}: {allowed}").format(learner=learner, allowed=allowed),
            )
    checked = {key: _checked_type(key, type(own[key]).__name__, given.get(key, own[key])) for key in own}
    return Extra(checked)  # type: ignore[arg-type]


def _checked_mapping(extra: object) -> Mapping[str, Any]:
    if not isinstance(extra, Mapping):
        raise ConfigError("extra", extra, _("allowed are names with values"))
    return extra


def _checked_type(name: str, kind: str, value: object) -> object:
    """Convert a value to the Python type its field declares. numpy's numbers are accepted; bool is not an integer."""
    if value is None and "None" in kind:
        return None
    if kind.startswith("int"):
        if isinstance(value, numbers.Integral) and not isinstance(value, bool):
            if abs(int(value)) >= 2**63:  # a run's folder could not be read again
                raise ConfigError(name, value, _("the whole number {text}... is too large").format(text=hex(value)[:9]))
            return int(value)
        least, most = _AT_LEAST.get(name), max(sizes.stop - 1 for sizes in ENVIRONMENTS.values())
        allowed = _("allowed is a whole number") if least is None else _("allowed is a whole number, {least} or more")
        if name == "n_agents":
            allowed = _("allowed is a whole number, {least} to {most}")
        raise ConfigError(name, value, allowed.format(least=least, most=most))
    if kind.startswith("float"):
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):  # an int can exceed any float
                if math.isfinite(float(value)):
                    return float(value)
        raise ConfigError(name, value, _("allowed is a finite number"))
    if kind == "bool":
        if isinstance(value, bool):
            return value
        raise ConfigError(name, value, _("allowed is True or False"))
    if isinstance(value, str):
        return value
    raise ConfigError(name, value, _("allowed is text"))


def _is_file(*parts: str) -> bool:
    """Return whether a path leads to a file; False for an invalid path too."""
    return os.path.isfile(os.path.join(*parts))
