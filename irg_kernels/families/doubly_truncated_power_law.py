"""DoublyTruncatedPowerLaw: density proportional to x**alpha between low and high.

symbol   meaning
u, v     log(x / low) and log(high / x)
r        log(high / low)
eta      (1 + alpha) r: u / r is continuous Bernoulli of logit eta, smooth through alpha = -1, where it is uniform

At fixed quantile a bound moves x by dx/dlow = P(X > x) p(low) / p(x) and dx/dhigh = P(X < x) p(high) / p(x).
"""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, log_ratio
from . import continuous_bernoulli as bernoulli


def _shares(xp: Namespace[Array], x: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
    """(u, v, r), at the ends where x lies beyond them."""
    x = xp.minimum(xp.maximum(x, low), high)
    return log_ratio(xp, low, x), log_ratio(xp, x, high), log_ratio(xp, low, high)


def log_density(xp: Namespace[Array], x: Array, alpha: Array, low: Array, high: Array) -> Array:
    """From the end at which the mass lies."""
    u, v, r = _shares(xp, x, low, high)
    power = 1.0 + alpha
    inside = (x >= low) & (x <= high)
    fall = bernoulli.log_normalizer(xp, -xp.abs(power * r)) - xp.where(power > 0.0, -power * v, power * u)
    return xp.where(inside, -fall - xp.log(r) - xp.log(xp.where(inside, x, low)), -math.inf)


def _score_x(xp: Namespace[Array], x: Array, alpha: Array, low: Array, high: Array) -> Array:
    return xp.where((x >= low) & (x <= high), alpha / x, 0.0)


def _score_alpha(xp: Namespace[Array], x: Array, alpha: Array, low: Array, high: Array) -> Array:
    """log x - E[log x], from the end at which the mass lies."""
    u, v, r = _shares(xp, x, low, high)
    up = alpha > -1.0
    apart = xp.where(up, v, u) - r * bernoulli.mean(xp, -xp.abs((1.0 + alpha) * r))
    return xp.where((x >= low) & (x <= high), xp.where(up, -apart, apart), 0.0)


def _score_low(xp: Namespace[Array], x: Array, alpha: Array, low: Array, high: Array) -> Array:
    inside = (x >= low) & (x <= high)
    return xp.where(inside, xp.exp(log_density(xp, low, alpha, low, high)), 0.0)


def _score_high(xp: Namespace[Array], x: Array, alpha: Array, low: Array, high: Array) -> Array:
    inside = (x >= low) & (x <= high)
    return xp.where(inside, -xp.exp(log_density(xp, high, alpha, low, high)), 0.0)


def log_tails(xp: Namespace[Array], x: Array, alpha: Array, low: Array, high: Array) -> tuple[Array, Array]:
    u, v, r = _shares(xp, x, low, high)
    return bernoulli.log_tails_between(xp, u / r, v / r, (1.0 + alpha) * r)


def _by_alpha(xp: Namespace[Array], x: Array, alpha: Array, low: Array, high: Array) -> Array:
    """From the nearer end, to which the derivative is symmetric."""
    u, v, r = _shares(xp, x, low, high)
    eta, near = (1.0 + alpha) * r, u < v
    return x * r * r * bernoulli.dx_deta(xp, xp.where(near, u, v) / r, xp.where(near, eta, -eta))


def _by_low(xp: Namespace[Array], x: Array, alpha: Array, low: Array, high: Array) -> Array:
    u, _, _ = _shares(xp, x, low, high)
    return x / low * xp.exp(log_tails(xp, x, alpha, low, high)[1] - (1.0 + alpha) * u)


def _by_high(xp: Namespace[Array], x: Array, alpha: Array, low: Array, high: Array) -> Array:
    _, v, _ = _shares(xp, x, low, high)
    return x / high * xp.exp(log_tails(xp, x, alpha, low, high)[0] + (1.0 + alpha) * v)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, alpha: Array, low: Array, high: Array) -> Array:
    """From the end at which the mass lies, towards which the quantile has its digits."""
    r = log_ratio(xp, low, high)
    eta = (1.0 + alpha) * r
    up = eta > 0.0
    share = bernoulli.quantile(xp, xp.where(up, one_minus_q, q), -xp.abs(eta))
    x = xp.where(up, high, low) * xp.exp(xp.where(up, -share, share) * r)
    return xp.minimum(xp.maximum(x, low), high)


def shape(xp: Namespace[Array], alpha: Array, low: Array, high: Array) -> Shape:
    return Shape(HALF_LINE, lambda x, v: (1.0 + alpha) * v, xp.where(alpha > -1.0, high, low), ends=(low, high))


_SLOPES = (_by_alpha, _by_low, _by_high)

FAMILY = Family(
    about=r"""
    Density proportional to :math:`x^\alpha` for :math:`a \le x \le b`.

    Smooth in :math:`\alpha` through -1, where log x is uniform.

    :param alpha: :math:`\alpha`, any number; number or array, broadcast with the others.
    :param low: :math:`a > 0`.
    :param high: :math:`b > a`.
    """,
    parameters={"alpha": "real", "low": "greater_than 0", "high": "greater_than 0"},
    order=("low", "high"),
    support=(lambda xp, alpha, low, high: low, lambda xp, alpha, low, high: high),
    log_density=log_density,
    log_tails=log_tails,
    slopes=_SLOPES,
    scores=(_score_x, _score_alpha, _score_low, _score_high),
    quantile=Quantile(_find, log_density, _SLOPES),
    shape=shape,
)
