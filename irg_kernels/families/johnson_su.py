"""JohnsonSU: skewness + tailweight arcsinh(y) is a normal number, y = (x - loc) / scale      (Johnson 1949).

symbol   meaning
s, t     skewness, tailweight
u        arcsinh(y), so that y = sinh(u) and dy/du = cosh(u)
n        s + t u
"""

from __future__ import annotations

import math

from ..generic.derived import located
from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, heavy_step, in_exponent, moving_heavy_line
from ..numerics.elementary import finite, two_product
from . import normal


def _log_cosh(xp: Namespace[Array], u: Array) -> Array:
    size = xp.abs(u)
    return size + xp.log1p(xp.exp(-2.0 * size)) - math.log(2.0)


def _sinh(xp: Namespace[Array], u: Array) -> Array:
    """Held in the range of its dtype."""
    most = 0.98 * math.log(float(xp.finfo(u).max))
    u = xp.clip(u, -most, most)
    return 0.5 * (xp.expm1(u) - xp.expm1(-u))


def _normal(xp: Namespace[Array], u: Array, s: Array, t: Array) -> Array:
    """n, whose terms may nearly cancel: without the rounding of t u."""
    product, rest = two_product(xp, t, u)
    return (s + product) + rest


def log_density(xp: Namespace[Array], y: Array, s: Array, t: Array) -> Array:
    u = xp.arcsinh(finite(xp, y))
    return normal.log_density(xp, _normal(xp, u, s, t)) + xp.log(t) - _log_cosh(xp, u)


def log_tails(xp: Namespace[Array], y: Array, s: Array, t: Array) -> tuple[Array, Array]:
    return normal.log_tails(xp, _normal(xp, xp.arcsinh(finite(xp, y)), s, t))


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

    still_loc, still_scale = xp.stop_gradient(loc), xp.stop_gradient(scale)

    def rise(x: Array, v: Array) -> Array:
        """The chart stands still: v leads to `change` of x, and that in u to `step`."""
        y, still = (x - loc) / scale, (x - still_loc) / still_scale
        v = in_exponent(xp, v)
        half = xp.exp(0.5 * v) - xp.exp(-0.5 * v)
        half = xp.where(xp.abs(v) < 1.0, 0.5 * (xp.expm1(0.5 * v) - xp.expm1(-0.5 * v)), 0.5 * half)
        root = xp.sqrt(1.0 + still * still)
        change = 2.0 * half * (still * half + root * xp.sqrt(1.0 + half * half))
        stretch = _log_stretch(xp, still, still + change, change)
        change = change * (still_scale / scale)
        step = heavy_step(xp, y, y + change, change)
        found = -t * step * (s + t * xp.arcsinh(y) + 0.5 * t * step) - _log_stretch(xp, y, y + change, change) + stretch
        # this has the derivatives, and more rounding
        return found + xp.stop_gradient(-t * v * (s + t * xp.arcsinh(y) + 0.5 * t * v) - found)

    chart = moving_heavy_line(still_loc, still_scale)._replace(scale=1.0 / xp.stop_gradient(t))
    return Shape(chart, rise, loc + scale * _sinh(xp, -s / t))


def _log_stretch(xp: Namespace[Array], y: Array, z: Array, apart: Array) -> Array:
    """log sqrt((1 + z**2) / (1 + y**2))"""
    near = xp.abs(apart) < 0.25 * xp.sqrt(1.0 + y * y)
    little = xp.where(near, apart, 0.0)
    grown = 0.5 * xp.log1p(little * ((little + 2.0 * y) / (1.0 + y * y)))
    return xp.where(near, grown, _log_cosh(xp, xp.arcsinh(xp.where(near, y, z))) - _log_cosh(xp, xp.arcsinh(y)))


FAMILY = located(
    Family(
        about=r"""
        :math:`\gamma + \delta \operatorname{arcsinh}((x - \mu)/\sigma)` is a standard normal number.

        :param skewness: :math:`\gamma`; number or array, broadcast with the others.
        :param tailweight: :math:`\delta > 0`.
        :param loc: :math:`\mu`.
        :param scale: :math:`\sigma > 0`.

        Source: Johnson 1949.
        """,
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
