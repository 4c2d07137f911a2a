"""The networks while they act: step by step, for the same few seats, in numpy.

One step of one seat is a dozen tiny operations, and torch takes several times as long as numpy to start each. The
modules' own `step` and `agent_input` are the reference: both give the same numbers up to rounding.

One-hot inputs are never multiplied: their share of a product is one row of the weight matrix. What stays the same
during an episode is computed once. An object keeps the weights from the moment it was created.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from omg_lib.gru import compiled_gates
from omg_lib.networks import Agent, FeedForwardAgent, RecurrentAgent
from omg_lib.subgoals import LOG_VAR_RANGE, SubgoalInference

Floats = np.ndarray
"""Float32 arrays [N, F]."""
SMALL = 1 << 17
"""numpy does a product of this many multiplications, on one thread, in half the time that torch takes to start."""


def greedy(q: Float[np.ndarray, "N C"], avail_actions: Bool[np.ndarray, "N C"]) -> Int[np.ndarray, " N"]:
    """Return the best available action, as `networks.greedy`."""
    return np.where(avail_actions, q, -np.inf).argmax(axis=-1)


def columns(weight: Tensor) -> Floats:
    """Return a weight [out, in] as [in, out], contiguous."""
    return np.ascontiguousarray(weight.detach().numpy().T)


def product(x: Floats, w: Floats) -> Floats:
    """Return x @ w. Above `SMALL` torch computes it: numpy's library would use more threads than this process may."""
    if len(x) * w.size <= SMALL:
        return x @ w
    return torch.mm(torch.from_numpy(x), torch.from_numpy(w)).numpy()


class PickedRows:
    """The share of the players' last actions, one-hot [N, A*C], in a product."""

    def __init__(self, rows: Floats, n_actions: int, own: Bool[np.ndarray, "N A"]) -> None:
        """`rows` [A*C, out]. Each seat's `own` block is skipped."""
        self.nothing = len(rows)  # no action yet, or the seat's own
        self.rows = np.concatenate([rows, np.zeros_like(rows[:1])])
        self.first = np.where(own, -n_actions - 1, np.arange(own.shape[1]) * n_actions)

    def __call__(self, last: Int[np.ndarray, "N A"]) -> Floats:
        place = self.first + last
        place[(last < 0) | (place < 0)] = self.nothing
        return self.rows.take(place, axis=0).sum(axis=1)


class Gates:
    """One step of a GRU. The caller computes the input's product [N, 3H] and adds `bias` [3H]."""

    def __init__(self, gru: nn.GRU) -> None:
        w_in, w_hidden, b_in, b_hidden = (w.detach().numpy().copy() for w in gru.all_weights[0])
        size = self.size = gru.hidden_size
        self.compiled = compiled_gates(gru.all_weights[0][0])
        for w in (w_in, w_hidden, b_in, b_hidden):
            if self.compiled is None:
                w[: 2 * size] *= 0.5  # sigmoid(x) is (1 + tanh(x / 2)) / 2, and tanh never overflows
        self.w_in, self.w_hidden = np.ascontiguousarray(w_in.T), np.ascontiguousarray(w_hidden.T)
        self.bias, self.new_bias = b_in, b_hidden[2 * size :]
        self.bias[: 2 * size] += b_hidden[: 2 * size]
        self.still = np.pad(self.new_bias, (3 * size, 0))  # what x does not hold yet

    def __call__(self, x: Floats, hidden: Floats) -> Floats:
        """`x` [N, 3H] is the input's share plus the bias; it is overwritten."""
        size = self.size
        h = product(hidden, self.w_hidden)
        if self.compiled is not None:
            after = np.empty_like(hidden)
            self.compiled.branch(x[:, None], h, self.still, hidden, after[:, None])
            return after
        both, new = x[:, : 2 * size], h[:, 2 * size :]
        both += h[:, : 2 * size]
        np.tanh(both, out=both)
        both += 1
        both *= 0.5
        new += self.new_bias
        new *= both[:, :size]
        new += x[:, 2 * size :]
        np.tanh(new, out=new)
        after = hidden - new
        after *= both[:, size:]
        after += new
        return after


class Layer:
    """The middle of a feed-forward agent, with the interface of `Gates`: it ignores `hidden`."""

    def __init__(self, layer: nn.Linear) -> None:
        self.w_in, self.bias = columns(layer.weight), layer.bias.detach().numpy()

    def __call__(self, x: Floats, hidden: Floats) -> Floats:
        """`x` [N, H] is the layer's output before its ReLU."""
        return np.maximum(x, 0)


class ActingAgent:
    """An `Agent` that acts in N seats. `step` takes all last actions as `others`, and skips the seat's own.

    | symbol | shape | meaning |
    |---|---|---|
    | obs | [N, O] | observation |
    | own | [N] | own last action; -1 where there is none yet |
    | others | [N, A] | everybody's last action; not read unless the agent sees its co-players' |
    | g | [N, Z] | subgoal; None where the agent reads none |
    | hidden | [N, H] | recurrent state |
    """

    def __init__(self, agent: Agent, widths: list[int], identity: Float[np.ndarray, "N A"]) -> None:
        """`widths` are those of `networks.input_widths`; `identity` is each row's own seat, one-hot."""
        obs, action, seat, others, goal = agent.fc1.weight.split([*widths, agent.subgoal_dim], dim=1)
        self.obs, self.goal = columns(obs), columns(goal)
        self.seat = product(identity, columns(seat)) + agent.fc1.bias.detach().numpy()
        self.action = np.pad(columns(action), ((0, 1), (0, 0)))  # the last row, index -1, is for no action yet
        self.others = PickedRows(columns(others), widths[1], identity > 0) if widths[3] else None
        assert isinstance(agent, RecurrentAgent | FeedForwardAgent)
        self.gates = Gates(agent.rnn) if isinstance(agent, RecurrentAgent) else Layer(agent.middle)
        heads = [agent.fc2.weight, agent.fc2.bias]
        if agent.value is not None:  # value plus centred advantages is linear too
            centred = [w - w.mean(dim=0, keepdim=True) for w in heads]
            heads = [w + v for w, v in zip(centred, (agent.value.weight, agent.value.bias), strict=True)]
        self.head, self.bias = columns(heads[0]), heads[1].detach().numpy()

    def step(
        self,
        obs: Float[np.ndarray, "N O"],
        own: Int[np.ndarray, " N"],
        others: Int[np.ndarray, "N A"],
        g: Float[np.ndarray, "N Z"] | None,
        hidden: Float[np.ndarray, "N H"],
    ) -> Float[np.ndarray, "N H"]:
        """Return the recurrent state after one more step."""
        read = product(obs, self.obs)
        read += self.seat
        read += self.action.take(own, axis=0, mode="wrap")
        if self.others is not None:
            read += self.others(others)
        if g is not None:
            read += product(g, self.goal)
        np.maximum(read, 0, out=read)
        x = product(read, self.gates.w_in)
        x += self.gates.bias
        return self.gates(x, hidden)

    def q(self, hidden: Float[np.ndarray, "N H"]) -> Float[np.ndarray, "N C"]:
        q = product(hidden, self.head)
        q += self.bias
        return q


class ActingInference:
    """A `SubgoalInference` that infers for N seats; it has the module's `step` and `agent_input`.

    | symbol | shape | meaning |
    |---|---|---|
    | obs, previous_obs | [N, O] | observation, and that of the step before; zeros at t = 0 |
    | last | [N, A] | everybody's last action; -1 at t = 0 |
    | own | [N] | own last action |
    | context | [N, K] | recurrent summary |
    """

    def __init__(self, model: SubgoalInference, identity: Float[np.ndarray, "N A"]) -> None:
        self.gates, self.noise_dim = Gates(model.rnn), model.noise_dim
        actions, players, obs_dim = model.n_actions, identity.shape[1], model.fc.in_features
        others = slice(obs_dim, obs_dim + players * actions)
        self.obs = self.gates.w_in[:obs_dim]
        self.others = PickedRows(self.gates.w_in[others], actions, identity > 0)
        self.action = np.pad(self.gates.w_in[others.stop :], ((0, 1), (0, 0)))
        self.features, self.features_bias = columns(model.fc.weight), model.fc.bias.detach().numpy()
        self.heads = np.concatenate([columns(model.mu.weight), columns(model.log_var.weight)], axis=1)
        self.heads_bias = np.concatenate([model.mu.bias.detach().numpy(), model.log_var.bias.detach().numpy()])

    def step(self, previous_obs: Floats, last: np.ndarray, own: np.ndarray, context: Floats) -> Floats:
        """Return the summary [N, K] after one more step."""
        x = product(previous_obs, self.obs)
        x += self.others(last)
        x += self.action.take(own, axis=0, mode="wrap")
        x += self.gates.bias
        return self.gates(x, context)

    def agent_input(self, obs: Floats, context: Floats, noise: Floats | None) -> Floats:
        """Return g^ [N, Z]: a reparametrised sample if there is noise, else the mean."""
        features = product(obs, self.features)
        features += self.features_bias
        np.maximum(features, 0, out=features)
        heads = product(np.concatenate([features, context], axis=1), self.heads)
        heads += self.heads_bias
        size = heads.shape[1] // 2
        mu = heads[:, :size]
        if noise is None or not self.noise_dim:
            return mu
        log_var = heads[:, size:]
        np.clip(log_var, *LOG_VAR_RANGE, out=log_var)
        log_var *= 0.5
        return mu + noise * np.exp(log_var, out=log_var)
