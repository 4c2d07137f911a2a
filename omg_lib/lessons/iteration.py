"""One complete update: its trace, what each stage returned, the code that made it, and whose memory it uses."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import dedent

from tensordict import TensorDictBase
from torch import Tensor

import omg_lib
from omg_lib.buffer import ReplayBuffer
from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.episodes import to_device, truncate
from omg_lib.learners.omg import OMGLearner
from omg_lib.regroup import regroup
from omg_lib.runner import Runner
from omg_lib.trace import ShapeTrace
from omg_lib.training import Training
from omg_lib.words import _

STAGES: dict[str, Callable] = {
    "runner.run": Runner.run,
    "buffer.insert_episode_batch": ReplayBuffer.insert_episode_batch,
    "buffer.sample": ReplayBuffer.sample,
    "truncate": truncate,
    "to_device": to_device,
    "learner.regroup": regroup,
    "learner.omg_loss": OMGLearner.omg_loss,
    "controller.init_hidden": Controller.init_hidden,
    "learner.q_values": OMGLearner.q_values,
    "learner.td_loss": OMGLearner.td_loss,
    "learner.step": OMGLearner.step,
}
"""The function behind each stage of a trace."""


@dataclass(frozen=True)
class Iteration:
    """One update: its trace, and what each stage returned. A trace read from a file has no values."""

    trace: ShapeTrace
    values: Mapping[str, TensorDictBase] = field(default_factory=dict)


def record(config: OMGConfig) -> Iteration:
    """Train a separate run for one update; keep what the last call of each stage returned.

    This keeps a sample and everything made from it in memory, so use small sizes.
    """
    kept: dict[str, TensorDictBase] = {}
    with Training(replace(config, updates=None), on_stage=kept.__setitem__) as run:
        next(iter(run))
        return Iteration(run.trace, kept)


@dataclass(frozen=True)
class Memory:
    """Where a stage's field is stored: in its own memory (`owner` None), or in that of an earlier stage.

    `whole` is True for the very same tensor, with the same shape; otherwise it is a view, another window on it.
    """

    owner: str | None = None
    whole: bool = False

    def __str__(self) -> str:
        if self.owner is None:
            return _("its own")
        return (
            _("the same tensor as in {owner}").format(owner=self.owner)
            if self.whole
            else _("a view of {owner}").format(owner=self.owner)
        )


def memory_of(values: Mapping[str, TensorDictBase], stage: str, key: str) -> Memory:
    """Return whose storage a field of a stage uses: its own, or that of the latest earlier stage that shares it."""
    x, before = values[stage][key], list(values)[: list(values).index(stage)]
    for name in reversed(before):
        for y in values[name].values():
            if _storage(x) == _storage(y):
                layouts = [(z.shape, z.stride(), z.storage_offset()) for z in (x, y)]
                return Memory(name, layouts[0] == layouts[1])
    return Memory()


def _storage(x: Tensor) -> tuple[str, int]:
    return str(x.device), x.untyped_storage().data_ptr()


@dataclass(frozen=True)
class Source:
    """A function's code without its docstring: its file, relative to the project, and (number, text) of each line."""

    file: str
    lines: tuple[tuple[int, str], ...]


def source_of(stage: str) -> Source:
    """Return the code that does the work of a stage."""
    function = inspect.unwrap(STAGES[stage])
    lines, first = inspect.getsourcelines(function)
    code = dedent("".join(lines))
    said = ast.parse(code).body[0].body[0]  # every stage has a docstring
    kept = [
        (first + number, line)
        for number, line in enumerate(code.splitlines())
        if not said.lineno <= number + 1 <= said.end_lineno
    ]
    home = Path(omg_lib.__file__).parents[1]
    return Source(Path(inspect.getsourcefile(function)).relative_to(home).as_posix(), tuple(kept))
