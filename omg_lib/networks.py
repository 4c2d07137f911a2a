"""The agents, what they read, and the loop over time that all recurrent networks here share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from omg_lib.envs import EnvInfo
from omg_lib.episodes import PackedRows, PaddedRows
from omg_lib.gru import branched_gru, fits, packed_gru


def unroll_gru(
    gru: nn.GRU, x: Float[Tensor, "P I"], rows: PackedRows, hidden: Float[Tensor, "N H"]
) -> Float[Tensor, "P H"]:
    """Run a GRU over packed rows, starting from `hidden`; return the hidden state after each step.

    The same mathematics in three forms. On a CPU it goes step by step over the rows that still have data, so tensors
    stay in the cache: with compiled gates if there are any, else with torch's. On a GPU it takes the padded sequences
    in one call, because a kernel launch costs more than its arithmetic.
    """
    if isinstance(rows, PaddedRows):
        return rows.from_whole(gru(rows.whole(x), hidden.unsqueeze(0))[0])
    if fits(x):
        return packed_gru(x, rows.counts, hidden, gru.all_weights[0])
    states = []
    for x_t in rows.steps(x):
        hidden = gru_step(gru, x_t, hidden[: len(x_t)])
        states.append(hidden)
    return torch.cat(states)


def gru_step(gru: nn.GRU, x: Float[Tensor, "N I"], hidden: Float[Tensor, "N H"]) -> Float[Tensor, "N H"]:
    """Run one step of a single-layer GRU."""
    if fits(x) and not torch.is_grad_enabled():
        return branched_gru(x.unsqueeze(1), hidden, gru.all_weights[0]).squeeze(1)
    return torch.gru_cell(x, hidden, *gru.all_weights[0])


class Agent(nn.Module):
    """A first layer that can also read a subgoal, a middle that subclasses make, and a last layer of action values.

    | symbol | shape | meaning |
    |---|---|---|
    | x | [N, I] | observation, own last action, seat (one-hot) |
    | g | [N, Z] | subgoal; absent if subgoal_dim is 0 |
    | hidden | [N, H] | what the last layer reads; the state of a recurrent middle |
    | q | [N, C] | value of each action |

    The first layer, W wide, is one matrix over [x, g], applied in two halves to let many subgoals share one x.
    """

    def __init__(
        self,
        input_dim: int,
        n_actions: int,
        hidden_dim: int = 64,
        subgoal_dim: int = 0,
        dueling: bool = False,
    ) -> None:
        super().__init__()
        self.input_dim, self.subgoal_dim, self.hidden_dim = input_dim, subgoal_dim, hidden_dim
        self.make_layers(input_dim + subgoal_dim)
        self.fc2 = nn.Linear(hidden_dim, n_actions)
        self.value = nn.Linear(hidden_dim, 1) if dueling else None

    fc1: nn.Linear

    def make_layers(self, inputs: int) -> None:
        """Create the first layer, `fc1`, and the middle."""
        raise NotImplementedError

    def step(self, read: Float[Tensor, "N W"], hidden: Float[Tensor, "N H"]) -> Float[Tensor, "N H"]:
        """Run one step from the first layer's output."""
        raise NotImplementedError

    def branch(self, read: Float[Tensor, "N K W"], hidden: Float[Tensor, "N H"]) -> Float[Tensor, "N K H"]:
        """Run `step` for K inputs per hidden state."""
        raise NotImplementedError

    def unroll(
        self, read: Float[Tensor, "P W"], rows: PackedRows, hidden: Float[Tensor, "N H"]
    ) -> Float[Tensor, "P H"]:
        """Return the hidden states of packed rows, starting from `hidden` at t = 0."""
        raise NotImplementedError

    def read(self, x: Float[Tensor, "*N I"], g: Float[Tensor, "*N Z"] | None = None) -> Float[Tensor, "*N W"]:
        """Return the first layer's output before its ReLU."""
        read = F.linear(x, self.fc1.weight[:, : self.input_dim], self.fc1.bias)
        return read if g is None else read + self.read_subgoal(g)

    def read_subgoal(self, g: Float[Tensor, "*N Z"]) -> Float[Tensor, "*N W"]:
        """Return the subgoal's share of the first layer's output before its ReLU."""
        return F.linear(g, self.fc1.weight[:, self.input_dim :])

    def q(self, hidden: Float[Tensor, "*N H"]) -> Float[Tensor, "*N C"]:
        """Return action values; with `dueling`, a state value plus centred advantages."""
        advantage = self.fc2(hidden)
        if self.value is None:
            return advantage
        return self.value(hidden) + advantage - advantage.mean(dim=-1, keepdim=True)


class RecurrentAgent(Agent):
    """Linear-ReLU, GRU, Linear: PyMARL's RNNAgent. W is H."""

    def make_layers(self, inputs: int) -> None:
        self.fc1 = nn.Linear(inputs, self.hidden_dim)
        self.rnn = nn.GRU(self.hidden_dim, self.hidden_dim)

    def step(self, read: Float[Tensor, "N H"], hidden: Float[Tensor, "N H"]) -> Float[Tensor, "N H"]:
        """Run one recurrent step from the first layer's output."""
        return gru_step(self.rnn, F.relu(read), hidden)

    def branch(self, read: Float[Tensor, "N K H"], hidden: Float[Tensor, "N H"]) -> Float[Tensor, "N K H"]:
        """Run `step` for K inputs per hidden state; the hidden state's share of the gates is computed once."""
        if fits(read) and not torch.is_grad_enabled():
            return branched_gru(F.relu(read), hidden, self.rnn.all_weights[0])
        w_in, w_hidden, b_in, b_hidden = self.rnn.all_weights[0]
        reset, update, new = F.linear(F.relu(read), w_in, b_in).chunk(3, dim=-1)
        reset_h, update_h, new_h = F.linear(hidden, w_hidden, b_hidden).unsqueeze(1).chunk(3, dim=-1)
        new = torch.tanh(new + torch.sigmoid(reset + reset_h) * new_h)
        return torch.lerp(new, hidden.unsqueeze(1).expand_as(new), torch.sigmoid(update + update_h))

    def unroll(
        self, read: Float[Tensor, "P H"], rows: PackedRows, hidden: Float[Tensor, "N H"]
    ) -> Float[Tensor, "P H"]:
        """Return the hidden states of packed rows, starting from `hidden` at t = 0."""
        return unroll_gru(self.rnn, F.relu(read), rows, hidden)


class FeedForwardAgent(Agent):
    """Linear-ReLU, Linear-ReLU, Linear, without memory: it ignores `hidden`. W is 2 H; H = 32 gives [64, 32]."""

    def make_layers(self, inputs: int) -> None:
        self.fc1 = nn.Linear(inputs, 2 * self.hidden_dim)
        self.middle = nn.Linear(2 * self.hidden_dim, self.hidden_dim)

    def step(self, read: Float[Tensor, "*N W"], hidden: Tensor) -> Float[Tensor, "*N H"]:
        return F.relu(self.middle(F.relu(read)))

    def branch(self, read: Float[Tensor, "N K W"], hidden: Float[Tensor, "N H"]) -> Float[Tensor, "N K H"]:
        return self.step(read, hidden)

    def unroll(
        self, read: Float[Tensor, "P W"], rows: PackedRows, hidden: Float[Tensor, "N H"]
    ) -> Float[Tensor, "P H"]:
        return self.step(read, hidden)


AGENTS: dict[str, type[Agent]] = {"rnn": RecurrentAgent, "mlp": FeedForwardAgent}
"""The agents by the setting `network`."""


def input_widths(info: EnvInfo, sees_actions: bool = False) -> list[int]:
    """Return the width of each part that an agent reads besides a subgoal: observation, own last action, seat and, if
    it sees them, its co-players' last actions. All but the observation are one-hot.
    """
    return [info.obs_dim, info.n_actions, info.n_agents, info.n_agents * info.n_actions * sees_actions]


def greedy(q: Float[Tensor, "*N C"], avail_actions: Bool[Tensor, "*N C"]) -> Int[Tensor, "*N"]:
    """Return the best available action."""
    return q.masked_fill(~avail_actions, -torch.inf).argmax(dim=-1)


def one_hot(index: Tensor, width: int) -> Float[Tensor, "*N width"]:
    """Return one-hot rows; an index of -1 (no action yet) gives zeros."""
    classes = torch.arange(width, device=index.device)
    return (index.unsqueeze(-1) == classes).to(torch.get_default_dtype())


def others_actions(last: Int[Tensor, "N A"], identity: Float[Tensor, "N A"], n_actions: int) -> Float[Tensor, "N AC"]:
    """Return the co-players' last actions, one-hot, with the seat's own block zero; all zeros at t = 0."""
    return rearrange(one_hot(last, n_actions) * (1 - identity).unsqueeze(-1), "n a c -> n (a c)")


def own_action(last: Int[Tensor, "N A"], identity: Float[Tensor, "N A"], n_actions: int) -> Float[Tensor, "N C"]:
    """Return the seat's own last action, one-hot; zeros at t = 0."""
    return (one_hot(last, n_actions) * identity.unsqueeze(-1)).sum(dim=1)
