"""Naive OM and LIAM: IQL with a model of the co-players, trained on their real observations and actions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from tensordict import TensorDictBase
from torch import nn

from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.learners.q_learner import ModelOutput, QLearner, Steps
from omg_lib.regroup import co_players


class ModellingLearner(QLearner):
    """The model has its own Adam optimiser, like OMG's. The agent reads it detached: no TD gradient reaches it.

    Co-players' observations and actions come from the slot's own episode. Training the model needs them, acting does
    not. The model's `loss` returns what it minimises; see `opponents.OpponentModel`.
    """

    base = "liam"
    td_trains_model = False

    def __init__(
        self, config: OMGConfig, controller: Controller, device: torch.device, poll: Callable[[], None]
    ) -> None:
        super().__init__(config, controller, device, poll)
        self.model_optimiser = torch.optim.Adam(self.model.parameters(), config.omg_lr)

    def modules(self) -> dict[str, nn.Module]:
        return super().modules() | {"model": self.model}

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return super().optimisers() | {"model": self.model_optimiser}

    def ask_model(self, sample: TensorDictBase, batch: TensorDictBase, steps: Steps, t_env: int) -> ModelOutput:
        rows, seen = steps.rows, steps.seen
        context = self.model.unroll(seen, rows)
        self.poll()
        if "seat" in sample.keys():
            obs = rows.pack(co_players(sample, "obs"))
        else:
            obs = rows.pack_shared(sample["obs"])
        loss = self.model.loss(seen, context, obs, rows.following(steps.last), steps.real)
        return ModelOutput(self.model.agent_input(seen, context).detach(), loss, {"model_loss": loss})
