"""How one update grows with n_agents and batch_size: predicted by arithmetic, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from omg_lib.buffer import ReplayBuffer
from omg_lib.config import ConfigError, OMGConfig
from omg_lib.envs import env_info
from omg_lib.episodes import sizes_of, to_device, truncate
from omg_lib.trace import Recorder, ShapeTrace, trace_of
from omg_lib.training import Training
from omg_lib.words import _

FILLED = 0.63
"""Share of a padded sample that was actually played: (75 + 1) of 121 rows."""
PLAYED = ("runner.run", "buffer.insert_episode_batch")
"""The stages that collect; all others learn."""


def predicted(config: OMGConfig) -> dict[str, float]:
    """Return the quantities that time and memory are proportional to, per step of an episode.

    `multiply_adds`: each of the G * A rows meets every weight of every network; each of the H candidate subgoals of omg
    meets the GRU's input weights and the last layer. `tensor_bytes`: the sample with all seats of every episode, a
    regrouped copy of it if one seat learns, and what each played row keeps for its gradient.
    """
    info, H = env_info(config.env, config.n_agents), config.rnn_hidden_dim
    O, C, A, Z, K = info.obs_dim, info.n_actions, info.n_agents, config.subgoal_dim, config.context_dim  # noqa: E741
    rows, omg = config.batch_size * A, config.base == "omg"
    inputs = O + C + A + (Z if omg else 0)
    agent = inputs * H + 6 * H * H + H * C
    work, kept = 4 * agent, 2 * inputs + 10 * H + 4 * C
    if omg:
        condition, F = O + (A + 1) * C, config.feature_dim
        model = 3 * K * (condition + K) + O * F + 2 * Z * (F + K) + 2 * F * (Z + K + O)
        work += 3 * model + 2 * agent + config.horizon * (3 * H * H + H * C)
        kept += 2 * condition + 10 * K + 8 * Z + 8 * F + 4 * O + config.horizon * H
    sample = config.sample_size * (A * (4 * O + 8 + C) + 4 * info.state_dim + 6)
    regrouped = rows * (4 * O + 8 + C + 4 * info.state_dim + 8 * A) if config.has_teammates else 0
    return {"multiply_adds": float(rows * work), "tensor_bytes": sample + regrouped + FILLED * 4 * rows * kept}


def learning_bytes(trace: ShapeTrace) -> int:
    """Return the bytes of all named tensors in the learning half of an update, from the sample on."""
    return sum(f.bytes for stage in trace.stages if stage.name not in PLAYED for f in stage.fields.values())


def learning_seconds(trace: ShapeTrace) -> float:
    """Return the seconds of the learning half of a measured update."""
    return sum(stage.seconds for stage in trace.stages if stage.name not in PLAYED)


def planned(config: OMGConfig, steps: int) -> ShapeTrace:
    """Return the predicted trace of an update on episodes cut to their first `steps` rows."""
    info = env_info(config.env, config.n_agents)
    sizes = sizes_of(config, info) | {"L": steps - 1, "T": steps}
    return trace_of(config, sizes, config.device, records_alive=info.records_alive)


def measure_update(config: OMGConfig, steps: int, repeats: int = 5) -> ShapeTrace:
    """Return the trace of the fastest of `repeats` updates, measured from the sample on, after a warm-up.

    The buffer holds the first `steps` rows of one battle per seat, repeated. Every row is filled, so two configurations
    differ only in their sizes. ConfigError if a battle ends earlier.
    """
    width = config.n_agents if config.has_teammates else 1
    with Training(replace(config, batch_size_run=width)) as run:
        episodes = run.runner.run()[:, :steps]
        if not episodes["filled"].all():
            raise ConfigError(
                "steps",
                steps,
                _("a battle ended earlier: allowed is {most} or less").format(most=episodes.max_t_filled() - 1),
            )
        buffer, traces = ReplayBuffer(config.sample_size, run.buffer.n_seats), []
        while not buffer.can_sample(config.sample_size):
            buffer.insert_episode_batch(episodes)
        for number in range(1 + repeats):
            recorder = Recorder(run.device)
            with recorder.recording():
                sample = truncate(buffer.sample(config.sample_size, reuse=True))
                run.learner.train(to_device(sample, run.device), t_env=0, episode=0)
            traces.append(recorder.finish(config, sizes_of(config, run.env.info), number))
    return min(traces[1:], key=learning_seconds)


def grow(
    config: OMGConfig, n_agents: Sequence[int], batch_sizes: Sequence[int], limit: int | float, steps: int = 21
) -> list[dict]:
    """Return one row per size: predicted `multiply_adds` and `planned_bytes`, measured `seconds` and `bytes`.

    A size that needs more than `limit` bytes is not run: `refused` says why.
    """
    rows = []
    for agents, size in product(n_agents, batch_sizes):
        row: dict = dict(learner=config.learner, n_agents=agents, batch_size=size, rows=agents * size, refused="")
        cell = replace(config, n_agents=agents, batch_size=size, batch_size_run=1, buffer_size=max(agents * size, 1))
        plan = planned(cell, steps)
        row |= dict(multiply_adds=predicted(cell)["multiply_adds"], planned_bytes=learning_bytes(plan))
        if row["planned_bytes"] > limit:
            said = _("{planned:.0f} MB, and {limit:.0f} MB are allowed")
            row["refused"] = said.format(planned=row["planned_bytes"] / 1e6, limit=limit / 1e6)
        else:
            trace = measure_update(cell, steps)
            row |= dict(seconds=learning_seconds(trace), bytes=learning_bytes(trace))
        rows.append(row)
    return rows
