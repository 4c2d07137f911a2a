"""Predict a run's peak memory and compare it with what this process may still allocate; find sizes that fit.

Bytes of episodes and samples are the contract's shapes times the rows that untrained players fill (later games are
longer, but the buffer averages over 5,000). What an update keeps for its gradients is counted per row and layer; the
remaining factors were fitted to measured runs, and `python -m benchmarks.peaks` measures them again.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import torch

from omg_lib.config import ConfigError, OMGConfig, team_sizes
from omg_lib.envs import env_info, make_env
from omg_lib.memory.need import row_bytes
from omg_lib.predict import predict
from omg_lib.seeds import TEST_EPISODES, Stream, torch_generator
from omg_lib.system.limits import GIB, free_memory
from omg_lib.trace import ShapeTrace, Stage
from omg_lib.words import _, listing

LIBRARIES = 25 * 2**20
"""Bytes of the libraries that torch loads in the first update."""
TRIED = 64
"""Games with untrained players that estimate an episode's length."""
CHEAP = ("skirmish", "skirmish:partners")
"""Environments that play fast; in the others an episode is assumed to reach the limit."""


class TooLargeError(ConfigError):
    """A run that does not fit; `fits` maps n_agents and batch_size to the largest values that do, all else equal."""

    def __init__(self, name: str, value: object, allowed: str, fits: dict[str, int]) -> None:
        super().__init__(name, value, allowed)
        self.fits = fits

    def __reduce__(self) -> tuple:
        return type(self), (*self._parts, self.fits)


@dataclass(frozen=True)
class Peak:
    """Bytes that a run takes at its peak, on top of a process that has loaded omg_lib.

    episodes: the buffer at its fullest in this run; sample: what is drawn for one update; update: what the learner
    computes from it. With a GPU, update is on the GPU and sample is both there and here.
    """

    episodes: int
    sample: int
    update: int

    @property
    def total(self) -> int:
        return self.episodes + self.sample + self.update


@lru_cache(maxsize=64)
def usual_rows(env: str, n_agents: int) -> tuple[float, int]:
    """Return the mean and maximum rows per episode, including the last observation, over a few untrained games."""
    limit = env_info(env, n_agents).episode_limit + 1
    if env not in CHEAP:
        return float(limit), limit
    game = make_env(env, n_agents, batch=TRIED)
    generator = torch_generator(0, Stream.ACT, TEST_EPISODES)
    game.reset()
    playing, rows = torch.ones(TRIED, dtype=torch.bool), torch.ones(TRIED)
    while playing.any():
        free = game.avail_actions().float().flatten(0, 1)
        __, done, __ = game.step(torch.multinomial(free, 1, generator=generator).reshape(TRIED, n_agents))
        rows += playing
        playing &= ~done
    game.close()
    return float(rows.mean()), int(rows.max())


def predicted_peak(config: OMGConfig, plan: ShapeTrace | None = None) -> Peak:
    """Predict the peak of a run of this configuration; runs only a few games, once.

    `plan` is its predicted trace, if already known.
    """
    plan, (mean, longest) = plan or predict(config), usual_rows(config.env, config.n_agents)
    return Peak(
        episodes=int(_episodes(config, mean) * mean * sum(row_bytes(config, plan).values())),
        sample=int(_cut(plan["buffer.sample"], longest) * (1 + mean / longest) / 2),  # rows ever written
        update=int(_update_bytes(config, plan, mean, longest)),
    )


def _episodes(config: OMGConfig, mean: float) -> int | float:
    """Return how many episodes the buffer will hold: its size, or fewer if the budget is shorter."""
    seats = config.n_agents if config.has_teammates else 1
    if config.updates is None:
        come = config.sample_size + config.t_max_total / max(mean - 1, 1)
    else:
        come = config.sample_size + (config.updates - 1) * config.runs_per_update * config.batch_size_run
    return min(come, config.buffer_size // seats * seats)


def _cut(stage: Stage, longest: int) -> int:
    """Return the bytes of a stage whose episodes are cut to `longest` rows."""
    return sum(f.bytes // f.shape[1] * min(longest, f.shape[1]) for f in stage.fields.values())


def _update_bytes(config: OMGConfig, plan: ShapeTrace, mean: float, longest: int) -> int | float:
    """Return the bytes of the regrouped batch, its intermediate copies, and what each filled row keeps for its
    gradient. A GPU computes whole sequences, including padding.
    """
    regrouped = 2.5 * _cut(plan["learner.regroup"], longest) if config.has_teammates else 0
    steps = longest if on_a_card(config) else mean
    return regrouped + 4.0 * config.batch_size * config.n_agents * steps * kept_per_row(config)


def on_a_card(config: OMGConfig) -> bool:
    """Return whether a run of this configuration trains on a GPU on this machine."""
    return config.device.startswith("cuda") or (config.device == "auto" and torch.cuda.is_available())


def kept_per_row(config: OMGConfig) -> int | float:
    """Count the numbers that one filled row keeps until the step: inputs, layer outputs, and copies of both."""
    info, H = env_info(config.env, config.n_agents), config.rnn_hidden_dim
    O, C, A, Z, K = info.obs_dim, info.n_actions, info.n_agents, config.subgoal_dim, config.context_dim  # noqa: E741
    F, condition = config.feature_dim, O + (A + 1) * C
    models = {
        "omg": 6 * (Z + condition) + 5 * O + 10 * K + 8 * Z + 8 * F + 1.7 * config.horizon * H,
        "naive_om": 6 * (A * C + condition) + 10 * K + 8 * F,
        "liam": 6 * (Z + condition) + 10 * K + 8 * F + 3 * A * (O + C),
        "qmix": 2 * info.state_dim / A + 200,
    }
    inputs = O + C + A + A * C * config.sees_actions
    return 6 * inputs + 10 * H + 8 * C + models.get(config.base, 0)


# --- compared with the machine ---------------------------------------------------------------------------------------


def card_buffer_bytes(config: OMGConfig, plan: ShapeTrace | None = None) -> int:
    """Return the bytes of the buffer on a GPU: every place of an episode, padded to the longest."""
    stage = (plan or predict(config))["buffer.sample"]
    seats = config.n_agents if config.has_teammates else 1
    fields = [field for name, field in stage.fields.items() if name != "seat"]
    return sum(field.bytes // field.shape[0] for field in fields) * (config.buffer_size // seats * seats)


def buffer_on_card(config: OMGConfig, device: torch.device, plan: ShapeTrace) -> bool:
    """Return whether the learner's GPU also keeps the episodes; with "auto" where they fit beside an update.

    ConfigError for buffer_device="cuda" where the learner is on the CPU.
    """
    if config.buffer_device == "cpu" or (config.buffer_device == "auto" and device.type == "cpu"):
        return False
    if device.type == "cpu":
        raise ConfigError("buffer_device", config.buffer_device, _("the learner is on cpu: allowed are cpu and auto"))
    peak, left = predicted_peak(config, plan), left_on(device)
    needed = card_buffer_bytes(config, plan) + peak.sample + peak.update + LIBRARIES
    return config.buffer_device == "cuda" or left is None or needed <= left


def left_on(device: torch.device) -> int | None:
    """Return the bytes that torch can still allocate on a GPU; None on another device."""
    if device.type != "cuda":
        return None
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def check_memory(config: OMGConfig, device: torch.device, plan: ShapeTrace, on_card: bool = False) -> None:
    """Raise TooLargeError, with both numbers and what fits, if a run would take more than is free here; with `on_card`
    a GPU also keeps the episodes.
    """
    peak, here = predicted_peak(config, plan), free_memory()
    rooms = [(peak.total, here, _("this process"))]
    if device.type == "cuda":
        there = peak.sample + peak.update + (card_buffer_bytes(config, plan) if on_card else 0)
        rooms = [(peak.episodes + peak.sample, here, _("this process")), (there, left_on(device), str(device))]
    for needed, left, whose in rooms:
        needed += LIBRARIES
        if left is not None and needed > left:
            fits = largest(config, int((peak.total + LIBRARIES) * left / needed) - LIBRARIES)
            allowed = _("{whose} can allocate {left:.2f} GiB more; {fits}").format(
                whose=whose, left=left / GIB, fits=what_fits(fits)
            )
            raise TooLargeError("memory", f"{needed / GIB:.2f} GiB", allowed, fits)


def largest(config: OMGConfig, room: int) -> dict[str, int]:
    """Return the largest n_agents and the largest batch_size, all else equal, whose peak fits; a name is absent if
    even its smallest value does not fit. Binary search: a larger size needs more.
    """

    def too_large(name: str, size: int) -> bool:
        try:
            return predicted_peak(replace(config, batch_size_run=1, **{name: size})).total > room
        except ConfigError:  # the environment or the buffer does not allow this size
            return True

    smallest = team_sizes(config.env).start
    tries = {"n_agents": range(smallest, config.n_agents), "batch_size": range(1, config.batch_size)}
    fits = {name: bisect_left(some, True, key=partial(too_large, name)) for name, some in tries.items()}
    return {name: tries[name][count - 1] for name, count in fits.items() if count}


def what_fits(fits: dict[str, int]) -> str:
    """Return what fits, as the end of a sentence."""
    if not fits:
        return _("allowed is a smaller buffer_size, or a machine with more memory")
    sizes = _(" or ").join(f"{name}={size}" for name, size in fits.items())
    return _("what fits is {sizes}, or a smaller buffer_size").format(sizes=sizes)


def out_of_memory(error: BaseException) -> bool:
    """Return whether this is an out-of-memory error of Python or of torch on any device."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(error)


def ways_out(config: OMGConfig) -> str:
    """Return which settings to lower after a run ran out of memory."""
    sizes = listing(f"{name}={getattr(config, name)}" for name in ("n_agents", "batch_size", "buffer_size"))
    return _("allowed are smaller values of {sizes}").format(sizes=sizes)
