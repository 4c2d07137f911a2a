"""VDN and QMIX: all seats learn together from the team's reward, through the mixed value of their actions."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from tensordict import TensorDictBase
from torch import Tensor, nn

from omg_lib.config import OMGConfig
from omg_lib.controller import Controller
from omg_lib.episodes import rows_of
from omg_lib.learners.mixers import make_mixer
from omg_lib.learners.q_learner import QLearner, Steps
from omg_lib.seeds import Stream, torch_generator


@dataclass(frozen=True, kw_only=True)
class TeamSteps(Steps):
    """`Steps` of whole teams: the A seats of one episode and step are adjacent, P = M * A.

    | field | shape | meaning |
    |---|---|---|
    | state | [M, S] | of that step |
    | next_state | [M, S] | of the next step; zero at an episode's last |
    """

    state: Float[Tensor, "M S"]
    next_state: Float[Tensor, "M S"]


class MixingLearner(QLearner):
    """Q-learning of the team's value: the mixer that `config.learner` names combines the seats' values.

    Each seat chooses its own bootstrap action (double Q), and the target mixer values them together. One optimiser
    holds the agent and the mixer, so their gradients are clipped as one vector.
    """

    base = "vdn"

    def __init__(
        self, config: OMGConfig, controller: Controller, device: torch.device, poll: Callable[[], None]
    ) -> None:
        super().__init__(config, controller, device, poll)
        with torch.random.fork_rng(devices=[]):
            # the controller draws its networks from number 0 of this stream
            torch.manual_seed(torch_generator(config.seed, Stream.WEIGHTS, 1).initial_seed())
            self.mixer = make_mixer(config.base, config.n_agents, controller.info.state_dim).to(device)
        self.target_mixer = copy.deepcopy(self.mixer).requires_grad_(False)
        self.optimiser.add_param_group({"params": list(self.mixer.parameters())})

    def modules(self) -> dict[str, nn.Module]:
        return super().modules() | {"mixer": self.mixer, "target_mixer": self.target_mixer}

    def read(self, batch: TensorDictBase) -> TeamSteps:
        """Pack a batch in which all seats learn, with each step's state once for all its seats.

        Seats of one episode have equal length and packing sorts stably, so packing whole episodes gives the same
        order.
        """
        episodes = rows_of(batch["filled"])
        state = episodes.pack(rearrange(batch["state"], "g t s -> g t 1 s"))
        return TeamSteps(**vars(super().read(batch)), state=state, next_state=episodes.following(state))

    def joint(  # type: ignore[override]  # its own `read` makes the steps
        self, q: Float[Tensor, " P"], steps: TeamSteps, target: bool = False
    ) -> Float[Tensor, " P"]:
        """Return the mixed value, repeated for each seat of the team: its mean over seats is the mean over steps."""
        agents = steps.rows.shape[2]
        mixer, state = (self.target_mixer, steps.next_state) if target else (self.mixer, steps.state)
        return repeat(mixer(rearrange(q, "(m a) -> m a", a=agents), state), "m -> (m a)", a=agents)

    def copy_to_target(self) -> None:
        super().copy_to_target()
        self.target_mixer.load_state_dict(self.mixer.state_dict())
