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
from ..numerics.charts import Shape, heavy_step, hypot1, moving_heavy_line
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
        """The chart stands still: v leads to `change` of x if it is small, else to `there` in asinh(still)."""
        y, still = (x - loc) / scale, (x - still_loc) / still_scale
        at_y, at_still, close = xp.arcsinh(y), xp.arcsinh(still), xp.abs(v) < 1.0
        little = xp.where(close, v, 0.0)
        half = 0.5 * (xp.expm1(0.5 * little) - xp.expm1(-0.5 * little))
        change = 2.0 * half * (still * half + hypot1(xp, still) * xp.sqrt(1.0 + half * half))
        own_change = change * (still_scale / scale)
        there = at_still + xp.where(close, 0.0, v)
        z = _moved(xp, there, still_scale / scale, (still_loc - loc) / scale)
        step = xp.where(close, heavy_step(xp, y, y + own_change, own_change), z - at_y)
        own_stretch = xp.where(close, _log_stretch(xp, y, own_change), _log_cosh(xp, z) - _log_cosh(xp, at_y))
        stretch = xp.where(close, _log_stretch(xp, still, change), _log_cosh(xp, there) - _log_cosh(xp, at_still))
        found = -t * step * (s + t * at_y + 0.5 * t * step) - own_stretch + stretch
        # this has the derivatives, and more rounding
        return found + xp.stop_gradient(-t * v * (s + t * at_y + 0.5 * t * v) - found)

    def to_mode(x: Array) -> Array:
        return -s / t - xp.arcsinh((x - loc) / scale)  # which may be far out of the range of x

    chart = moving_heavy_line(still_loc, still_scale)._replace(scale=1.0 / xp.stop_gradient(t))
    return Shape(chart, rise, to_mode, located=(2, still_scale))


def _moved(xp: Namespace[Array], u: Array, ratio: Array, shift: Array) -> Array:
    """asinh(ratio sinh(u) + shift), with ratio and shift hardly other than 1 and 0, also where sinh(u) overflows."""
    far = xp.abs(u) > 35.0  # where the shift no longer counts, nor do the squares
    near = xp.where(far, 0.0, u)
    grown = xp.log(ratio)
    beyond = u + xp.where(u > 0.0, grown, -grown)
    return xp.where(far, beyond, xp.arcsinh(ratio * (0.5 * (xp.expm1(near) - xp.expm1(-near))) + shift))


def _log_stretch(xp: Namespace[Array], y: Array, apart: Array) -> Array:
    """log sqrt((1 + z**2) / (1 + y**2)), z = y + apart"""
    unit = hypot1(xp, y)
    return 0.5 * xp.log1p((apart / unit) * ((apart + 2.0 * y) / unit))


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
