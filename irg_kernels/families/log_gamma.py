"""LogGamma: x = log(z / rate), z ~ Gamma(a, 1); see `gamma` for the symbols."""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, exponential_rise, line
from ..numerics.gamma_function import digamma, log_entropy, trigamma
from .gamma import divergence, dlogx_da, dlogx_drate, log_density_of_log, log_quantile, log_tails_at, tamed_log


def log_tails(xp: Namespace, x: Array, a: Array, rate: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x))."""
    return log_tails_at(xp, *tamed_log(xp, x + xp.log(rate)), a)


def _find(xp: Namespace, q: Array, one_minus_q: Array, a: Array, rate: Array) -> Array:
    return log_quantile(xp, q, one_minus_q, a) - xp.log(rate)


def shape(xp: Namespace, a: Array, rate: Array) -> Shape:
    scale = 1.0 / xp.sqrt(a)
    return Shape(line(scale), lambda x, v: exponential_rise(xp, a, rate * xp.exp(x), v), xp.log(a) - xp.log(rate))


FAMILY = Family(
    parameters={"concentration": "positive", "rate": "positive"},
    support=(-math.inf, math.inf),
    log_density=log_density_of_log,
    log_tails=log_tails,
    slopes=(dlogx_da, dlogx_drate),
    quantile=Quantile(_find, log_density_of_log, (dlogx_da, dlogx_drate)),
    entropy=lambda xp, a, rate: log_entropy(xp, a) + 0.0 * rate,
    mean=lambda xp, a, rate: digamma(xp, a) - xp.log(rate),
    variance=lambda xp, a, rate: trigamma(xp, a) + 0.0 * rate,
    shape=shape,
    divergences={"LogGamma": divergence},
)
