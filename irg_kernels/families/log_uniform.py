"""LogUniform: log x is uniform between log low and log high.

symbol   meaning
u, v     log(x / low) and log(high / x)
r        log(high / low) = u + v
"""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, log_ratio
from ..numerics.elementary import horner


def _shares(xp: Namespace[Array], x: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
    """(u, v, r), at the ends where x lies beyond them."""
    x = xp.minimum(xp.maximum(x, low), high)
    return log_ratio(xp, low, x), log_ratio(xp, x, high), log_ratio(xp, low, high)


def log_density(xp: Namespace[Array], x: Array, low: Array, high: Array) -> Array:
    inside = (x >= low) & (x <= high)
    return xp.where(inside, -xp.log(xp.where(inside, x, low)) - xp.log(log_ratio(xp, low, high)), -math.inf)


def log_tails(xp: Namespace[Array], x: Array, low: Array, high: Array) -> tuple[Array, Array]:
    u, v, r = _shares(xp, x, low, high)
    return xp.log(u) - xp.log(r), xp.log(v) - xp.log(r)


def _by_low(xp: Namespace[Array], x: Array, low: Array, high: Array) -> Array:
    _, v, r = _shares(xp, x, low, high)
    return x / low * (v / r)


def _by_high(xp: Namespace[Array], x: Array, low: Array, high: Array) -> Array:
    u, _, r = _shares(xp, x, low, high)
    return x / high * (u / r)


def find(xp: Namespace[Array], q: Array, one_minus_q: Array, low: Array, high: Array) -> Array:
    """From the nearer end, for high / low may be out of range."""
    r, lower = log_ratio(xp, low, high), q < one_minus_q
    x = xp.where(lower, low, high) * xp.exp(xp.where(lower, q, -one_minus_q) * r)
    return xp.minimum(xp.maximum(x, low), high)


def masses(xp: Namespace[Array], x: Array, low: Array, high: Array) -> Array:
    """(P(X <= x), P(X > x)), stacked: of a draw that moves, the weights of log high and log low."""
    u, v, r = _shares(xp, x, low, high)
    return xp.stack([u / r, v / r])


def _variance(xp: Namespace[Array], low: Array, high: Array) -> Array:
    """E[x]**2 (w coth w - 1), w = r / 2, by the power series of coth (DLMF 4.33.5) in narrow intervals."""
    w = 0.5 * log_ratio(xp, low, high)
    near = w < 0.5
    square, far = xp.where(near, w * w, 0.0), xp.where(near, 1.0, w)
    # the first omitted term is 1e-8 in float32 for so many, and 1e-16 in float64
    series = square * horner(square, [1 / 3, -1 / 45, 2 / 945, -1 / 4725, 2 / 93555, -1382 / 638512875, 4 / 18243225])
    bend = xp.where(near, series, far * (1.0 + 2.0 / xp.expm1(2.0 * far)) - 1.0)
    mean = _mean(xp, low, high)
    return mean * mean * bend


def _mean(xp: Namespace[Array], low: Array, high: Array) -> Array:
    return (high - low) / log_ratio(xp, low, high)


def _entropy(xp: Namespace[Array], low: Array, high: Array) -> Array:
    return 0.5 * (xp.log(low) + xp.log(high)) + xp.log(log_ratio(xp, low, high))


def shape(xp: Namespace[Array], low: Array, high: Array) -> Shape:
    return Shape(HALF_LINE, lambda x, v: 0.0 * (x + v), xp.sqrt(low) * xp.sqrt(high), ends=(low, high))


FAMILY = Family(
    about=r"""
    Density :math:`1 / (x \log(b / a))` for :math:`a \le x \le b`.

    :param low: :math:`a > 0`; number or array, broadcast with the others.
    :param high: :math:`b > a`.
    """,
    parameters={"low": "positive", "high": "positive"},
    order=("low", "high"),
    support=(lambda xp, low, high: low, lambda xp, low, high: high),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_low, _by_high),
    tails_are_closed=True,
    quantile=Quantile(find, log_density, (_by_low, _by_high)),
    entropy=_entropy,
    mean=_mean,
    variance=_variance,
    shape=shape,
)
