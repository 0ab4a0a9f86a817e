"""GeneralizedNormal: |y|**p is a gamma number of concentration 1 / p, y = (x - loc) / scale, of either sign
(Subbotin 1923).

symbol   meaning
p, a     power and 1 / p
z        |y|**p
"""

from __future__ import annotations

import math

from ..generic.derived import located
from ..generic.family import Draw, Family, Noise, Quantile
from ..namespace import Array, Namespace
from ..numerics.elementary import both_log_tails, finite, positive
from ..numerics.gamma_function import digamma
from . import gamma
from .weibull import log_power


def _at(xp: Namespace[Array], y: Array, p: Array) -> gamma.Point:
    log_z, rest = log_power(xp, xp.abs(finite(xp, y)), 1.0 + 0.0 * p, p)
    z = finite(xp, xp.exp(log_z))
    return gamma.tamed(xp, finite(xp, z + z * rest), log_z + rest, 1.0 / p)


def _from_0(xp: Namespace[Array], y: Array, p: Array) -> gamma.Point:
    """With the z of y = 0 itself, which for a small p is far from that of the least normal number."""
    at, off = _at(xp, y, p), xp.abs(y) > 0.0
    return at._replace(z=xp.where(off, at.z, 0.0), excess=xp.where(off, at.excess, -1.0 / p))


def log_density(xp: Namespace[Array], y: Array, p: Array) -> Array:
    return -(_from_0(xp, y, p).z + gamma.log_gamma_of_next(xp, 1.0 / p)) - math.log(2.0)


def log_tails(xp: Namespace[Array], y: Array, p: Array) -> tuple[Array, Array]:
    _, beyond = gamma.log_tails_at(xp, _at(xp, y, p), 1.0 / p)
    return both_log_tails(xp, beyond - math.log(2.0), y < 0.0)


def _score_y(xp: Namespace[Array], y: Array, p: Array) -> Array:
    """At 0, the mean of both sides."""
    size = xp.abs(y)
    steep = finite(xp, p * _at(xp, y, p).z / positive(xp, size))
    return xp.where(y > 0.0, -steep, xp.where(y < 0.0, steep, 0.0))


def _score_p(xp: Namespace[Array], y: Array, p: Array) -> Array:
    at, a = _from_0(xp, y, p), 1.0 / p
    return a * (a * digamma(xp, 1.0 + a) - at.z * at.log_z)


def _score_log_scale(xp: Namespace[Array], y: Array, p: Array) -> Array:
    return p * _from_0(xp, y, p).excess


def _dy_dp(xp: Namespace[Array], y: Array, p: Array) -> Array:
    at, a = _at(xp, y, p), 1.0 / p
    return -y * (a * (a * gamma.product_slope(xp, at.z, at.log_z, a)))


def _of_log_z(xp: Namespace[Array], log_z: Array, p: Array) -> Array:
    """|y|, held in the range of its dtype."""
    return xp.exp(xp.minimum(log_z / p, 0.98 * math.log(float(xp.finfo(log_z).max))))


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, p: Array) -> Array:
    outward = 2.0 * xp.minimum(q, one_minus_q)
    # 1 - outward is exact next to 1/2, where the larger mass is rounded
    log_z = gamma.log_quantile(xp, 1.0 - outward, outward, 1.0 / p)
    return xp.copysign(_of_log_z(xp, log_z, p), q - one_minus_q)


def _draw(xp: Namespace[Array], log_z: Array, uniform: Array, p: Array) -> Array:
    return xp.copysign(_of_log_z(xp, log_z, p), uniform - 0.5)


def _variance(xp: Namespace[Array], p: Array) -> Array:
    """Gamma(3 a) / Gamma(a)"""
    a = 1.0 / p
    return xp.exp(gamma.log_gamma_of_next(xp, 3.0 * a) - gamma.log_gamma_of_next(xp, a)) / 3.0


FAMILY = located(
    Family(
        about=r"""
        Density :math:`p / (2 \sigma \Gamma(1/p)) \exp(-|(x - \mu) / \sigma|^p)`: Laplace's for p = 1, the normal one of
        variance :math:`\sigma^2 / 2` for p = 2, nearly uniform for a large p.

        :param loc: :math:`\mu`; number or array, broadcast with the others.
        :param scale: :math:`\sigma > 0`.
        :param power: :math:`p > 0`.

        Source: Subbotin 1923.
        """,
        parameters={"power": "positive"},
        support=(-math.inf, math.inf),
        log_density=log_density,
        log_tails=log_tails,
        slopes=(_dy_dp,),
        scores=(_score_y, _score_p),
        quantile=Quantile(_find, log_density, (_dy_dp,)),
        draw=Draw(_draw, (Noise("log gamma", lambda xp, p: (1.0 / p,)), "uniform")),
        entropy=lambda xp, p: 1.0 / p + gamma.log_gamma_of_next(xp, 1.0 / p) + math.log(2.0),
        mean=lambda xp, p: 0.0 * p,
        variance=_variance,
        kink=lambda xp, p: 0.0 * p,
    ),
    log_scale_score=_score_log_scale,
)
