"""InverseGamma: x = rate / z, z ~ Gamma(a, 1); see `gamma` for the symbols."""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, exponential_rise
from ..numerics.elementary import finite, positive, tails_inside, two_product
from ..numerics.gamma_function import digamma, log_entropy
from . import gamma


def _at(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> gamma.Point:
    """Of z = rate / x; for x <= 0 those of a tiny x, and nothing beyond every quantile."""
    x = finite(xp, positive(xp, x))
    z = rate / x
    if xp.has_guard_digits:
        return gamma.tamed(xp, z, None, a)
    inside = z < float(xp.finfo(z).max)
    product, error = two_product(xp, xp.where(inside, z, 0.0), x)
    # what rounding the quotient has left
    rest = xp.where(inside, xp.stop_gradient(((rate - product) - error) / x), 0.0)
    return gamma.tamed(xp, z, xp.log(rate) - xp.log(x), a, rest)


def log_tails(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x))."""
    lower, upper = gamma.log_tails_at(xp, _at(xp, x, a, rate), a)
    return tails_inside(xp, x > 0.0, upper, lower)


def log_density(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    """log p(x); -inf up to 0."""
    density = gamma.log_density_at(xp, _at(xp, x, a, rate), a, positive(xp, x))
    return xp.where(x > 0.0, density, -math.inf)


def _score_x(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    excess = _at(xp, x, a, rate).excess
    return xp.where(x > 0.0, finite(xp, (excess - 1.0) / positive(xp, x)), 0.0)


def _score_a(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    at = _at(xp, x, a, rate)
    return xp.where(x > 0.0, -gamma.score_zero(xp, at.z, at.log_z, a, at.excess), 0.0)


def _score_rate(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    return xp.where(x > 0.0, -_at(xp, x, a, rate).excess / rate, 0.0)


def _slope_a(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    at = _at(xp, x, a, rate)
    return -x * gamma.dlogz_da_at(xp, at.z, at.log_z, a)


def _slope_rate(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    return x / rate


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, a: Array, rate: Array) -> Array:
    """log x"""
    return xp.log(rate) - gamma.log_quantile_to_refine(xp, one_minus_q, q, a)


def _refine(xp: Namespace[Array], log_x: Array, q: Array, one_minus_q: Array, a: Array, rate: Array) -> Array:
    z = gamma.refine_quantile(xp, xp.log(rate) - log_x, one_minus_q, q, a)
    return gamma.from_precise(xp, rate / z, log_x, z)


def _density_of_log(xp: Namespace[Array], log_x: Array, a: Array, rate: Array) -> Array:
    return gamma.log_density_of_log_z(xp, xp.log(rate) - log_x, a)


def dlogx_da(xp: Namespace[Array], log_x: Array, a: Array, rate: Array) -> Array:
    at = gamma.tamed_log(xp, xp.log(rate) - log_x, a)
    return -gamma.dlogz_da_at(xp, at.z, at.log_z, a)


def dlogx_drate(xp: Namespace[Array], log_x: Array, a: Array, rate: Array) -> Array:
    return 1.0 / rate


def shape(xp: Namespace[Array], a: Array, rate: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return exponential_rise(xp, a, rate / x, -v, xp.log(rate) - xp.log(x))

    return Shape(HALF_LINE, rise, rate / a)


def entropy(xp: Namespace[Array], a: Array, rate: Array) -> Array:
    """-E[log p(x)]: the entropy of log x, and the mean of the logarithm."""
    return log_entropy(xp, a) - digamma(xp, a) + xp.log(rate)


def mean(xp: Namespace[Array], a: Array, rate: Array) -> Array:
    """Infinite up to a = 1."""
    finite = a > 1.0
    return xp.where(finite, rate / (xp.where(finite, a, 2.0) - 1.0), math.inf)


def variance(xp: Namespace[Array], a: Array, rate: Array) -> Array:
    """Infinite up to a = 2."""
    finite = a > 2.0
    many = xp.where(finite, a, 3.0)
    ratio = rate / (many - 1.0)
    return xp.where(finite, ratio * ratio / (many - 2.0), math.inf)


FAMILY = Family(
    about="""
    Not a `TransformedDistribution` as the host's is, which other wrappers would take apart, past its draws.

    :param concentration: shape :math:`a > 0`; number or array, broadcast with `rate`.
    :param rate: :math:`b > 0`, the scale of x.
    """,
    parameters={"concentration": "positive", "rate": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_slope_a, _slope_rate),
    scores=(_score_x, _score_a, _score_rate),
    quantile=Quantile(_find, _density_of_log, (dlogx_da, dlogx_drate), "log", _refine),
    entropy=entropy,
    mean=mean,
    variance=variance,
    shape=shape,
    divergences={"InverseGamma": gamma.divergence},
)
