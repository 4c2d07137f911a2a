"""The gates of a GRU as loops for numba: one pass over a step's rows, with everything in place.

`gru` makes the products and explains the arrays. Importing this module imports numba.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

f4, i4 = np.float32, np.int32
ONE, TWO, HALF = f4(1), f4(2), f4(0.5)
# exp(x) = 2^k exp(r): k by rounding, r in two parts so that no digit is lost, exp(r) as a polynomial (Cephes' expf).
LIMIT, LOG2_E, ROUND = f4(87), f4(1.44269504), f4(12582912)
LN2_HIGH, LN2_LOW = f4(0.693359375), f4(-2.12194440e-4)
P0, P1, P2 = f4(1.9875691500e-4), f4(1.3981999507e-3), f4(8.3334519073e-3)
P3, P4, P5 = f4(4.1665795894e-2), f4(1.6666665459e-1), f4(5.0000001201e-1)


@intrinsic
def as_float(context: Any, bits: Any) -> Any:
    """The float32 with the bits of an int32."""

    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


def inner(function: Any) -> Any:
    return numba.njit(function, inline="always", error_model="numpy", fastmath={"contract"})


def compiled(function: Any) -> Any:
    """Compile at the first call, or read what an earlier process compiled."""
    return numba.njit(function, cache=True, error_model="numpy", fastmath={"contract"})


@inner
def exp(x):
    """exp of a float32, to 2 units in the last place; outside of +-87 that of 87. NaN stays NaN."""
    x = -LIMIT if x < -LIMIT else x
    x = LIMIT if x > LIMIT else x
    k = x * LOG2_E + ROUND  # adding and taking away 1.5 * 2^23 rounds to a whole number
    k = k - ROUND
    r = x - k * LN2_HIGH
    r = r - k * LN2_LOW
    y = P0 * r + P1
    y = y * r + P2
    y = y * r + P3
    y = y * r + P4
    y = y * r + P5
    y = y * (r * r) + r + ONE
    return y * as_float((i4(k) + i4(127)) << i4(23))


@compiled
def forward(gates, bias, before, after):
    """Turn the four products of a step, [n, 4H], into r, z, n and n's share of the state; write the new state [n, H].

    With r, z = sigmoid and n = tanh(its input + r * its share of the state), the state becomes n + z (before - n).
    """
    h = before.shape[1]
    b_new, b_share = bias[2 * h : 3 * h], bias[3 * h :]
    for i in range(before.shape[0]):
        g, old, state = gates[i], before[i], after[i]
        r, z, new, share, r_and_z = g[:h], g[h : 2 * h], g[2 * h : 3 * h], g[3 * h :], g[: 2 * h]
        for j in range(2 * h):
            r_and_z[j] = ONE / (ONE + exp(-(r_and_z[j] + bias[j])))
        for j in range(h):
            share[j] += b_share[j]
        for j in range(h):
            new[j] = ONE - TWO / (ONE + exp(TWO * (new[j] + b_new[j] + r[j] * share[j])))
        for j in range(h):
            state[j] = new[j] + z[j] * (old[j] - new[j])


@compiled
def branch(gates, shared, bias, before, after):
    """Write the states after K inputs for each earlier state, [n, K, H], from the inputs' three products [n, K, 3H] and
    those of the state, `shared` [n, 3H].
    """
    h = before.shape[1]
    b_new, b_share = bias[2 * h : 3 * h], bias[3 * h :]
    for i in range(before.shape[0]):
        old, s_rz, s_new = before[i], shared[i, : 2 * h], shared[i, 2 * h :]
        for j in range(2 * h):
            s_rz[j] += bias[j]
        for j in range(h):
            s_new[j] += b_share[j]
        for k in range(gates.shape[1]):
            rz, new, state = gates[i, k, : 2 * h], gates[i, k, 2 * h :], after[i, k]
            r, z = rz[:h], rz[h:]
            for j in range(2 * h):
                rz[j] = ONE / (ONE + exp(-(rz[j] + s_rz[j])))
            for j in range(h):
                n = ONE - TWO / (ONE + exp(TWO * (new[j] + b_new[j] + r[j] * s_new[j])))
                state[j] = n + z[j] * (old[j] - n)


@compiled
def backward(gates, before, d_after, d_state, d_gates):
    """Write the gradients of a step's four products into `d_gates` [n, 4H], from what `forward` left in `gates`.

    `d_state` [n, H] holds the gradient from later steps, `d_after` what the loss adds at this one; `d_state` becomes
    the share that reaches the earlier state directly.
    """
    h = before.shape[1]
    for i in range(before.shape[0]):
        g, d_g, old, d, more = gates[i], d_gates[i], before[i], d_state[i], d_after[i]
        r, z, new, share = g[:h], g[h : 2 * h], g[2 * h : 3 * h], g[3 * h :]
        d_r, d_z, d_new, d_share = d_g[:h], d_g[h : 2 * h], d_g[2 * h : 3 * h], d_g[3 * h :]
        for j in range(h):
            whole = d[j] + more[j]
            d[j] = whole * z[j]
            d_z[j] = whole * (old[j] - new[j]) * z[j] * (ONE - z[j])
            inside = whole * (ONE - z[j]) * (ONE - new[j] * new[j])
            d_new[j] = inside
            d_share[j] = inside * r[j]
            d_r[j] = inside * share[j] * r[j] * (ONE - r[j])
