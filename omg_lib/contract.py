"""What shape is this tensor here, and why? The contract lists every stage of one update, its fields and their axes.

Read `contract(config)` from top to bottom to see what one training iteration does to its tensors:

| stage | leading axis | why |
|---|---|---|
| runner.run, buffer.insert_episode_batch | R (1 by default) | the runner steps R episodes at once |
| buffer.sample, truncate, to_device | G*A (256) | G groups; with fixed teammates a group has one episode per seat |
| learner.regroup and what follows | G (32) | each of a group's A episodes supplies its own learner's seat |

`predict` replaces the letters with numbers, the recorder in `trace` measures the real run, and `compare` checks one
against the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from omg_lib.config import ConfigError, OMGConfig, own_learner
from omg_lib.words import _, listing

Fields = Mapping[str, tuple[str, str]]
"""Field -> (axes, dtype)."""
Stages = dict[str, tuple[int, Fields]]
"""Stage -> (calls in one update, fields)."""
LETTERS = "AGRLTOSCZH"
"""The sizes in a trace, in the order of its schema."""
DTYPES = ("float32", "float64", "int64", "bool")
"""The dtypes in a trace."""
AXIS = re.compile(rf"([{LETTERS}]|\d+)(?:([*+/-])([{LETTERS}]|\d+))?")

METRICS = (
    "update", "t_env", "time", "loss", "td_loss", "omg_loss", "train_win_rate", "win_rate", "train_return", "epsilon",
    "grad_norm", "recon_loss", "kl_loss", "model_loss", "test_return", "test_length",
)  # fmt: skip
"""The library's own columns of metrics.csv; those of a registered learner follow them."""
ROUND = ("runner.run", "buffer.insert_episode_batch")
"""The stages of a round of play, which precedes each sample."""
PER_AGENT = {"obs": ("O", "float32"), "actions": ("1", "int64"), "avail_actions": ("C", "bool")}
PER_EPISODE = {
    "state": ("S", "float32"),
    "reward": ("1", "float32"),
    "terminated": ("1", "bool"),
    "filled": ("1", "bool"),
}
SUBGOAL_FIELDS = {
    "infer_mu": ("G T-1 A Z", "float32"),
    "infer_log_var": ("G T-1 A Z", "float32"),
    "candidates": ("G T-1 A H Z", "float32"),
    "values": ("G T-1 A H", "float32"),
    "chosen": ("G T-1 A", "int64"),
}


def contract(config: OMGConfig, records_alive: bool = False) -> Stages:
    """Return the stages of one update in the order in which they run; a registered learner adds those it declares.

    For `records_alive` see `EnvInfo`.
    """
    per_agent = PER_AGENT | ({"alive": ("1", "bool")} if records_alive else {})
    per_episode = PER_EPISODE | ({"team": ("1", "int64")} if config.base == "oracle" else {})
    fields = {key: (f"A {width}", dtype) for key, (width, dtype) in per_agent.items()} | per_episode
    if config.has_teammates:
        fields["seat"] = ("1", "int64")

    def episodes(leading: str, time_axis: str) -> dict[str, tuple[str, str]]:
        return {key: (f"{leading} {time_axis} {axes}", dtype) for key, (axes, dtype) in fields.items()}

    sample = "G*A" if config.has_teammates else "G"
    runs = config.runs_per_update
    stages: Stages = {
        "runner.run": (runs, episodes("R", "L+1")),
        "buffer.insert_episode_batch": (runs, episodes("R", "L+1")),
        "buffer.sample": (1, episodes(sample, "L+1")),
        "truncate": (1, episodes(sample, "T")),
        "to_device": (1, episodes(sample, "T")),
    }
    if config.has_teammates:
        regrouped = {key: (f"G T A {width}", dtype) for key, (width, dtype) in (per_agent | per_episode).items()}
        stages["learner.regroup"] = (1, regrouped | {"last_actions": ("G T A A", "int64")})
    if config.base == "omg":
        stages["learner.omg_loss"] = (1, SUBGOAL_FIELDS)
    stages["controller.init_hidden"] = (1, {"hidden": (f"G A {config.rnn_hidden_dim}", "float32")})
    stages["learner.q_values"] = (1, {"q": ("G T A C", "float32")})
    stages["learner.td_loss"] = (1, {"loss": ("", "float32")})
    stages["learner.step"] = (1, {})
    own = own_learner(config.learner)
    for name, (after, made) in (own.stages(config) if own else {}).items():
        stages = _inserted(stages, name, after, made)
    return stages


def _inserted(stages: Stages, name: str, after: str, fields: Fields) -> Stages:
    """Return the stages with one more, which runs once, right after another. ConfigError for what no trace can hold."""
    if name in stages or after not in stages:
        allowed = _("it must be new and follow a stage of this learner: {stages}").format(stages=listing(stages))
        raise ConfigError("stages", _("{name} after {after}").format(name=name, after=after), allowed)
    for field, (axes, dtype) in fields.items():
        if dtype not in DTYPES or not all(AXIS.fullmatch(axis) for axis in axes.split()):
            allowed = _("{name}: allowed are axes of the letters {letters} or numbers, such as G T-1 A, and {dtypes}")
            said = allowed.format(name=name, letters=" ".join(LETTERS), dtypes=listing(DTYPES))
            raise ConfigError("stages", f"{field}: {axes}, {dtype}", said)
    found: Stages = {}
    for key, stage in stages.items():
        found[key] = stage
        if key == after:
            found[name] = (1, dict(fields))
    return found


def axis_size(axis: str, sizes: Mapping[str, int]) -> int:
    """Return the length of a named axis: "A", "G*A", "T-1", "A/R", "64".

    >>> axis_size("G*A", {"G": 32, "A": 8}), axis_size("L+1", {"L": 120}), axis_size("64", {})
    (256, 121, 64)
    """
    match = AXIS.fullmatch(axis)
    if match is None:
        raise ValueError(f"axis {axis!r} is not of the form A, G*A, L+1, T-1, A/R or 64")
    left, sign, right = match.groups()
    value = [int(part) if part.isdigit() else sizes[part] for part in (left, right) if part]
    if sign is None:
        return value[0]
    one, other = value
    return {"*": one * other, "+": one + other, "-": one - other, "/": one // other}[sign]
