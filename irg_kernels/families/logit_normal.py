"""LogitNormal: logit x = loc + scale y, y a normal number."""

from __future__ import annotations

import math

from ..generic.family import Family
from ..namespace import Array, Namespace
from ..numerics.charts import INTERVAL, Shape, logit
from ..numerics.elementary import finite, log_split, positive, tails_between, two_sum
from . import normal


def _inside(xp: Namespace[Array], x: Array) -> Array:
    return xp.minimum(positive(xp, x), 1.0 - 0.5 * float(xp.finfo(x).eps))


def _y(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    """(logit x - loc) / scale, with what rounding the larger of the two logarithms has left."""
    x = _inside(xp, x)
    low = x < 0.5
    sign = xp.where(low, 1.0 + 0.0 * x, -1.0)
    log_smaller, rest = log_split(xp, xp.where(low, x, 1.0 - x))
    apart, error = two_sum(xp, sign * log_smaller, -loc)
    far = (apart - sign * xp.log1p(xp.where(low, -x, x - 1.0))) + (sign * rest + error)
    # about the middle, where both logarithms are larger than the logit: 2 x - 1 is exact from 1/4 on
    middle = xp.abs(x - 0.5) < 0.2
    at = xp.where(middle, x, 0.5)
    return xp.where(middle, xp.log1p((2.0 * at - 1.0) / (1.0 - at)) - loc, far) / scale


def log_density(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    at = _inside(xp, x)
    log_p = normal.log_density(xp, _y(xp, x, loc, scale)) - xp.log(scale) - xp.log(at) - xp.log1p(-at)
    return xp.where((x > 0.0) & (x < 1.0), log_p, -math.inf)


def _score_x(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    at = _inside(xp, x)
    lean = (2.0 * at - 1.0) - _y(xp, x, loc, scale) / scale
    return xp.where((x > 0.0) & (x < 1.0), finite(xp, lean / at / (1.0 - at)), 0.0)


def _score_loc(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    return xp.where((x > 0.0) & (x < 1.0), _y(xp, x, loc, scale) / scale, 0.0)


def _score_scale(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    y = _y(xp, x, loc, scale)
    return xp.where((x > 0.0) & (x < 1.0), (y - 1.0) * (y + 1.0) / scale, 0.0)


def log_tails(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    lower, upper = normal.log_tails(xp, _y(xp, x, loc, scale))
    return tails_between(xp, x <= 0.0, x >= 1.0, lower, upper)


def _by_loc(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    return x * (1.0 - x)


def _by_scale(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    return x * (1.0 - x) * _y(xp, x, loc, scale)


def shape(xp: Namespace[Array], loc: Array, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return -0.5 * (v / scale) * (v / scale + 2.0 * _y(xp, x, loc, scale))

    return Shape(INTERVAL, rise, lambda x: loc - logit(xp, x))


FAMILY = Family(
    about=r"""
    Density :math:`\phi(y) / (\sigma x (1 - x))` with :math:`y = (\operatorname{logit} x - \mu) / \sigma`.

    A draw next to 0 or 1 is held inside, with the derivative of the true draw.

    :param loc: :math:`\mu`; number or array, broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    """,
    parameters={"loc": "real", "scale": "positive"},
    support=(0.0, 1.0),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_loc, _by_scale),
    scores=(_score_x, _score_loc, _score_scale),
    tails_are_closed=True,
    quantile=normal.FAMILY.quantile and normal.FAMILY.quantile._replace(coordinate="logit"),
    shape=shape,
)
