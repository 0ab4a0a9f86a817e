"""Quantiles at a given tail's mass, and normal scores, in the logarithm of the smaller tail."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..families import normal
from ..namespace import Array, Namespace
from .fixed_quantile import at_fixed_quantile

# After a quantile good to the rounding of u, Newton's method on a log-tail needs 2 or 3 steps; from u rounded to 1 in
# float32, where the tail is 6e-8, to 1e-30, 10.
MAX_STEPS = 20


def refine_quantile(
    xp: Namespace[Array],
    log_tails: Callable,
    log_density: Callable,
    start: Array,
    low: Array,
    high: Array,
    log_masses: tuple,
) -> Array:
    """x with the given log-masses of its tails by Newton's method on the smaller one; values only.

    :param start: inside (low, high), which a step goes halfway to at most.
    """
    is_lower = log_masses[0] < log_masses[1]
    goal = xp.where(is_lower, *log_masses)
    enough = math.sqrt(float(xp.finfo(start).eps))

    def step(state: tuple) -> tuple:
        x, _ = state
        log_tail = xp.where(is_lower, *log_tails(x))
        error = xp.where(is_lower, goal - log_tail, log_tail - goal)
        new = x + error * xp.exp(log_tail - log_density(x))
        new = xp.where(new > low, new, 0.5 * (x + xp.maximum(low, x - 1e3 - xp.abs(x))))
        new = xp.where(new < high, new, 0.5 * (x + xp.minimum(high, x + 1e3 + xp.abs(x))))
        return new, xp.abs(error)

    init = (start, 1.0 + 0.0 * start)
    return xp.converge(step, init, lambda state: ~(state[1] > enough), MAX_STEPS)[0]


def normal_score(xp: Namespace[Array], log_lower: Array, log_upper: Array) -> Array:
    """z with log Phi(z) = log_lower and log Phi(-z) = log_upper, differentiable in the smaller of them."""
    is_lower = log_lower < log_upper
    smaller = xp.minimum(xp.stop_gradient(xp.where(is_lower, log_lower, log_upper)), -math.log(2.0))

    u = normal.upper_quantile(xp, smaller)
    z = xp.stop_gradient(xp.where(is_lower, -u, u))
    return at_fixed_quantile(
        xp, lambda z: normal.log_tails(xp, z), lambda z: normal.log_density(xp, z), z, (log_lower, log_upper)
    )
