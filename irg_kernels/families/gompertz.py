"""Gompertz: a hazard that grows exponentially.

symbol   meaning
c, r     concentration and rate
e        c (exp(r x) - 1) = -log P(X > x), an exponential number
"""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, exponential_rise, line
from ..numerics.elementary import finite, finite_exp, log1mexp_exp, log_expm1, tails_inside, two_product
from ..numerics.gamma_function import scaled_e1
from ..numerics.roots import log_survival


def _log_e(xp: Namespace[Array], x: Array, c: Array, r: Array) -> Array:
    return xp.log(c) + log_expm1(xp, finite(xp, r * x))


def log_density(xp: Namespace[Array], x: Array, c: Array, r: Array) -> Array:
    u = finite(xp, r * xp.maximum(x, 0.0))
    return xp.where(x >= 0.0, xp.log(c) + xp.log(r) + u - c * xp.expm1(u), -math.inf)


def _grown(xp: Namespace[Array], x: Array, r: Array) -> Array:
    """exp(r x) - 1, with what rounding r x has left."""
    u, rest = two_product(xp, r, xp.maximum(x, 0.0))
    growth = xp.where(u > 1.0, finite_exp(xp, u) - 1.0, xp.expm1(xp.minimum(u, 1.0)))
    held = u > math.log(float(xp.finfo(x).max))  # there the rest may be larger than 1, and would turn the sign round
    return xp.where(held, growth, growth + (1.0 + growth) * rest)


def _score_x(xp: Namespace[Array], x: Array, c: Array, r: Array) -> Array:
    return xp.where(x >= 0.0, finite(xp, r * ((1.0 - c) - c * _grown(xp, x, r))), 0.0)


def _score_c(xp: Namespace[Array], x: Array, c: Array, r: Array) -> Array:
    return xp.where(x >= 0.0, finite(xp, 1.0 / c - _grown(xp, x, r)), 0.0)


def _score_r(xp: Namespace[Array], x: Array, c: Array, r: Array) -> Array:
    return xp.where(x >= 0.0, finite(xp, 1.0 / r + x * ((1.0 - c) - c * _grown(xp, x, r))), 0.0)


def log_tails(xp: Namespace[Array], x: Array, c: Array, r: Array) -> tuple[Array, Array]:
    inside = x > 0.0
    log_e = _log_e(xp, xp.where(inside, x, 1.0), c, r)
    upper = -finite_exp(xp, log_e)
    return tails_inside(xp, inside, log1mexp_exp(xp, log_e), upper)


def _by_c(xp: Namespace[Array], x: Array, c: Array, r: Array) -> Array:
    return xp.expm1(-r * x) / c / r


def _by_r(xp: Namespace[Array], x: Array, c: Array, r: Array) -> Array:
    return -x / r


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, c: Array, r: Array) -> Array:
    return xp.log1p(-log_survival(xp, q, one_minus_q) / c) / r


def _shape(xp: Namespace[Array], c: Array, r: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return exponential_rise(xp, 1.0 + 0.0 * x, c * finite(xp, xp.exp(r * x)), r * v)

    return Shape(line(1.0 / r), rise, xp.maximum(-xp.log(c), 0.0) / r, (0.0, None))


FAMILY = Family(
    about=r"""
    Density :math:`c r \exp(r x - c (\exp(r x) - 1))` for :math:`x \ge 0`.

    :param concentration: :math:`c > 0`; number or array, broadcast with the others.
    :param rate: :math:`r > 0`.
    """,
    parameters={"concentration": "positive", "rate": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_c, _by_r),
    scores=(_score_x, _score_c, _score_r),
    tails_are_closed=True,
    quantile=Quantile(_find, log_density, (_by_c, _by_r)),
    entropy=lambda xp, c, r: 1.0 - xp.log(c) - xp.log(r) - scaled_e1(xp, c),
    mean=lambda xp, c, r: scaled_e1(xp, c) / r,
    shape=_shape,
)
