"""SoftLaplace: the hyperbolic secant, of density 1 / (pi cosh y), F = (2 / pi) arctan(e**y),
y = (x - loc) / scale."""

from __future__ import annotations

import math

from ..generic.derived import located
from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, line, logistic_rise, logistic_shares
from ..numerics.elementary import both_log_tails


def log_density(xp: Namespace[Array], y: Array) -> Array:
    size = xp.abs(y)
    return math.log(2.0 / math.pi) - (size + xp.log1p(xp.exp(-2.0 * size)))


def log_tails(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    size = xp.abs(y)
    far = size > 40.0  # where arctan(z) is z, which underflows
    z = xp.exp(-xp.where(far, 0.0, size))
    log_angle = xp.where(far, -size, xp.log(xp.arctan2(z, 1.0 + 0.0 * z)))
    return both_log_tails(xp, log_angle + math.log(2.0 / math.pi), y < 0.0)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array) -> Array:
    angle = (0.5 * math.pi) * xp.minimum(q, one_minus_q)
    return xp.copysign(xp.log(xp.cos(angle) / xp.sin(angle)), q - one_minus_q)


def _shape(xp: Namespace[Array], loc: Array, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        y, half = (x - loc) / scale, 0.5 + 0.0 * x
        p, q = logistic_shares(xp, 2.0 * y)
        return logistic_rise(xp, half, half, p, q, 2.0 * v / scale)

    return Shape(line(scale), rise, loc)


FAMILY = located(
    Family(
        about=r"""
        Density :math:`1 / (\pi \sigma \cosh((x - \mu) / \sigma))`.

        :param loc: :math:`\mu`; number or array, broadcast with the others.
        :param scale: :math:`\sigma > 0`.
        """,
        parameters={},
        support=(-math.inf, math.inf),
        log_density=log_density,
        log_tails=log_tails,
        slopes=(),
        tails_are_closed=True,
        quantile=Quantile(_find, log_density, ()),
        entropy=lambda xp: math.log(2.0 * math.pi),
        mean=lambda xp: 0.0,
        variance=lambda xp: 0.25 * math.pi**2,
    ),
    _shape,
)
