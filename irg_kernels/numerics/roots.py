"""Quantiles by Newton's method on the logarithm of a tail: the iteration, its starts and its masses."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..namespace import Array, Namespace


def normal_quantile(xp: Namespace[Array], log_tail: Array) -> Array:
    """u >= 0 with P(U > u) = exp(log_tail) <= 1/2 for a standard normal U, to 3e-3 (Abramowitz & Stegun 26.2.22)."""
    u = xp.sqrt(-2.0 * log_tail)
    return u - (2.30753 + 0.27061 * u) / (1.0 + u * (0.99229 + 0.04481 * u))


def logarithm(xp: Namespace[Array], q: Array) -> Array:
    """log q of a mass that may be 0 in its dtype."""
    return xp.log(xp.maximum(q, float(xp.finfo(q).tiny)))


def log_survival(xp: Namespace[Array], q: Array, one_minus_q: Array) -> Array:
    """log(1 - q), from the smaller of the two masses."""
    lower = q < one_minus_q
    return xp.where(lower, xp.log1p(-xp.where(lower, q, 0.0)), logarithm(xp, one_minus_q))


# Newton's method on a log-tail doubles its digits: one step after an error of sqrt(eps) there are no more to gain.
# Gamma takes 4 at most over a in 1e-6..1e8 and quantiles 1e-300..1 - 1e-16; the limit is there to end what is NaN.
MAX_STEPS = 30


def newton(
    xp: Namespace[Array],
    residual: Callable[[Array], tuple[Array, Array]],
    start: Array,
    low: Array | float,
    high: Array | float,
) -> Array:
    """The root of a function of x by Newton's method in [low, high]; `residual(x)` gives its value and the step."""
    tolerance = math.sqrt(float(xp.finfo(start).eps))

    def step(state: tuple[Array, Array]) -> tuple[Array, Array]:
        x, _ = state
        error, change = residual(x)
        return xp.minimum(xp.maximum(x + change, low), high), xp.abs(error)

    def done(state: tuple[Array, Array]) -> Array:
        return ~(state[1] > tolerance)  # NaN is done

    start = xp.minimum(xp.maximum(start, low), high)
    return xp.converge(step, (start, xp.abs(start) * 0.0 + 1.0), done, MAX_STEPS)[0]
