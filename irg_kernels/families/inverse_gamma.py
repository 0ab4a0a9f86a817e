"""InverseGamma: x = rate / z, z ~ Gamma(a, 1); see `gamma` for the symbols."""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, exponential_rise
from ..numerics.elementary import positive
from ..numerics.gamma_function import digamma, log_entropy
from . import gamma


def _at(xp: Namespace, x: Array, rate: Array) -> tuple[Array, Array]:
    """(z, log z); for x <= 0 those of a tiny x, and nothing beyond every quantile."""
    x = positive(xp, x)
    return gamma.tamed(xp, rate / x, xp.log(rate) - xp.log(x))


def log_tails(xp: Namespace, x: Array, a: Array, rate: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x))."""
    lower, upper = gamma.log_tails_at(xp, *_at(xp, x, rate), a)
    return xp.where(x > 0.0, upper, -math.inf), xp.where(x > 0.0, lower, 0.0)


def log_density(xp: Namespace, x: Array, a: Array, rate: Array) -> Array:
    """log p(x); -inf up to 0."""
    density = gamma.log_front(xp, *_at(xp, x, rate), a) + xp.log(a) - xp.log(positive(xp, x))
    return xp.where(x > 0.0, density, -math.inf)


def _slope_a(xp: Namespace, x: Array, a: Array, rate: Array) -> Array:
    return -x * gamma.dlogz_da_at(xp, *_at(xp, x, rate), a)


def _slope_rate(xp: Namespace, x: Array, a: Array, rate: Array) -> Array:
    return x / rate


def _find(xp: Namespace, q: Array, one_minus_q: Array, a: Array, rate: Array) -> Array:
    """log x"""
    return xp.log(rate) - gamma.log_quantile(xp, one_minus_q, q, a)


def _refine(xp: Namespace, log_x: Array, q: Array, one_minus_q: Array, a: Array, rate: Array) -> Array:
    z = gamma.refine_quantile(xp, xp.log(rate) - log_x, one_minus_q, q, a)
    return gamma.from_precise(xp, rate / z, log_x, z)


def _density_of_log(xp: Namespace, log_x: Array, a: Array, rate: Array) -> Array:
    return gamma.log_density_of_log_z(xp, xp.log(rate) - log_x, a)


def dlogx_da(xp: Namespace, log_x: Array, a: Array, rate: Array) -> Array:
    return -gamma.dlogz_da_at(xp, *gamma.tamed_log(xp, xp.log(rate) - log_x), a)


def dlogx_drate(xp: Namespace, log_x: Array, a: Array, rate: Array) -> Array:
    return 1.0 / rate


def shape(xp: Namespace, a: Array, rate: Array) -> Shape:
    return Shape(HALF_LINE, lambda x, v: exponential_rise(xp, a, rate / x, -v), rate / a)


def entropy(xp: Namespace, a: Array, rate: Array) -> Array:
    """-E[log p(x)]: the entropy of log x, and the mean of the logarithm."""
    return log_entropy(xp, a) - digamma(xp, a) + xp.log(rate)


def mean(xp: Namespace, a: Array, rate: Array) -> Array:
    """Infinite up to a = 1."""
    finite = a > 1.0
    return xp.where(finite, rate / (xp.where(finite, a, 2.0) - 1.0), math.inf)


def variance(xp: Namespace, a: Array, rate: Array) -> Array:
    """Infinite up to a = 2."""
    finite = a > 2.0
    many = xp.where(finite, a, 3.0)
    ratio = rate / (many - 1.0)
    return xp.where(finite, ratio * ratio / (many - 2.0), math.inf)


FAMILY = Family(
    parameters={"concentration": "positive", "rate": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_slope_a, _slope_rate),
    quantile=Quantile(_find, _density_of_log, (dlogx_da, dlogx_drate), "log", _refine),
    entropy=entropy,
    mean=mean,
    variance=variance,
    shape=shape,
    divergences={"InverseGamma": gamma.divergence},
)
