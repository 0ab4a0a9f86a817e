"""Quantiles by Newton's method on the logarithm of a tail: the iteration, its starts and its masses."""

from __future__ import annotations

from collections.abc import Callable

from ..namespace import Array, Namespace


def normal_quantile(xp: Namespace[Array], log_tail: Array) -> Array:
    """u >= 0 with P(U > u) = exp(log_tail) <= 1/2 for a standard normal U, to 5e-4 (Abramowitz & Stegun 26.2.23)."""
    u = xp.sqrt(-2.0 * log_tail)
    below = 1.0 + u * (1.432788 + u * (0.189269 + 0.001308 * u))
    return u - (2.515517 + u * (0.802853 + 0.010328 * u)) / below


def logarithm(xp: Namespace[Array], q: Array) -> Array:
    """log q of a mass that may be 0 in its dtype."""
    return xp.log(xp.maximum(q, float(xp.finfo(q).tiny)))


def log_survival(xp: Namespace[Array], q: Array, one_minus_q: Array) -> Array:
    """log(1 - q), from the smaller of the two masses."""
    lower = q < one_minus_q
    return xp.where(lower, xp.log1p(-xp.where(lower, q, 0.0)), logarithm(xp, one_minus_q))


def smaller_mass(xp: Namespace[Array], q: Array, one_minus_q: Array) -> tuple[Array, Array]:
    """(whether the lower of the two masses is the smaller, its logarithm)"""
    is_lower = q < one_minus_q
    return is_lower, logarithm(xp, xp.where(is_lower, q, one_minus_q))


# Newton's method on a log-tail doubles its digits: one step after an error of sqrt(eps) there are no more to gain.
# Halley's method triples them.  Gamma takes 3 at most over a in 1e-6..1e8 and quantiles 1e-300..1 - 1e-16; the limit is
# there to end what is NaN.
MAX_STEPS = 30


def halley(xp: Namespace[Array], step: Array, bend: Array) -> Array:
    """Newton's step made Halley's, whose error is of third order, where it is small enough; `bend` is f''/f'."""
    turn = 0.5 * step * bend
    return step / (1.0 + xp.where(xp.abs(turn) < 0.5, turn, 0.0))


def newton(
    xp: Namespace[Array],
    residual: Callable[[Array], tuple[Array, Array]],
    start: Array,
    low: Array | float,
    high: Array | float,
    order: int = 2,
) -> Array:
    """The root of a function of x by Newton's method in [low, high]; `residual(x)` gives its value and the step.

    :param order: of the step: 2 of Newton's, 3 of Halley's.
    """
    tolerance = (1.0 if order == 2 else 0.5) * float(xp.finfo(start).eps) ** (1.0 / order)
    rounding = 4.0 * float(xp.finfo(start).eps)

    def step(state: tuple[Array, Array]) -> tuple[Array, Array]:
        x, _ = state
        error, change = residual(x)
        found = xp.minimum(xp.maximum(x + change, low), high)
        stays = xp.abs(found - x) <= rounding * xp.abs(x)  # a tail of few digits has no smaller error
        return found, xp.where(stays, 0.0, xp.abs(error))

    def done(state: tuple[Array, Array]) -> Array:
        return ~(state[1] > tolerance)  # NaN is done

    start = xp.minimum(xp.maximum(start, low), high)
    return xp.converge(step, (start, xp.abs(start) * 0.0 + 1.0), done, MAX_STEPS)[0]


def newton_on_tail(
    xp: Namespace[Array],
    log_tails: Callable,
    log_density: Callable,
    is_lower: Array,
    log_mass: Array,
    start: Array,
    most: float,
    *params: Array,
) -> Array:
    """The x, |x| <= most, whose lower tail, where `is_lower`, else whose upper one is exp(log_mass); values only.

    The logarithms of a log-concave density's tails are concave: from a start farther out than the root every step falls
    short of it.

    :param log_tails: as a `Family` has it, of (xp, x, *params), and so `log_density`.
    """

    def residual(x: Array) -> tuple[Array, Array]:
        lower, upper = log_tails(xp, x, *params)
        tail = xp.where(is_lower, lower, upper)
        error, slope = log_mass - tail, xp.exp(log_density(xp, x, *params) - tail)
        return error, error / xp.where(is_lower, slope, -slope)

    return newton(xp, residual, start, -most, most)
