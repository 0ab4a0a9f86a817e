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
from ..numerics.elementary import positive
from ..numerics.roots import log_survival

EULER = 0.5772156649015329


def _log_e(xp: Namespace, x: Array, scale: Array, k: Array) -> Array:
    return k * (xp.log(positive(xp, x)) - xp.log(scale))


def log_density(xp: Namespace, x: Array, scale: Array, k: Array) -> Array:
    log_e = _log_e(xp, x, scale, k)
    inside = xp.log(k) + log_e - xp.exp(log_e) - xp.log(positive(xp, x))
    # at the end itself: 1 / scale for k = 1, else nothing or everything
    end = xp.where(k > 1.0, -math.inf, xp.where(k < 1.0, math.inf, -xp.log(scale)))
    return xp.where(x > 0.0, inside, xp.where(x < 0.0, -math.inf, end))


def log_tails(xp: Namespace, x: Array, scale: Array, k: Array) -> tuple[Array, Array]:
    log_e = _log_e(xp, x, scale, k)
    # log(1 - exp(-e)) is log e where e is nothing beside 1
    far = log_e < -60.0
    e = xp.exp(xp.where(far, 0.0, log_e))
    lower = xp.where(far, log_e, xp.log(-xp.expm1(-e)))
    return xp.where(x > 0.0, lower, -math.inf), xp.where(x > 0.0, -xp.exp(log_e), 0.0)


def _by_scale(xp: Namespace, x: Array, scale: Array, k: Array) -> Array:
    return x / scale


def _by_k(xp: Namespace, x: Array, scale: Array, k: Array) -> Array:
    return -x * ((xp.log(positive(xp, x)) - xp.log(scale)) / k)


def quantile(xp: Namespace, q: Array, one_minus_q: Array, scale: Array, k: Array) -> Array:
    return xp.log(scale) + xp.log(-log_survival(xp, q, one_minus_q)) / k


def _density_of_log(xp: Namespace, y: Array, scale: Array, k: Array) -> Array:
    log_e = k * (y - xp.log(scale))
    return xp.log(k) + log_e - xp.exp(log_e)


_LOG_SLOPES = (lambda xp, y, scale, k: 1.0 / scale, lambda xp, y, scale, k: (xp.log(scale) - y) / k)


def entropy(xp: Namespace, scale: Array, k: Array) -> Array:
    return EULER * (1.0 - 1.0 / k) + xp.log(scale) - xp.log(k) + 1.0


def shape(xp: Namespace, scale: Array, k: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return exponential_rise(xp, 1.0 + 0.0 * x, xp.exp(k * log_ratio(xp, scale, x)), k * v)

    return Shape(HALF_LINE, rise, scale)


FAMILY = Family(
    parameters={"scale": "positive", "concentration": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_scale, _by_k),
    tails_are_closed=True,
    quantile=Quantile(quantile, _density_of_log, _LOG_SLOPES, "log"),
    entropy=entropy,
    shape=shape,
)
