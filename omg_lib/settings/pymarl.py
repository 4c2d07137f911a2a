"""PyMARL's and EPyMARL's settings, translated: what each name becomes, which are ignored and why, and which are refused
because the run would silently be another algorithm.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from omg_lib.config import ENVIRONMENTS, PETTINGZOO, SMACV2, ConfigError, OMGConfig
from omg_lib.words import N_, _, listing

RENAMED = {
    "hidden_dim": ("rnn_hidden_dim", N_("EPyMARL's name")),
    "target_update_interval_or_tau": ("target_update_interval", N_("above 1; a tau is refused")),
    "t_max": ("steps", N_("both count all environment steps")),
    "use_cuda": ("device", N_("True: auto, False: cpu")),
    "learner": ("learner", N_("q_learner is iql, or what `mixer` names")),
    "mixer": ("learner", N_("null: iql; vdn, qmix")),
    "env": ("env", N_("sc2_v2's maps 10gen_*; any other needs --env")),
    "env_args": ("n_agents", N_("of sc2_v2, from n_units; games here have options of their own")),
    "runner": ("batch_size_run", N_("episode and parallel are one runner here, as wide as this says")),
}
"""Their name -> ours, and how."""
FIXED: dict[str, tuple[object, str]] = {
    "double_q": (True, N_("the target here is double Q's")),
    "agent": ("rnn", N_("the agent here is PyMARL's RNNAgent")),
    "mac": ("basic_mac", N_("all seats share one network")),
    "agent_output_type": ("q", N_("learners here learn values")),
    "action_selector": ("epsilon_greedy", N_("actions are epsilon-greedy")),
    "obs_agent_id": (True, N_("agents here read their seat")),
    "obs_last_action": (True, N_("agents here read their last action")),
    "obs_individual_obs": (False, N_("agents read their own observation only")),
    "use_rnn": (True, N_("the agent here is recurrent")),
    "standardise_returns": (False, N_("returns are not standardised here")),
    "standardise_rewards": (False, N_("rewards are not standardised here")),
    "common_reward": (True, N_("the team's reward is shared here")),
    "evaluation_epsilon": (0, N_("tests are greedy")),
    "test_greedy": (True, N_("tests are greedy")),
    "mixing_embed_dim": (32, N_("QMIX's mixer has this width")),
    "hypernet_layers": (1, N_("QMIX's hypernetworks have this many layers")),
    "evaluate": (False, N_("use the command evaluate")),
}
"""Their name -> the only allowed value, and why: any other would be a different algorithm or task."""
IGNORED = {
    **dict.fromkeys(
        ("log_interval", "runner_log_interval", "learner_log_interval"), N_("metrics.csv has every update")
    ),
    **dict.fromkeys(("use_tensorboard", "use_wandb"), N_("metrics.csv has every update")),
    **dict.fromkeys(("wandb_team", "wandb_project", "wandb_mode", "wandb_save_model"), N_("belongs to use_wandb")),
    **dict.fromkeys(("save_model", "save_model_interval", "local_results_path"), N_("--out DIR keeps checkpoints")),
    **dict.fromkeys(("checkpoint_path", "load_step"), N_("--resume DIR continues a run")),
    **dict.fromkeys(
        ("save_replay", "render", "save_episodes", "episode_dir", "clear_existing_episodes"), N_("a display")
    ),
    **dict.fromkeys(("name", "label", "repeat_id", "hypergroup"), N_("a name for their results")),
    "buffer_cpu_only": N_("set buffer_device instead"),
    "critic_lr": N_("there is no critic"),
    "add_value_last_step": N_("there is no critic"),
    "hypernet_embed": N_("belongs to hypernetworks of two layers"),
    "reward_scalarisation": N_("belongs to rewards for each agent"),
}
"""Their name -> why it is ignored."""
SAME = (
    "batch_size", "batch_size_run", "buffer_size", "epsilon_anneal_time", "epsilon_finish", "epsilon_start", "gamma",
    "grad_norm_clip", "lr", "optim_alpha", "optim_eps", "rnn_hidden_dim", "seed", "target_update_interval",
    "test_interval", "test_nepisode",
)  # fmt: skip
"""Settings that have the same name and meaning."""
EPYMARL = (
    "hidden_dim", "use_rnn", "standardise_returns", "standardise_rewards", "target_update_interval_or_tau",
    "evaluation_epsilon", "obs_individual_obs", "common_reward", "add_value_last_step", "hypergroup",
)  # fmt: skip
"""Names that only EPyMARL has; its learners use Adam."""
MIXERS = {None: "iql", "none": "iql", "vdn": "vdn", "qmix": "qmix"}


@dataclass(frozen=True)
class Row:
    """One line of a translation: their setting, what it becomes ("" where it is ignored), and why."""

    theirs: str
    ours: str
    why: str = ""


def is_pymarl(values: Mapping[str, Any]) -> bool:
    """Return whether settings are PyMARL's: they have a name or a value that only PyMARL has."""
    own = {field.name for field in fields(OMGConfig)}
    names = {*RENAMED, *FIXED, *IGNORED} - own
    learner, runner = values.get("learner"), values.get("runner")
    return bool(names & values.keys()) or str(learner).endswith("_learner") or runner in ("episode", "parallel")


def translate(values: Mapping[str, Any], given: Collection[str] = ()) -> tuple[dict[str, Any], list[Row]]:
    """Return OMGConfig's settings for PyMARL's or EPyMARL's, and a row for each of theirs.

    `given` are settings that the command line names: they win, so a game or a learner that has no translation may be
    named there. Names that belong to neither stay as they are. ConfigError for what would silently change the
    algorithm or the game.
    """
    _check_fixed(values)
    found: dict[str, Any] = {}
    rows = []

    def take(name: str, value: Any) -> None:
        if found.setdefault(name, value) != value:
            allowed = _("another name sets {name}={value}; allowed is one of the two")
            raise ConfigError(name, value, allowed.format(name=name, value=found[name]))

    for name, value in values.items():
        if name in FIXED:
            rows.append(Row(f"{name}={value}", "", _("as here: {why}").format(why=_(FIXED[name][1]))))
        elif name in IGNORED:
            rows.append(Row(f"{name}={value}", "", _("ignored: {why}").format(why=_(IGNORED[name]))))
        elif name in RENAMED:
            ours = _renamed(name, value, values, given)
            for key, setting in ours.items():
                take(key, setting)
            becomes = listing(f"{key}={setting}" for key, setting in ours.items())
            rows.append(Row(f"{name}={_short(value)}", becomes, _(RENAMED[name][1])))
        else:
            take(name, value)
            rows.append(Row(f"{name}={_short(value)}", f"{name}={_short(value)}"))
    if "learner" in values.keys() | found.keys() and any(name in values for name in EPYMARL):
        found.setdefault("optimiser", "adam")
        rows.append(Row("EPyMARL", f"optimiser={found['optimiser']}", _("its learners use Adam")))
    return found, rows


def _check_fixed(values: Mapping[str, Any]) -> None:
    """Raise a ConfigError that names every setting that would change the algorithm."""
    wrong = [name for name, (allowed, _) in FIXED.items() if name in values and not _same(values[name], allowed)]
    if wrong:
        said = _("{name}={value}: {why}, allowed is {allowed}")
        rule = {name: {"why": _(FIXED[name][1]), "allowed": FIXED[name][0]} for name in wrong}
        rest = [said.format(name=name, value=values[name], **rule[name]) for name in wrong[1:]]
        rules = [_("{why}, allowed is {allowed}").format(**rule[wrong[0]]), *rest]
        raise ConfigError(wrong[0], values[wrong[0]], listing(rules, "; "))


def _same(value: object, allowed: object) -> bool:
    return value == allowed and isinstance(value, bool) == isinstance(allowed, bool)


def _renamed(name: str, value: Any, values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
    """Return what one of RENAMED becomes. ConfigError for a value that has no counterpart."""
    if name in ("learner", "mixer"):
        return {} if "learner" in given else _learner(values)
    if name in ("env", "env_args"):
        return {} if "env" in given else _game(values)
    if name == "runner":
        if value not in ("episode", "parallel"):
            raise ConfigError("runner", value, _("allowed in a PyMARL file are episode and parallel"))
        return {}
    if name == "use_cuda":
        if not isinstance(value, bool):
            raise ConfigError(name, value, _("allowed is True or False"))
        return {"device": "auto" if value else "cpu"}
    if name == "target_update_interval_or_tau":
        if isinstance(value, float) and value.is_integer() and value > 1:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value <= 1:
            raise ConfigError(name, value, _("targets here are copied, not mixed: allowed is a whole number above 1"))
    return {RENAMED[name][0]: value}


def _learner(values: Mapping[str, Any]) -> dict[str, Any]:
    learner, mixer = values.get("learner", "q_learner"), values.get("mixer")
    if learner != "q_learner":
        raise ConfigError("learner", learner, _("allowed in a PyMARL file is q_learner; --learner names one of ours"))
    if not isinstance(mixer, str | None) or mixer not in MIXERS:
        raise ConfigError("mixer", mixer, _("allowed are null, vdn and qmix; --learner names one of ours"))
    return {"learner": MIXERS[mixer]}


def _game(values: Mapping[str, Any]) -> dict[str, Any]:
    env, options = values.get("env"), values.get("env_args") or {}
    if not isinstance(options, Mapping):
        raise ConfigError("env_args", options, _("allowed is a table of names and values"))
    if env is None:
        return {}
    if env in ENVIRONMENTS or str(env).startswith(PETTINGZOO):
        return {"env": env}
    if env not in ("sc2_v2", "sc2v2"):
        raise ConfigError("env", env, _("this game has no counterpart here: name one with --env, such as skirmish"))
    found = {"env": SMACV2 + str(options.get("map_name", "10gen_terran"))}
    units = options.get("capability_config")
    sides = [units.get(key) for key in ("n_units", "n_enemies")] if isinstance(units, Mapping) else []
    if sides and sides[1] not in (None, sides[0]):
        allowed = _("battles here are n against n: allowed is n_units={n_units}")
        raise ConfigError("n_enemies", sides[1], allowed.format(n_units=sides[0]))
    return found | ({"n_agents": sides[0]} if sides and sides[0] is not None else {})


def _short(value: object) -> str:
    said = str(value)
    return said if len(said) <= 40 else said[:37] + "..."


def table(rows: list[Row]) -> str:
    """Return a translation as text, a line for each of their settings."""
    widths = [max(len(getattr(row, part)) for row in rows) for part in ("theirs", "ours")]
    lines = [f"{row.theirs:<{widths[0]}}  {row.ours or '-':<{widths[1]}}  {row.why}".rstrip() for row in rows]
    return "\n".join(lines)


def names_table() -> str:
    """Return every name with its counterpart as Markdown, as the page of settings shows it."""
    rows = [("PyMARL, EPyMARL", "here", "")]
    rows += [(f"`{name}`", f"`{name}`", "") for name in SAME]
    rows += [(f"`{name}`", f"`{ours}`", why) for name, (ours, why) in RENAMED.items()]
    rows += [(f"`{name}`", f"only {allowed}", why) for name, (allowed, why) in FIXED.items()]
    rows += [(f"`{name}`", "ignored", why) for name, why in IGNORED.items()]
    lines = [f"| {' | '.join(row)} |".replace("  |", " |") for row in rows]
    return "\n".join([lines[0], "|---|---|---|", *lines[1:]])
