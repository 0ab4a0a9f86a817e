"""Levy: x = loc + scale / n**2, n a normal number.

symbol   meaning
y        (x - loc) / scale > 0
n        1 / sqrt(y), of which |n| is half-normal
"""

from __future__ import annotations

import math

from ..generic.derived import located
from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, exponential_rise, half_line_from, in_exponent, log_rest
from ..numerics.elementary import positive, tails_inside
from . import normal, standard

EULER = 0.5772156649015329


def log_density(xp: Namespace[Array], y: Array) -> Array:
    at = positive(xp, y)
    return xp.where(y > 0.0, -0.5 / at - 1.5 * xp.log(at) - normal.HALF_LOG_2PI, -math.inf)


def _score_y(xp: Namespace[Array], y: Array) -> Array:
    at = positive(xp, y)
    return xp.where(y > 0.0, (0.5 / at - 1.5) / at, 0.0)


def _log_scale_score(xp: Namespace[Array], y: Array) -> Array:
    return xp.where(y > 0.0, 0.5 * ((y - 1.0) / positive(xp, y)), 0.0)


def log_tails(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    lower, upper = standard.half_normal_log_tails(xp, 1.0 / xp.sqrt(positive(xp, y)))
    return tails_inside(xp, y > 0.0, upper, lower)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array) -> Array:
    n = positive(xp, standard.half_normal_quantile(xp, one_minus_q, q))
    return 1.0 / n / n


def _shape(xp: Namespace[Array], loc: Array, scale: Array) -> Shape:
    """In log(x - loc), exp(-y / 2 - scale exp(-y) / 2); v leads to the distance `rest` from loc."""
    detached = xp.stop_gradient(loc)

    def rise(x: Array, v: Array) -> Array:
        own, still, u = positive(xp, x - loc), positive(xp, x - detached), in_exponent(xp, v)
        change, rest = still * xp.expm1(u), still * xp.exp(u) + (detached - loc)
        found = 0.5 * scale * (change / own / rest) - 1.5 * log_rest(xp, xp.abs(v) < 0.5, own, change, rest) + v
        # this has the derivatives, and more rounding
        plain = exponential_rise(xp, 0.5 + 0.0 * own, 0.5 * scale / own, -v)
        return found + xp.stop_gradient(plain - found)

    return Shape(half_line_from(xp, loc), rise, loc + scale, located=(0, xp.stop_gradient(scale)))


FAMILY = located(
    Family(
        about=r"""
        Density :math:`\sqrt{c / (2 \pi y^3)} \exp(-c / (2 y))` with :math:`y = x - \mu > 0`.

        :param loc: lower end :math:`\mu`; number or array, broadcast with the others.
        :param scale: :math:`c > 0`.
        """,
        parameters={},
        support=(0.0, math.inf),
        log_density=log_density,
        log_tails=log_tails,
        slopes=(),
        scores=(_score_y,),
        tails_are_closed=True,
        quantile=Quantile(_find, log_density, ()),
        entropy=lambda xp: 0.5 + 1.5 * EULER + 0.5 * math.log(16.0 * math.pi),
        mean=lambda xp: math.inf,
        variance=lambda xp: math.inf,
    ),
    _shape,
    log_scale_score=_log_scale_score,
)
