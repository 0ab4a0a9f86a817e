"""Pareto: x = scale exp(e / alpha), e an exponential number, in closed form."""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, log_ratio
from ..numerics.elementary import log1mexp, positive
from ..numerics.roots import log_survival


def _above(xp: Namespace[Array], x: Array, scale: Array) -> Array:
    """log(x / scale) >= 0"""
    return log_ratio(xp, scale, xp.maximum(x, scale))


def log_density(xp: Namespace[Array], x: Array, scale: Array, alpha: Array) -> Array:
    inside = xp.log(alpha) - alpha * _above(xp, x, scale) - xp.log(positive(xp, x))
    return xp.where(x >= scale, inside, -math.inf)


def log_tails(xp: Namespace[Array], x: Array, scale: Array, alpha: Array) -> tuple[Array, Array]:
    e = alpha * _above(xp, x, scale)
    return log1mexp(xp, -e), -e


def _by_alpha(xp: Namespace[Array], x: Array, scale: Array, alpha: Array) -> Array:
    return -x * (_above(xp, x, scale) / alpha)


def quantile(xp: Namespace[Array], q: Array, one_minus_q: Array, scale: Array, alpha: Array) -> Array:
    return xp.log(scale) - log_survival(xp, q, one_minus_q) / alpha


def _density_of_log(xp: Namespace[Array], y: Array, scale: Array, alpha: Array) -> Array:
    return xp.log(alpha) - alpha * (y - xp.log(scale))


_LOG_SLOPES = (lambda xp, y, scale, alpha: 1.0 / scale, lambda xp, y, scale, alpha: (xp.log(scale) - y) / alpha)


def mean(xp: Namespace[Array], scale: Array, alpha: Array) -> Array:
    finite = alpha > 1.0
    a = xp.where(finite, alpha, 2.0)
    return xp.where(finite, scale * a / (a - 1.0), math.inf)


def variance(xp: Namespace[Array], scale: Array, alpha: Array) -> Array:
    finite = alpha > 2.0
    a = xp.where(finite, alpha, 3.0)
    return xp.where(finite, scale * scale * a / ((a - 1.0) * (a - 1.0) * (a - 2.0)), math.inf)


def shape(xp: Namespace[Array], scale: Array, alpha: Array) -> Shape:
    return Shape(HALF_LINE, lambda x, v: -alpha * v, scale, ends=(scale, None))


FAMILY = Family(
    about=r"""
    Density :math:`\alpha s^\alpha / x^{\alpha + 1}` for :math:`x \ge s`.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param scale: :math:`s > 0`; number or array, broadcast with the others.
    :param alpha: :math:`\alpha > 0`.
    """,
    parameters={"scale": "positive", "alpha": "positive"},
    support=(lambda xp, scale, alpha: scale, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(lambda xp, x, scale, alpha: x / scale, _by_alpha),
    tails_are_closed=True,
    quantile=Quantile(quantile, _density_of_log, _LOG_SLOPES, "log"),
    entropy=lambda xp, scale, alpha: xp.log(scale) - xp.log(alpha) + 1.0 + 1.0 / alpha,
    mean=mean,
    variance=variance,
    shape=shape,
)
