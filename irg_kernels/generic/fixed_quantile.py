"""Draws of any univariate distribution that stay at their quantile: values unchanged, derivatives implicit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..namespace import Array, Finfo, Namespace

FAR = 1e15
"""from where on a draw is counted in its own size; below, slopes are in range, and logarithms of units would round"""


def unit_of(xp: Namespace[Array], x: Array) -> Array:
    """|x| far out in a heavy tail, else 1; constant.

    There dx/dtheta may overflow, where the product with the incoming gradient does not: slopes in this unit are in
    range, and the gradient meets the unit first.
    """
    size = xp.abs(xp.stop_gradient(x))
    return xp.where(size > FAR, size, 1.0)


def step_of(xp: Namespace[Array], log_step: Array, x: Array, limits: Finfo) -> Array:
    """exp(log_step), mass over density, in the unit of x: how far x goes for a change of its log-tail.

    It is held in range, for no draw is seen where so little density is, but one held at the end of the range of its
    dtype: its own place, beyond, is not known, and it stands still.
    """
    most, tiny, size = 0.8 * math.log(float(limits.max)), float(limits.tiny), xp.abs(xp.stop_gradient(x))
    at_end = (size < 2.0 * tiny) | (size > 0.125 / tiny)
    lost = at_end & (log_step - xp.log(xp.maximum(size, tiny)) > most)
    return xp.where(lost, 0.0, xp.exp(xp.minimum(log_step - xp.log(unit_of(xp, x)), most)))


def at_fixed_quantile(
    xp: Namespace[Array],
    log_tails: Callable,
    log_density: Callable,
    x: Array,
    log_masses: tuple[Array, Array] | None = None,
    limits: Finfo | None = None,
) -> Array:
    """x, unchanged in value, that moves with the distribution's parameters so as to keep its quantile u.

    With u moving too, dx = (du - dF in theta) / p(x) (Figurnov, Mohamed, Mnih 2018, eq. 5).  Newton steps on the
    smaller log-tail from x to x: none changes the value, and each doubles the order to which the derivatives are right,
    so that two serve up to the third.

    :param log_tails: x -> (log F, log S), and `log_density` x -> log p, differentiable in x and in the parameters that
        they close over.
    :param x: inside the support; its own history is cut.
    :param log_masses: (log u, log(1 - u)) where the quantile moves; only their derivatives count.
    :param limits: of the dtype that the draw was made in; else of x's.
    """
    x = xp.stop_gradient(x)
    unit, limits = unit_of(xp, x), limits or xp.finfo(x)
    lower, upper = log_tails(x)
    is_lower = lower < upper
    sign = 2.0 * xp.indicator(is_lower, like=x) - 1.0
    target = xp.stop_gradient(xp.where(is_lower, lower, upper))
    if log_masses is not None:
        goal = xp.where(is_lower, *log_masses)
        target = target + (goal - xp.stop_gradient(goal))
    moving = x
    for k in range(2):
        if k:
            lower, upper = log_tails(moving)
        log_tail = xp.where(is_lower, lower, upper)
        step = step_of(xp, log_tail - log_density(moving), x, limits)
        moving = moving - unit * (sign * (log_tail - target) * step)
    return x + (moving - xp.stop_gradient(moving))  # a compiler may round the two steps' tails differently


def remembered(function: Callable) -> Callable:
    """The function of one array, which of the very same array is computed once: log-tails and density of a mixture are
    asked for by turns, and share nearly all."""
    last: list[Any] = [None, None]

    def of(x: Array) -> Any:
        if last[0] is not x:
            last[:] = x, function(x)
        return last[1]

    return of
