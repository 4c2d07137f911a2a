"""A GRU over packed rows on a CPU, and its gradient, with gates that numba compiled: about 1.5 times as fast as torch.

`torch.gru_cell`, step by step, is the reference; it runs wherever nothing is compiled, and in double precision. Both
round differently in the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import handle_torch_function, has_torch_function

from omg_lib.system import compiling

BLOCK = 256
"""Rows of a branch that are computed together."""


def fits(x: Float[Tensor, "*N I"]) -> bool:
    """Return whether the compiled gates can compute with this tensor."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and compiling.loadable()


def compiled_gates(x: Float[Tensor, "*N I"]) -> ModuleType | None:
    """Return `omg_lib.gates` if it fits. It is imported here, because that imports numba."""
    return import_module("omg_lib.gates") if fits(x) else None


def packed_gru(
    x: Float[Tensor, "P I"], counts: Sequence[int], hidden: Float[Tensor, "N H"], weights: Sequence[Tensor]
) -> Float[Tensor, "P H"]:
    """Return the state after each step. Step t has the first counts[t] of the N rows; `weights` are those of a nn.GRU
    with one layer.
    """
    assert counts[0] == len(hidden)
    if has_torch_function((x, hidden)):  # whoever follows torch's functions sees this one as a whole
        return handle_torch_function(packed_gru, (x, hidden), x, counts, hidden, weights)
    return _PackedGRU.apply(x, hidden, *weights, counts)


def branched_gru(
    x: Float[Tensor, "N K I"], hidden: Float[Tensor, "N H"], weights: Sequence[Tensor]
) -> Float[Tensor, "N K H"]:
    """Return the states after one step with each of K inputs, without gradient, in blocks that fit the cache."""
    if has_torch_function((x, hidden)):
        return handle_torch_function(branched_gru, (x, hidden), x, hidden, weights)
    from omg_lib import gates as compiled

    n, k, h = *x.shape[:2], hidden.shape[1]
    w_in, w_state, b_in, b_state = (w.detach() for w in weights)
    bias, from_input, from_state = _bias(b_in, b_state), w_in.t().contiguous(), w_state.t().contiguous()
    x, hidden, after = x.detach(), hidden.detach(), x.new_empty(n, k, h)
    for first in range(0, n, BLOCK):
        part = slice(first, first + BLOCK)
        products = (x[part].flatten(0, 1) @ from_input).unflatten(0, (-1, k))
        shared = hidden[part] @ from_state
        compiled.branch(products.numpy(), shared.numpy(), bias, hidden[part].numpy(), after[part].numpy())
    return after


def _bias(b_in: Float[Tensor, " three_H"], b_state: Float[Tensor, " three_H"]) -> Any:
    """Return what is added to the four products, as an array [4H]."""
    h = len(b_in) // 3
    return torch.cat([b_in[: 2 * h] + b_state[: 2 * h], b_in[2 * h :], b_state[2 * h :]]).numpy()


class _PackedGRU(torch.autograd.Function):
    """The four products of a step are r's, z's, and those that n takes from the input and from the state.

    All states lie in one tensor: first `hidden`, then each step's; a step reads the prefix of the one before.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "P I"],
        hidden: Float[Tensor, "N H"],
        w_in: Float[Tensor, "3*H I"],
        w_state: Float[Tensor, "3*H H"],
        b_in: Float[Tensor, " 3*H"],
        b_state: Float[Tensor, " 3*H"],
        counts: Sequence[int],
    ) -> Float[Tensor, "P H"]:
        from omg_lib import gates as compiled

        rows, h = hidden.shape
        kept = any(ctx.needs_input_grad)  # else every step reuses the same place, which stays in the cache
        states, gates = x.new_empty(rows + len(x), h), x.new_empty(len(x) if kept else rows, 4 * h)
        states[:rows] = hidden
        bias = _bias(b_in, b_state)
        from_input, to_rz, to_n = (w.t().contiguous() for w in (w_in, w_state[: 2 * h], w_state[2 * h :]))
        all_gates, all_states = gates.numpy(), states.numpy()
        before = start = 0
        for n in counts:
            end, at = start + n, start if kept else 0
            old, g = states[before : before + n], gates[at : at + n]
            torch.mm(x[start:end], from_input, out=g[:, : 3 * h])
            g[:, : 2 * h].addmm_(old, to_rz)
            torch.mm(old, to_n, out=g[:, 3 * h :])
            into = all_states[rows + start : rows + end]
            compiled.forward(all_gates[at : at + n], bias, all_states[before : before + n], into)
            before, start = rows + start, end
        if kept:
            ctx.save_for_backward(x, w_in, w_state, states, gates)
            ctx.counts = counts
        return states[rows:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_states: Float[Tensor, "P H"]) -> tuple[Tensor | None, ...]:
        from omg_lib import gates as compiled

        x, w_in, w_state, states, gates = ctx.saved_tensors
        counts, h = ctx.counts, w_state.shape[1]
        rows, end = counts[0], len(x)
        d_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        d_hidden, d_bias = x.new_zeros(rows, h), x.new_zeros(4 * h)
        d_in, d_state = torch.zeros_like(w_in), torch.zeros_like(w_state)
        to_rz, to_n = w_state[: 2 * h], w_state[2 * h :]
        gradients = x.new_empty(rows, 4 * h)  # of one step's products
        all_gates, all_states, all_d = gates.numpy(), states.numpy(), d_states.contiguous().numpy()
        for t in reversed(range(len(counts))):
            n = counts[t]
            start, before = end - n, rows + end - n - counts[t - 1] if t else 0
            old, g, d = states[before : before + n], gradients[:n], d_hidden[:n]
            into = (d.numpy(), g.numpy())
            compiled.backward(all_gates[start:end], all_states[before : before + n], all_d[start:end], *into)
            d.addmm_(g[:, : 2 * h], to_rz).addmm_(g[:, 3 * h :], to_n)
            if d_x is not None:
                torch.mm(g[:, : 3 * h], w_in, out=d_x[start:end])
            d_in.addmm_(g[:, : 3 * h].t(), x[start:end])
            d_state[: 2 * h].addmm_(g[:, : 2 * h].t(), old)
            d_state[2 * h :].addmm_(g[:, 3 * h :].t(), old)
            d_bias += g.sum(dim=0)
            end = start
        d_b_state = torch.cat([d_bias[: 2 * h], d_bias[3 * h :]])
        return d_x, d_hidden, d_in, d_state, d_bias[: 3 * h], d_b_state, None
