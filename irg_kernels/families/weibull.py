"""Weibull: x = scale e**(1/k), e an exponential number, in closed form.

symbol   meaning
k        concentration
e        (x / scale)**k = -log P(X > x)
"""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, exponential_rise, log_ratio
from ..numerics.elementary import (
    finite,
    finite_exp,
    log1mexp,
    log_quotient,
    log_split,
    positive,
    tails_inside,
    two_product,
)
from ..numerics.quadrature import is_double
from ..numerics.roots import log_survival
from .generalized_extreme_value import log_gamma_ratio, log_gamma_second

EULER = 0.5772156649015329


def log_power(xp: Namespace[Array], x: Array, scale: Array, k: Array) -> tuple[Array, Array | float]:
    """(log e, what its rounding has left): one of log e is e of the density."""
    x = positive(xp, x)
    plain = log_ratio(xp, scale, x)
    if xp.has_guard_digits:
        return k * plain, 0.0
    ratio = x / scale
    product, error = two_product(xp, ratio, scale)
    log_x, rest = log_split(xp, xp.where(ratio < float(xp.finfo(x).max), positive(xp, ratio), 1.0))
    precise = (log_x - plain) + (rest + ((x - product) - error) / x)
    log_e, e = two_product(xp, k, plain)
    # beyond the range of e, where it is held, the rest may be larger than 1, and would turn its sign round
    most = 1e140 if is_double(xp, x) else 1e20
    inside = (ratio > 1.0 / most) & (ratio < most) & (log_e < math.log(float(xp.finfo(x).max)))
    return log_e, xp.where(inside, xp.stop_gradient(e + k * precise), 0.0)


def log_density(xp: Namespace[Array], x: Array, scale: Array, k: Array) -> Array:
    log_e, rest = log_power(xp, x, scale, k)
    e = finite_exp(xp, log_e)
    inside = log_quotient(xp, k, positive(xp, x)) + log_e - e + (1.0 - e) * rest
    # at the end itself: 1 / scale for k = 1, else nothing or everything
    end = xp.where(k > 1.0, -math.inf, xp.where(k < 1.0, math.inf, -xp.log(scale)))
    return xp.where(x > 0.0, inside, xp.where(x < 0.0, -math.inf, end))


def _less(xp: Namespace[Array], x: Array, scale: Array, k: Array) -> tuple[Array, Array, Array]:
    """(log e, e, 1 - e), the last 0 outside the support."""
    log_e, rest = log_power(xp, x, scale, k)
    e = finite_exp(xp, log_e)
    e = finite(xp, e + e * rest)
    return log_e, e, xp.where(x >= 0.0, finite(xp, -xp.expm1(log_e)) - e * rest, 0.0)


def _score_x(xp: Namespace[Array], x: Array, scale: Array, k: Array) -> Array:
    _, e, less = _less(xp, x, scale, k)
    few = k < 2.0  # where k - 1 is exact, and may be all that counts
    lean = xp.where(few, (k - 1.0) - k * xp.where(few, e, 0.0), k * less - 1.0)
    return xp.where(x >= 0.0, finite(xp, lean / positive(xp, x)), 0.0)


def _score_scale(xp: Namespace[Array], x: Array, scale: Array, k: Array) -> Array:
    return -finite(xp, k * _less(xp, x, scale, k)[2] / scale)


def _score_k(xp: Namespace[Array], x: Array, scale: Array, k: Array) -> Array:
    log_e, _, less = _less(xp, x, scale, k)
    return finite(xp, (xp.indicator(x >= 0.0, like=x) + log_e * less) / k)


def log_tails(xp: Namespace[Array], x: Array, scale: Array, k: Array) -> tuple[Array, Array]:
    log_e, rest = log_power(xp, x, scale, k)
    log_e = log_e + rest
    # log(1 - exp(-e)) is log e where e is nothing beside 1
    far = log_e < -60.0
    lower = xp.where(far, log_e, log1mexp(xp, -finite_exp(xp, xp.where(far, 0.0, log_e))))
    return tails_inside(xp, x > 0.0, lower, -finite_exp(xp, log_e))


def _by_scale(xp: Namespace[Array], x: Array, scale: Array, k: Array) -> Array:
    return x / scale


def _by_k(xp: Namespace[Array], x: Array, scale: Array, k: Array) -> Array:
    return -x * (log_ratio(xp, scale, positive(xp, x)) / k)


def quantile(xp: Namespace[Array], q: Array, one_minus_q: Array, scale: Array, k: Array) -> Array:
    return xp.log(scale) + xp.log(-log_survival(xp, q, one_minus_q)) / k


def _density_of_log(xp: Namespace[Array], y: Array, scale: Array, k: Array) -> Array:
    log_e = k * (y - xp.log(scale))
    return xp.log(k) + log_e - xp.exp(log_e)


_LOG_SLOPES = (lambda xp, y, scale, k: 1.0 / scale, lambda xp, y, scale, k: (xp.log(scale) - y) / k)


def entropy(xp: Namespace[Array], scale: Array, k: Array) -> Array:
    return EULER * (1.0 - 1.0 / k) + xp.log(scale) - xp.log(k) + 1.0


def shape(xp: Namespace[Array], scale: Array, k: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        log_b = k * log_ratio(xp, scale, x)
        return exponential_rise(xp, 1.0 + 0.0 * x, xp.exp(log_b), k * v, log_b)

    return Shape(HALF_LINE, rise, scale)


def _mean(xp: Namespace[Array], scale: Array, k: Array) -> Array:
    """scale Gamma(1 + 1 / k)"""
    return scale * xp.exp(-log_gamma_ratio(xp, -1.0 / k) / k)


def _variance(xp: Namespace[Array], scale: Array, k: Array) -> Array:
    """scale**2 (Gamma(1 + 2 / k) - Gamma(1 + 1 / k)**2)"""
    mean = _mean(xp, scale, k)
    return mean * (mean * xp.expm1(log_gamma_second(xp, -1.0 / k) / k / k))


FAMILY = Family(
    about=r"""
    Density :math:`(k / x) \, e \exp(-e)` with :math:`e = (x / s)^k`, for x > 0.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param scale: :math:`s > 0`; number or array, broadcast with the others.
    :param concentration: :math:`k > 0`.
    """,
    parameters={"scale": "positive", "concentration": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_scale, _by_k),
    scores=(_score_x, _score_scale, _score_k),
    tails_are_closed=True,
    quantile=Quantile(quantile, _density_of_log, _LOG_SLOPES, "log"),
    entropy=entropy,
    shape=shape,
    mean=_mean,
    variance=_variance,
)
