"""JohnsonSU: skewness + tailweight arcsinh(y) is a normal number, y = (x - loc) / scale      (Johnson 1949).

symbol   meaning
s, t     skewness, tailweight
u        arcsinh(y), so that y = sinh(u) and dy/du = cosh(u)
n        s + t u
"""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile, located
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, moving_heavy_line
from ..numerics.elementary import finite
from . import normal


def _log_cosh(xp: Namespace[Array], u: Array) -> Array:
    size = xp.abs(u)
    return size + xp.log1p(xp.exp(-2.0 * size)) - math.log(2.0)


def _sinh(xp: Namespace[Array], u: Array) -> Array:
    """Held in the range of its dtype."""
    most = 0.98 * math.log(float(xp.finfo(u).max))
    u = xp.minimum(xp.maximum(u, -most), most)
    return 0.5 * (xp.expm1(u) - xp.expm1(-u))


def log_density(xp: Namespace[Array], y: Array, s: Array, t: Array) -> Array:
    u = xp.arcsinh(finite(xp, y))
    return normal.log_density(xp, s + t * u) + xp.log(t) - _log_cosh(xp, u)


def log_tails(xp: Namespace[Array], y: Array, s: Array, t: Array) -> tuple[Array, Array]:
    return normal.log_tails(xp, s + t * xp.arcsinh(finite(xp, y)))


def _dy_ds(xp: Namespace[Array], y: Array, s: Array, t: Array) -> Array:
    return -xp.exp(_log_cosh(xp, xp.arcsinh(y))) / t


def _dy_dt(xp: Namespace[Array], y: Array, s: Array, t: Array) -> Array:
    u = xp.arcsinh(y)
    return -u * xp.exp(_log_cosh(xp, u)) / t


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, s: Array, t: Array) -> Array:
    return _sinh(xp, (normal.quantile(xp, q, one_minus_q) - s) / t)


def _mean(xp: Namespace[Array], s: Array, t: Array) -> Array:
    return -xp.exp(0.5 / t / t) * _sinh(xp, s / t)


def _variance(xp: Namespace[Array], s: Array, t: Array) -> Array:
    """(w - 1) (w cosh(2 s / t) + 1) / 2, w = exp(1 / t**2)"""
    square, twice = 1.0 / t / t, xp.exp(_log_cosh(xp, 2.0 * s / t))
    return 0.5 * xp.expm1(square) * (xp.exp(square) * twice + 1.0)


def _shape(xp: Namespace[Array], s: Array, t: Array, loc: Array, scale: Array) -> Shape:
    """In u, a normal density: -t v (n + t v / 2)."""

    def rise(x: Array, v: Array) -> Array:
        return -t * v * (s + t * xp.arcsinh((x - loc) / scale) + 0.5 * t * v)

    chart = moving_heavy_line(loc, scale)._replace(scale=1.0 / t)
    return Shape(chart, rise, loc + scale * _sinh(xp, -s / t))


FAMILY = located(
    Family(
        parameters={"skewness": "real", "tailweight": "positive"},
        support=(-math.inf, math.inf),
        log_density=log_density,
        log_tails=log_tails,
        slopes=(_dy_ds, _dy_dt),
        tails_are_closed=True,
        quantile=Quantile(_find, log_density, (_dy_ds, _dy_dt)),
        mean=_mean,
        variance=_variance,
    ),
    _shape,
)
