"""LogGamma: x = log(z / rate), z ~ Gamma(a, 1); see `gamma` for the symbols."""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, exponential_rise, line
from ..numerics.elementary import expm1mx, log_split, two_product, two_sum
from ..numerics.gamma_function import digamma, log_entropy, trigamma
from .gamma import (
    Point,
    divergence,
    dlogx_da,
    dlogx_drate,
    log_density_at,
    log_quantile,
    log_tails_at,
    score_zero,
    tamed_log,
)


def _at(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Point[Array]:
    """Of z = rate exp(x), at which a rounded logarithm costs many units: one of log z at a = 1e6 is 14 of z."""
    at = tamed_log(xp, x + xp.log(rate), a)
    if xp.has_guard_digits:
        return at
    (log_rate, rate_rest), (log_a, a_rest) = log_split(xp, rate), log_split(xp, a)
    log_ratio, first = two_sum(xp, x, log_rate)
    log_ratio, second = two_sum(xp, log_ratio, -log_a)
    log_ratio, rest = two_sum(xp, log_ratio, first + second + (rate_rest - a_rest))
    near = xp.abs(log_ratio) < 1.0
    u = xp.where(near, log_ratio, 0.0)
    # a expm1(u) = a u + a h(u)
    linear, error = two_product(xp, a, u)
    excess, more = two_sum(xp, linear, a * expm1mx(xp, u))
    rest = xp.stop_gradient(xp.where(near, more + (error + a * rest), 0.0))
    excess = xp.where(near, excess, at.excess)
    return Point(xp.where(near, a + excess, at.z), at.log_z, excess, rest)


def log_tails(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x))."""
    return log_tails_at(xp, _at(xp, x, a, rate), a)


def log_density(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    return log_density_at(xp, _at(xp, x, a, rate), a, 1.0 + 0.0 * a)


def _score_x(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    return -_at(xp, x, a, rate).excess


def _score_a(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    at = _at(xp, x, a, rate)
    return -score_zero(xp, at.z, at.log_z, a, at.excess)


def _score_rate(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    return -_at(xp, x, a, rate).excess / rate


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, a: Array, rate: Array) -> Array:
    return log_quantile(xp, q, one_minus_q, a) - xp.log(rate)


def shape(xp: Namespace[Array], a: Array, rate: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return exponential_rise(xp, a, rate * xp.exp(x), v, xp.log(rate) + x)

    return Shape(line(1.0 / xp.sqrt(a)), rise, xp.log(a) - xp.log(rate))


FAMILY = Family(
    about=r"""
    Tiny concentrations never underflow here: at a = 0.001 most draws of z are below 1e-300.

    :param concentration: shape :math:`a > 0`; number or array, broadcast with `rate`.
    :param rate: inverse scale :math:`b > 0` of z, so that the distribution is shifted by :math:`-\log b`.
    """,
    parameters={"concentration": "positive", "rate": "positive"},
    support=(-math.inf, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(dlogx_da, dlogx_drate),
    scores=(_score_x, _score_a, _score_rate),
    quantile=Quantile(_find, log_density, (dlogx_da, dlogx_drate)),
    entropy=lambda xp, a, rate: log_entropy(xp, a) + 0.0 * rate,
    mean=lambda xp, a, rate: digamma(xp, a) - xp.log(rate),
    variance=lambda xp, a, rate: trigamma(xp, a) + 0.0 * rate,
    shape=shape,
    divergences={"LogGamma": divergence},
)
