"""Draws of any univariate distribution that stay at their quantile: values unchanged, derivatives implicit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..namespace import Array, Namespace

FAR = 1e15
"""from where on a draw is counted in its own size; below, slopes are in range, and logarithms of units would round"""


def unit_of(xp: Namespace[Array], x: Array) -> Array:
    """|x| far out in a heavy tail, else 1; constant.

    There dx/dtheta may overflow, where the product with the incoming gradient does not: slopes in this unit are in
    range, and the gradient meets the unit first.
    """
    size = xp.abs(xp.stop_gradient(x))
    return xp.where(size > FAR, size, 1.0)


def at_fixed_quantile(
    xp: Namespace[Array],
    log_tails: Callable,
    log_density: Callable,
    x: Array,
    log_masses: tuple[Array, Array] | None = None,
) -> Array:
    """x, unchanged in value, that moves with the distribution's parameters so as to keep its quantile u.

    With u moving too, dx = (du - dF in theta) / p(x) (Figurnov, Mohamed, Mnih 2018, eq. 5).  Newton steps on the
    smaller log-tail from x to x: none changes the value, and each doubles the order to which the derivatives are right,
    so that two serve up to the third.

    :param log_tails: x -> (log F, log S), and `log_density` x -> log p, differentiable in x and in the parameters that
        they close over.
    :param x: inside the support; its own history is cut.
    :param log_masses: (log u, log(1 - u)) where the quantile moves; only their derivatives count.
    """
    x = xp.stop_gradient(x)
    unit = unit_of(xp, x)
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
        moving = moving - unit * (sign * (log_tail - target) * xp.exp(log_tail - log_density(moving) - xp.log(unit)))
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
