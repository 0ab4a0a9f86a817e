"""The gradient of a mixture of diagonal normal distributions, in few operations; symbols as in `mixture`.

The axes are (dimension d, component k, draw n), so that a sum over components is a sum of rows, which is what an eager
library does fastest.  With c_d = log w_k + sum_{e<d} log f_ke, softmax(c_d) over the components is r_d, that of c_{d+1}
is pi_d, and the difference of the logarithms of their sums is log p_d.  Tails are computed themselves, not their
logarithms; where p_d is too small for that, below `LEAST_LOG_P`, `mixture` serves.
"""

from __future__ import annotations

import math

from ..namespace import Array, Namespace

LEAST_LOG_P = -500.0
"""beside exp(-500) a tail that underflows, in float64, is nothing"""


def pull(
    xp: Namespace[Array], cotangent: Array, x: Array, loc: Array, scale: Array, logits: Array
) -> tuple[tuple[Array, Array, Array], Array]:
    """((cotangents of loc, scale and logits), the least log p_d of each draw), for a draw x that moves with these
    parameters so that all S_d keep their values.

    :param cotangent: of x, both of shape (D, N).
    :param loc: (D, K, N), and `scale`; (D, K, 1) where all draws share it.
    :param logits: (K, N) or (K, 1): log w_k but for a constant.
    :returns: cotangents of shape (D, K, N), (D, K, N) and (K, N), to be summed where draws share a parameter; and an
        array of shape (N,), to be compared with `LEAST_LOG_P`.
    """
    y = (x[:, None] - loc) / scale
    log_f = (-0.5 * y) * y - (xp.log(scale) + 0.5 * math.log(2.0 * math.pi))
    levels = [logits + 0.0 * log_f[0]]
    for each in log_f:
        levels.append(levels[-1] + each)
    r, log_sums = _softmax(xp, xp.stack(levels))
    log_p = log_sums[1:] - log_sums[:-1]
    posterior, shift = r[1:], _shift(xp, y, r[:-1], log_p)
    by_scale = y / scale
    densities, draws = _back(xp, cotangent, posterior, shift, by_scale)
    weights = densities[-1]
    f, z = xp.stack(densities[-2::-1]), xp.stack(draws[::-1])
    of_loc = xp.addcmul(z, f, by_scale)
    return (of_loc, xp.addcmul(of_loc * y, f, 1.0 / scale, -1.0), weights), -xp.max(-log_p[:, 0], axis=0)


def _softmax(xp: Namespace[Array], levels: Array) -> tuple[Array, Array]:
    """(softmax, logarithm of the sum), over the components."""
    top = xp.max(levels, axis=1, keepdims=True)
    each = xp.exp(levels - top)
    total = xp.sum(each, axis=1, keepdims=True)
    return each / total, top + xp.log(total)


def _shift(xp: Namespace[Array], y: Array, r: Array, log_p: Array) -> Array:
    """h_kd = r_kd (F_kd - S_d) / p_d, from the smaller of the two tails."""
    outside = 0.5 * xp.erfc(math.sqrt(0.5) * xp.abs(y))
    inside, negative = 1.0 - outside, y < 0.0
    lower, upper = xp.where(negative, outside, inside), xp.where(negative, inside, outside)
    is_lower = xp.sum(r * lower, axis=1, keepdims=True) < 0.5
    tail = r * xp.where(is_lower, lower, upper)
    unit = (2.0 * xp.indicator(is_lower, like=log_p) - 1.0) * xp.exp(-log_p)
    return xp.addcmul(tail, r, xp.sum(tail, axis=1, keepdims=True), -1.0) * unit


def _back(
    xp: Namespace[Array], cotangent: Array, posterior: Array, shift: Array, by_scale: Array
) -> tuple[list[Array], list[Array]]:
    """`mixture.pullback`, the last dimension first; its cotangent of the weights comes last."""
    a = 0.0 * posterior[0]
    densities, draws = [a], []
    for c, pi, h, slope in zip(*([*of][::-1] for of in (cotangent, posterior, shift, by_scale)), strict=True):
        dx = c - xp.sum(a * slope, axis=0)
        draws.append(dx * pi)
        a = xp.addcmul(a, dx, h, -1.0)
        densities.append(a)
    return densities, draws
