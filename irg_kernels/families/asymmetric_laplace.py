"""AsymmetricLaplace: exponential on either side of loc, of lengths scale k below and scale / k above.

symbol   meaning
y        (x - loc) / scale
k        asymmetry
"""

from __future__ import annotations

import math

from ..generic.derived import located
from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.elementary import both_log_tails
from ..numerics.masses import Piece, Pieces
from ..numerics.roots import logarithm
from . import laplace


def _fall(xp: Namespace[Array], y: Array, k: Array) -> Array:
    """|y| / k below and |y| k above."""
    return xp.abs(y) * xp.where(y < 0.0, 1.0 / k, k)


def log_density(xp: Namespace[Array], y: Array, k: Array) -> Array:
    return -_fall(xp, y, k) - xp.log(k + 1.0 / k)


def _score_y(xp: Namespace[Array], y: Array, k: Array) -> Array:
    """At the edge, the mean of both sides."""
    return xp.where(y < 0.0, 1.0 / k, xp.where(y > 0.0, -k, 0.5 * (1.0 / k - k)))


def _score_k(xp: Namespace[Array], y: Array, k: Array) -> Array:
    return xp.abs(y) * xp.where(y < 0.0, 1.0 / k / k, -1.0 + 0.0 * k) + (1.0 - k) * (1.0 + k) / (k * (1.0 + k * k))


def _log_shares(xp: Namespace[Array], k: Array) -> tuple[Array, Array]:
    """The logarithms of the masses below loc and above."""
    return -xp.log1p(1.0 / k / k), -xp.log1p(k * k)


def log_tails(xp: Namespace[Array], y: Array, k: Array) -> tuple[Array, Array]:
    below, above = _log_shares(xp, k)
    return both_log_tails(xp, xp.where(y < 0.0, below, above) - _fall(xp, y, k), y < 0.0)


def _dy_dk(xp: Namespace[Array], y: Array, k: Array) -> Array:
    return -xp.abs(y) / k - 2.0 / (1.0 + k * k)


def find(xp: Namespace[Array], q: Array, one_minus_q: Array, k: Array) -> Array:
    below, above = _log_shares(xp, k)
    log_q, log_rest = (
        xp.where(mass < other, logarithm(xp, mass), xp.log1p(-xp.where(mass < other, 0.5, other)))
        for mass, other in ((q, one_minus_q), (one_minus_q, q))
    )
    return xp.where(log_q < below, k * (log_q - below), -xp.minimum(log_rest - above, 0.0) / k)


def _masses(xp: Namespace[Array], low: Array | None, high: Array | None, k: Array, loc: Array, scale: Array) -> Pieces:
    def pieces(x: Array) -> tuple[Piece, Piece]:
        lengths = scale * k, scale / k
        return laplace.mass(xp, x, low, -1.0, loc, *lengths), laplace.mass(xp, x, high, 1.0, loc, *lengths)

    return pieces


FAMILY = located(
    Family(
        about=r"""
        Density :math:`e^{-\rho((x - \mu) / \sigma)} / (\sigma (\kappa + 1/\kappa))`, with :math:`\rho(y) = \kappa y`
        above 0 and :math:`-y / \kappa` below: exponential on either side, of means :math:`\sigma \kappa` below and
        :math:`\sigma / \kappa` above.

        :param loc: :math:`\mu`; number or array, broadcast with the others.
        :param scale: :math:`\sigma > 0`.
        :param asymmetry: :math:`\kappa > 0`.
        """,
        parameters={"asymmetry": "positive"},
        support=(-math.inf, math.inf),
        log_density=log_density,
        log_tails=log_tails,
        slopes=(_dy_dk,),
        scores=(_score_y, _score_k),
        tails_are_closed=True,
        quantile=Quantile(find, log_density, (_dy_dk,)),
        entropy=lambda xp, k: 1.0 + xp.log(k + 1.0 / k),
        mean=lambda xp, k: 1.0 / k - k,
        variance=lambda xp, k: 1.0 / k / k + k * k,
        kink=lambda xp, k: 0.0 * k,
    ),
    masses=_masses,
)
