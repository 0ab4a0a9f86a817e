"""AsymmetricLaplaceQuantile: exponential on either side of loc, of which q lies below.

symbol   meaning
y        (x - loc) / scale
q        quantile
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


def _fall(xp: Namespace[Array], y: Array, q: Array) -> Array:
    """|y| (1 - q) below and |y| q above."""
    return xp.abs(y) * xp.where(y < 0.0, 1.0 - q, q)


def log_density(xp: Namespace[Array], y: Array, q: Array) -> Array:
    return xp.log(q) + xp.log1p(-q) - _fall(xp, y, q)


def _score_y(xp: Namespace[Array], y: Array, q: Array) -> Array:
    """At the edge, the mean of both sides."""
    return xp.where(y < 0.0, 1.0 - q, xp.where(y > 0.0, -q, 0.5 - q))


def _score_q(xp: Namespace[Array], y: Array, q: Array) -> Array:
    return (1.0 - 2.0 * q) / q / (1.0 - q) - y


def log_tails(xp: Namespace[Array], y: Array, q: Array) -> tuple[Array, Array]:
    share = xp.where(y < 0.0, xp.log(q), xp.log1p(-q))
    return both_log_tails(xp, share - _fall(xp, y, q), y < 0.0)


def _dy_dq(xp: Namespace[Array], y: Array, q: Array) -> Array:
    return xp.where(y < 0.0, (y - 1.0 / q) / (1.0 - q), -(1.0 / (1.0 - q) + y) / q)


def _find(xp: Namespace[Array], p: Array, one_minus_p: Array, q: Array) -> Array:
    log_p, log_rest = (
        xp.where(mass < other, logarithm(xp, mass), xp.log1p(-xp.where(mass < other, 0.5, other)))
        for mass, other in ((p, one_minus_p), (one_minus_p, p))
    )
    below, above = xp.log(q), xp.log1p(-q)
    return xp.where(log_p < below, (log_p - below) / (1.0 - q), -xp.minimum(log_rest - above, 0.0) / q)


def _masses(xp: Namespace[Array], low: Array | None, high: Array | None, q: Array, loc: Array, scale: Array) -> Pieces:
    def pieces(x: Array) -> tuple[Piece, Piece]:
        lengths = scale / (1.0 - q), scale / q
        return laplace.mass(xp, x, low, -1.0, loc, *lengths), laplace.mass(xp, x, high, 1.0, loc, *lengths)

    return pieces


FAMILY = located(
    Family(
        about=r"""
        Density :math:`q (1 - q) / \sigma \exp(-\rho((x - \mu) / \sigma))`, with :math:`\rho(y) = q y` above 0 and
        :math:`(q - 1) y` below: of its mass q lies below :math:`\mu`.

        :param loc: :math:`\mu`; number or array, broadcast with the others.
        :param scale: :math:`\sigma > 0`.
        :param quantile: :math:`0 < q < 1`.
        """,
        parameters={"quantile": "open_interval 0 1"},
        support=(-math.inf, math.inf),
        log_density=log_density,
        log_tails=log_tails,
        slopes=(_dy_dq,),
        scores=(_score_y, _score_q),
        tails_are_closed=True,
        quantile=Quantile(_find, log_density, (_dy_dq,)),
        entropy=lambda xp, q: 1.0 - xp.log(q) - xp.log1p(-q),
        mean=lambda xp, q: (1.0 - 2.0 * q) / q / (1.0 - q),
        variance=lambda xp, q: 1.0 / q / q + 1.0 / (1.0 - q) / (1.0 - q),
        kink=lambda xp, q: 0.0 * q,
    ),
    masses=_masses,
)
