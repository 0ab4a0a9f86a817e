"""Dagum: log x = log b + y / a, y of the skew logistic distribution.

symbol   meaning
p, a, b  concentration, sharpness and scale
y        a log(x / b), of F = (1 + exp(-y))**-p
"""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, logistic_rise, logistic_shares
from ..numerics.elementary import finite, log_quotient, positive, tails_inside
from ..numerics.gamma_function import log_gamma1p, log_gamma_bend, log_gamma_rise
from . import skew_logistic
from .weibull import log_power


def _at(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    log_ratio, rest = log_power(xp, x, b, a)
    return log_ratio + rest


def log_density(xp: Namespace[Array], x: Array, p: Array, a: Array, b: Array) -> Array:
    y, rest = log_power(xp, x, b, a)
    inside = skew_logistic.log_density(xp, y, p, rest) + log_quotient(xp, a, positive(xp, x))
    return xp.where(x > 0.0, inside, -math.inf)


def _score_y(xp: Namespace[Array], x: Array, p: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """(y, d log p / dy)"""
    y, rest = log_power(xp, positive(xp, x), b, a)
    share = xp.sigmoid(y)
    bend = share * xp.sigmoid(-y) * rest
    return y + rest, p * (xp.sigmoid(-y) - bend) - (share + bend)


def _score_x(xp: Namespace[Array], x: Array, p: Array, a: Array, b: Array) -> Array:
    _, by_y = _score_y(xp, x, p, a, b)
    return xp.where(x > 0.0, finite(xp, (a * by_y - 1.0) / positive(xp, x)), 0.0)


def _score_p(xp: Namespace[Array], x: Array, p: Array, a: Array, b: Array) -> Array:
    y, rest = log_power(xp, positive(xp, x), b, a)
    return xp.where(x > 0.0, (1.0 / p - xp.softplus(-y)) + xp.sigmoid(-y) * rest, 0.0)


def _score_a(xp: Namespace[Array], x: Array, p: Array, a: Array, b: Array) -> Array:
    y, by_y = _score_y(xp, x, p, a, b)
    return xp.where(x > 0.0, (1.0 + y * by_y) / a, 0.0)


def _score_b(xp: Namespace[Array], x: Array, p: Array, a: Array, b: Array) -> Array:
    return xp.where(x > 0.0, -_score_y(xp, x, p, a, b)[1] * (a / b), 0.0)


def log_tails(xp: Namespace[Array], x: Array, p: Array, a: Array, b: Array) -> tuple[Array, Array]:
    lower, upper = skew_logistic.log_tails(xp, _at(xp, x, a, b), p)
    return tails_inside(xp, x > 0.0, lower, upper)


def _slopes_of_log(xp: Namespace[Array], y: Array, p: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Of log x, by y."""
    return skew_logistic.dy_da(xp, y, p) / a, -y / a / a, 1.0 / b


def _slope(i: int) -> tuple:
    """Of x, and of log x."""

    def of_x(xp: Namespace[Array], x: Array, p: Array, a: Array, b: Array) -> Array:
        return x * _slopes_of_log(xp, _at(xp, x, a, b), p, a, b)[i]

    def of_log(xp: Namespace[Array], log_x: Array, p: Array, a: Array, b: Array) -> Array:
        return _slopes_of_log(xp, a * (log_x - xp.log(b)), p, a, b)[i]

    return of_x, of_log


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, p: Array, a: Array, b: Array) -> Array:
    return xp.log(b) + skew_logistic.find(xp, q, one_minus_q, p) / a


def _density_of_log(xp: Namespace[Array], log_x: Array, p: Array, a: Array, b: Array) -> Array:
    return skew_logistic.log_density(xp, a * (log_x - xp.log(b)), p) + xp.log(a)


def _entropy(xp: Namespace[Array], p: Array, a: Array, b: Array) -> Array:
    """-E[log p] + E[log x]"""
    of = skew_logistic.STANDARD
    return of.entropy(xp, p) - xp.log(a) + xp.log(b) + of.mean(xp, p) / a  # type: ignore[misc]


def _shape(xp: Namespace[Array], p: Array, a: Array, b: Array) -> Shape:
    """In log x, s**p (1 - s) with s the sigmoid of y."""

    def rise(x: Array, v: Array) -> Array:
        y = _at(xp, x, a, b)
        s, rest = logistic_shares(xp, y)
        return logistic_rise(xp, p, 1.0 + 0.0 * p, s, rest, a * v)

    return Shape(HALF_LINE, rise, lambda x: xp.log(p) / a + xp.log(b) - xp.log(x))


_SLOPES, _LOG_SLOPES = zip(*map(_slope, range(3)), strict=True)


def _log_ratio_of_moment(xp: Namespace[Array], p: Array, a: Array) -> Array:
    """log E[x / b] = log (Gamma(1 - r) Gamma(p + r) / Gamma(p)), r = 1 / a < 1: 1 - r from a - 1, which is exact."""
    r, rest = 1.0 / a, (a - 1.0) / a
    return log_gamma1p(xp, rest) - xp.log(rest) + log_gamma_rise(xp, p, r) + r * xp.log(p)


def _mean(xp: Namespace[Array], p: Array, a: Array, b: Array) -> Array:
    """Infinite up to a = 1."""
    has_mean = a > 1.0
    return xp.where(has_mean, b * xp.exp(_log_ratio_of_moment(xp, p, xp.where(has_mean, a, 2.0))), math.inf)


def _variance(xp: Namespace[Array], p: Array, a: Array, b: Array) -> Array:
    """Infinite up to a = 2."""
    has_variance = a > 2.0
    a = xp.where(has_variance, a, 4.0)
    r, rest = 1.0 / a, (a - 2.0) / a
    # Gamma(1 - 2 r) / Gamma(1 - r)**2 by Gamma(2 - 2 r) and Gamma(2 - r)
    bend = xp.log1p(r * r / rest) + log_gamma_bend(xp, 1.0 + rest, r) + log_gamma_bend(xp, p, r)
    mean = b * xp.exp(_log_ratio_of_moment(xp, p, a))
    return xp.where(has_variance, mean * (mean * xp.expm1(bend)), math.inf)


FAMILY = Family(
    about="""
    Distribution function :math:`(1 + (x / b)^{-a})^{-p}` for x > 0.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param concentration: :math:`p > 0`; number or array, broadcast with the others.
    :param sharpness: :math:`a > 0`.
    :param scale: :math:`b > 0`.
    """,
    parameters={"concentration": "positive", "sharpness": "positive", "scale": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=_SLOPES,
    scores=(_score_x, _score_p, _score_a, _score_b),
    tails_are_closed=True,
    quantile=Quantile(_find, _density_of_log, _LOG_SLOPES, "log"),
    entropy=_entropy,
    shape=_shape,
    mean=_mean,
    variance=_variance,
)
