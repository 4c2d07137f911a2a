"""The panel of TD targets without Jupyter: a batch, one of its rows, and the choices behind the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jaxtyping import Float
from tensordict import TensorDictBase
from torch import Tensor

from omg_lib.config import ConfigError
from omg_lib.learners.q_learner import QLearner
from omg_lib.lessons.td_target import Choices, td_targets
from omg_lib.plots.targets import target_svg
from omg_lib.words import _


class TargetModel:
    """TD targets of a regrouped batch: `choose(row=, mask=, double_q=, target_network=, td_steps=, ...)`.

    `row` is g * A + a, one of the rows of the network's batch. State: `row`, `rows` (their number), `choices`,
    `targets`, `usual` (the loss with default choices), `status` (one sentence), `picture` (SVG). An invalid value sets
    `status` and changes nothing else.
    """

    def __init__(self, learner: QLearner, batch: TensorDictBase, goal: Float[Tensor, "G T A Z"] | None = None) -> None:
        self.learner, self.batch, self.goal = learner, batch, goal
        self.rows, self.row = batch["obs"].shape[0] * batch["obs"].shape[2], 0
        config = learner.config
        self.choices = Choices(td_steps=config.td_steps, bootstrap_subgoal=config.bootstrap_subgoal)
        self.targets = td_targets(learner, batch, self.choices, goal)
        self.usual = self.targets.loss
        self._listeners: list[Callable[[], None]] = []
        self.choose()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change."""
        self._listeners.append(listener)

    def choose(self, row: int | None = None, **changes: object) -> None:
        row, choices = self.row if row is None else row, replace(self.choices, **changes)
        try:
            if row not in range(self.rows):
                raise ConfigError("row", row, _("allowed is 0 to {rows}").format(rows=self.rows - 1))
            if choices != self.choices:
                self.targets = td_targets(self.learner, self.batch, choices, self.goal)
        except ConfigError as error:
            self.status = str(error)
        else:
            self.row, self.choices = row, choices
            group, slot = divmod(row, self.batch["obs"].shape[2])
            self.picture = target_svg(self.targets, group, slot, choices.mask)
            self.status = self._said(group, slot)
        for listener in self._listeners:
            listener()

    def _said(self, group: int, slot: int) -> str:
        counted = self.targets.real.sum() if self.choices.mask else self.targets.real.numel()
        said = _("Row {row} is group {group}, slot {slot}. Loss of all {rows} rows: {loss:.4f}").format(
            row=self.row, group=group, slot=slot, rows=self.rows, loss=self.targets.loss
        )
        return _("{said}, the mean of {counted:,} squared errors; the learner's own: {usual:.4f}.").format(
            said=said, counted=counted, usual=self.usual
        )
