"""Any univariate law: the logarithms of both tails in closed form, and draws held at their quantile.

    symbol   meaning
    y        standardised value, (x - loc) / scale
    F, S     P(X <= x) and P(X > x)

Each function of y below gives (log F, log S), both finite far out in either tail.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..generic.family import log1mexp
from ..namespace import Array, Namespace


def normal(xp: Namespace, y: Array) -> tuple[Array, Array]:
    return xp.log_ndtr(y), xp.log_ndtr(-y)


def half_normal(xp: Namespace, y: Array) -> tuple[Array, Array]:
    return xp.log(xp.erf(math.sqrt(0.5) * y)), math.log(2.0) + xp.log_ndtr(-y)


def laplace(xp: Namespace, y: Array) -> tuple[Array, Array]:
    outside = -xp.abs(y) - math.log(2.0)
    inside = log1mexp(xp, outside)
    return xp.where(y < 0.0, outside, inside), xp.where(y < 0.0, inside, outside)


def cauchy(xp: Namespace, y: Array) -> tuple[Array, Array]:
    # the angle beyond y, which has all its digits where it is small
    one = 1.0 + 0.0 * y
    return xp.log(xp.arctan2(one, -y)) - math.log(math.pi), xp.log(xp.arctan2(one, y)) - math.log(math.pi)


def half_cauchy(xp: Namespace, y: Array) -> tuple[Array, Array]:
    one, log_unit = 1.0 + 0.0 * y, math.log(2.0 / math.pi)
    return xp.log(xp.arctan2(y, one)) + log_unit, xp.log(xp.arctan2(one, y)) + log_unit


def exponential(xp: Namespace, y: Array) -> tuple[Array, Array]:
    return xp.log(-xp.expm1(-y)), -y


def logistic(xp: Namespace, y: Array) -> tuple[Array, Array]:
    return -xp.softplus(-y), -xp.softplus(y)


def gumbel(xp: Namespace, y: Array) -> tuple[Array, Array]:
    log_lower = -xp.exp(-y)
    return log_lower, log1mexp(xp, log_lower)


def uniform(xp: Namespace, x: Array, low: Array, high: Array) -> tuple[Array, Array]:
    width = xp.log(high - low)
    return xp.log(x - low) - width, xp.log(high - x) - width


def at_fixed_quantile(
    xp: Namespace, log_tails: Callable, log_density: Callable, x: Array, log_masses: tuple[Array, Array] | None = None
) -> Array:
    """x, unchanged in value, that moves with the law's parameters so as to keep its quantile u.

    With u moving too, dx = (du - dF in theta) / p(x) (Figurnov, Mohamed, Mnih 2018, eq. 5).  Newton steps on the
    smaller log-tail from x to x: none changes the value, and each doubles the order to which the derivatives are right,
    so that two serve up to the third.

    :param log_tails: x -> (log F, log S), and `log_density` x -> log p, differentiable in x and in the parameters that
        they close over.
    :param x: inside the support; its own history is cut.
    :param log_masses: (log u, log(1 - u)) where the quantile moves; only their derivatives count.
    """
    x = xp.stop_gradient(x)
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
        moving = moving - sign * (log_tail - target) * xp.exp(log_tail - log_density(moving))
    return x + (moving - xp.stop_gradient(moving))  # a compiler may round the two steps' tails differently
