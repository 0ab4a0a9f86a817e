"""Distribution functions and quantiles from a tail's mass, and their derivatives.

The mass of a tail is p(z) times the integral of p(t)/p(z) over it, the integral of `quadrature` with 1 in place of the
score.  A family gives, as a `Law`, the logarithms of both tails, of which the smaller is the one integrated, and how
its values move at fixed quantile.  With F(z(q, theta); theta) = q,

    dF/dz = p,    dF/dtheta = -p dz/dtheta,    dz/dq = 1/p                (Figurnov, Mohamed, Mnih 2018, eq. 4-6)

so that no integral is differentiated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from ..namespace import Array, Namespace


class Law(NamedTuple):
    """A univariate family: functions of (xp, x, *params), `slopes` a tuple of them."""

    log_tails: Callable
    """(log P(X <= x), log P(X > x)), values only"""
    log_density: Callable
    """log p(x)"""
    slopes: tuple[Callable, ...]
    """dx / d params[i] at fixed quantile"""


class Function(NamedTuple):
    """A function with known partial derivatives: `value(xp, *args)` and `partials[i](xp, result, *args)`."""

    value: Callable
    partials: tuple[Callable | None, ...]


@cache
def cdf(law: Law) -> Function:
    """P(X <= x) of (x, *params)."""

    def value(xp: Namespace, *args: Array) -> Array:
        return xp.exp(law.log_tails(xp, *args)[0])

    def by_x(xp: Namespace, result: Array, *args: Array) -> Array:
        return xp.exp(law.log_density(xp, *args))

    return Function(value, (by_x, *(_moved(by_x, slope) for slope in law.slopes)))


@cache
def log_cdf(law: Law) -> Function:
    """log P(X <= x) of (x, *params)."""
    return _log_tail(law, 0, 1.0)


@cache
def log_sf(law: Law) -> Function:
    """log P(X > x) of (x, *params)."""
    return _log_tail(law, 1, -1.0)


def _log_tail(law: Law, which: int, sign: float) -> Function:
    def value(xp: Namespace, *args: Array) -> Array:
        return law.log_tails(xp, *args)[which]

    def by_x(xp: Namespace, result: Array, *args: Array) -> Array:
        return sign * xp.exp(law.log_density(xp, *args) - result)

    return Function(value, (by_x, *(_moved(by_x, slope) for slope in law.slopes)))


def _moved(by_x: Callable, slope: Callable) -> Callable:
    def partial(xp: Namespace, result: Array, *args: Array) -> Array:
        return -by_x(xp, result, *args) * slope(xp, *args)

    return partial


@cache
def icdf(value: Callable, log_density: Callable, slopes: tuple[Callable, ...]) -> Function:
    """The x with P(X <= x) = q, of (q, 1 - q, *params), 0 < q < 1; `value` finds it, the others are those of a `Law`.

    Of the two masses the smaller one has the digits.  Its derivative is one in q, none in 1 - q.
    """

    def by_q(xp: Namespace, result: Array, q: Array, rest: Array, *params: Array) -> Array:
        return xp.exp(-log_density(xp, result, *params))

    def at_quantile(slope: Callable) -> Callable:
        return lambda xp, result, q, rest, *params: slope(xp, result, *params)

    return Function(value, (by_q, None, *map(at_quantile, slopes)))


def both(xp: Namespace, log_direct: Array, is_lower: Array) -> tuple[Array, Array]:
    """(log lower, log upper) from the logarithm of the one of them that was integrated."""
    other = log1mexp(xp, log_direct)
    return xp.where(is_lower, log_direct, other), xp.where(is_lower, other, log_direct)


def log1mexp(xp: Namespace, log_p: Array) -> Array:
    """log(1 - exp(log_p)), log_p <= 0."""
    log_p = xp.minimum(log_p, 0.0)
    near = log_p > -math.log(2.0)
    much, little = xp.where(near, log_p, -1.0), xp.where(near, -1.0, log_p)
    return xp.where(near, xp.log(-xp.expm1(much)), xp.log1p(-xp.exp(little)))


def normal_quantile(xp: Namespace, log_tail: Array) -> Array:
    """u >= 0 with P(U > u) = exp(log_tail) <= 1/2 for a standard normal U, to 3e-3 (Abramowitz & Stegun 26.2.22)."""
    u = xp.sqrt(-2.0 * log_tail)
    return u - (2.30753 + 0.27061 * u) / (1.0 + u * (0.99229 + 0.04481 * u))


def logarithm(xp: Namespace, q: Array) -> Array:
    """log q of a mass that may be 0 in its dtype."""
    return xp.log(xp.maximum(q, float(xp.finfo(q).tiny)))


# Newton's method on a log-tail doubles its digits: one step after an error of sqrt(eps) there are no more to gain.
# Gamma takes 4 at most over a in 1e-6..1e8 and quantiles 1e-300..1 - 1e-16; the limit is there to end what is NaN.
MAX_STEPS = 30


def newton(
    xp: Namespace, residual: Callable[[Array], tuple[Array, Array]], start: Array, low: Array, high: Array
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
