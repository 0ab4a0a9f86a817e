"""GeneralizedGamma: x = scale z**(1 / p), z ~ Gamma(a, 1)      (Stacy 1962); see `gamma` for the symbols."""

from __future__ import annotations

import math

from ..generic.family import Draw, Family, Noise, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, exponential_rise
from ..numerics.elementary import finite, positive, tails_inside
from ..numerics.gamma_function import digamma, log_entropy, log_gamma_bend, stirling
from . import gamma
from .weibull import log_power


def _at(xp: Namespace[Array], x: Array, a: Array, scale: Array, p: Array) -> gamma.Point:
    """Of z = (x / scale)**p."""
    log_z, rest = log_power(xp, finite(xp, x), scale, p)
    z = finite(xp, xp.exp(log_z))
    return gamma.tamed(xp, finite(xp, z + z * rest), log_z + rest, a)


def log_density(xp: Namespace[Array], x: Array, a: Array, scale: Array, p: Array) -> Array:
    inside = gamma.log_density_at(xp, _at(xp, x, a, scale, p), a, positive(xp, x)) + xp.log(p)
    return xp.where(x > 0.0, inside, -math.inf)


def _score_x(xp: Namespace[Array], x: Array, a: Array, scale: Array, p: Array) -> Array:
    lean = -p * _at(xp, x, a, scale, p).excess - 1.0
    return xp.where(x > 0.0, finite(xp, lean / positive(xp, x)), 0.0)


def _score_a(xp: Namespace[Array], x: Array, a: Array, scale: Array, p: Array) -> Array:
    at = _at(xp, x, a, scale, p)
    return xp.where(x > 0.0, -gamma.score_zero(xp, at.z, at.log_z, a, at.excess), 0.0)


def _score_scale(xp: Namespace[Array], x: Array, a: Array, scale: Array, p: Array) -> Array:
    return xp.where(x > 0.0, finite(xp, p * _at(xp, x, a, scale, p).excess / scale), 0.0)


def _score_p(xp: Namespace[Array], x: Array, a: Array, scale: Array, p: Array) -> Array:
    at = _at(xp, x, a, scale, p)
    return xp.where(x > 0.0, finite(xp, (1.0 - at.log_z * at.excess) / p), 0.0)


def log_tails(xp: Namespace[Array], x: Array, a: Array, scale: Array, p: Array) -> tuple[Array, Array]:
    lower, upper = gamma.log_tails_at(xp, _at(xp, x, a, scale, p), a)
    return tails_inside(xp, x > 0.0, lower, upper)


def _by_a(xp: Namespace[Array], x: Array, a: Array, scale: Array, p: Array) -> Array:
    at = _at(xp, x, a, scale, p)
    return x * (gamma.dlogz_da_at(xp, at.z, at.log_z, a) / p)


def _by_scale(xp: Namespace[Array], x: Array, a: Array, scale: Array, p: Array) -> Array:
    return x / scale


def _by_p(xp: Namespace[Array], x: Array, a: Array, scale: Array, p: Array) -> Array:
    return -x * (log_power(xp, finite(xp, x), scale, 1.0 + 0.0 * p)[0] / p)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, a: Array, scale: Array, p: Array) -> Array:
    """log x"""
    return xp.log(scale) + gamma.log_quantile(xp, q, one_minus_q, a) / p


def _log_z(xp: Namespace[Array], log_x: Array, scale: Array, p: Array) -> Array:
    return p * (log_x - xp.log(scale))


def _density_of_log(xp: Namespace[Array], log_x: Array, a: Array, scale: Array, p: Array) -> Array:
    return gamma.log_density_of_log_z(xp, _log_z(xp, log_x, scale, p), a) + xp.log(p)


def _draw(xp: Namespace[Array], log_z: Array, a: Array, scale: Array, p: Array) -> Array:
    return xp.log(scale) + log_z / p


def dlogx_da(xp: Namespace[Array], log_x: Array, a: Array, scale: Array, p: Array) -> Array:
    at = gamma.tamed_log(xp, _log_z(xp, log_x, scale, p), a)
    return gamma.dlogz_da_at(xp, at.z, at.log_z, a) / p


def dlogx_dscale(xp: Namespace[Array], log_x: Array, a: Array, scale: Array, p: Array) -> Array:
    return 1.0 / scale


def dlogx_dp(xp: Namespace[Array], log_x: Array, a: Array, scale: Array, p: Array) -> Array:
    return (xp.log(scale) - log_x) / p


def entropy(xp: Namespace[Array], a: Array, scale: Array, p: Array) -> Array:
    """That of log z, log p less, and the mean of log x."""
    return log_entropy(xp, a) - xp.log(p) + xp.log(scale) + digamma(xp, a) / p


def _mean(xp: Namespace[Array], a: Array, scale: Array, p: Array) -> Array:
    """scale Gamma(a + r) / Gamma(a), r = 1 / p, by Stirling's formula in differences."""
    r = 1.0 / p
    step = (a - 0.5) * xp.log1p(r / a) + r * (xp.log(a + r) - 1.0)
    return scale * xp.exp(step + (stirling(xp, a + r) - stirling(xp, a)))


def shape(xp: Namespace[Array], a: Array, scale: Array, p: Array) -> Shape:
    """In log x, a p y - z exp(p v)."""

    def rise(x: Array, v: Array) -> Array:
        log_z = log_power(xp, x, scale, p)[0]
        return exponential_rise(xp, a, finite(xp, xp.exp(log_z)), p * v, log_z)

    return Shape(HALF_LINE, rise, lambda x: xp.log(a) / p + xp.log(scale) - xp.log(x))


def _variance(xp: Namespace[Array], a: Array, scale: Array, p: Array) -> Array:
    """scale**2 (Gamma(a + 2 r) / Gamma(a) - (Gamma(a + r) / Gamma(a))**2), r = 1 / p."""
    mean = _mean(xp, a, scale, p)
    return mean * (mean * xp.expm1(log_gamma_bend(xp, a, 1.0 / p)))


FAMILY = Family(
    about="""
    The distribution of :math:`s z^{1/p}`, z a gamma number of concentration a.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param concentration: :math:`a > 0`; number or array, broadcast with the others.
    :param scale: :math:`s > 0`.
    :param power: :math:`p > 0`.

    Source: Stacy 1962.
    """,
    parameters={"concentration": "positive", "scale": "positive", "power": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_a, _by_scale, _by_p),
    scores=(_score_x, _score_a, _score_scale, _score_p),
    quantile=Quantile(_find, _density_of_log, (dlogx_da, dlogx_dscale, dlogx_dp), "log"),
    draw=Draw(_draw, (Noise("log gamma", lambda xp, a, scale, p: (a,)),)),
    entropy=entropy,
    mean=_mean,
    shape=shape,
    variance=_variance,
)
