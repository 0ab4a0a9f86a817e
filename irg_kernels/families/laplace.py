"""Laplace: closed forms, and its masses about a point, whose density has an edge at its location.

symbol   meaning
y        standardised value, (x - loc) / scale
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..generic.family import Family, Quantile, located
from ..namespace import Array, Namespace
from ..numerics.elementary import log1mexp
from ..numerics.masses import Piece, Pieces, moving_end, rule
from ..numerics.quadrature import depth, is_double
from ..numerics.roots import logarithm

# nodes for one way from the edge; 2e-7 and 1e-13
NODES_F32, NODES_F64 = 18, 36


def log_density(xp: Namespace[Array], y: Array) -> Array:
    return -xp.abs(y) - math.log(2.0)


def log_tails(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    outside = -xp.abs(y) - math.log(2.0)
    inside = log1mexp(xp, outside)
    return xp.where(y < 0.0, outside, inside), xp.where(y < 0.0, inside, outside)


def _quantile(xp: Namespace[Array], q: Array, one_minus_q: Array) -> Array:
    size = -(logarithm(xp, xp.minimum(q, one_minus_q)) + math.log(2.0))
    return xp.copysign(xp.maximum(size, 0.0), q - one_minus_q)


def masses(xp: Namespace[Array], low: Array | None, high: Array | None, loc: Array, scale: Array) -> Pieces:
    """Apart from the others, since the edge of the density moves with `loc`."""

    def pieces(x: Array) -> tuple[Piece, Piece]:
        return _mass(xp, x, low, -1.0, loc, scale), _mass(xp, x, high, 1.0, loc, scale)

    return pieces


def _mass(xp: Namespace[Array], x: Array, end: Array | None, sign: float, loc: Array, scale: Array) -> Piece:
    """Up to the edge or the bound, whichever is first, and from there on.

    The nodes beyond the edge stay where they are as it moves: masses added and taken away there would cancel.
    """
    most = depth(xp, x) * xp.stop_gradient(scale)
    to_edge = sign * (loc - x)
    # at the edge itself both pieces lie on one side of it
    rising = xp.where(to_edge > 0.0 if sign < 0.0 else to_edge >= 0.0, to_edge, 0.0)
    to_end = xp.stop_gradient(rising) + 2.0 * most
    if end is not None:
        to_end = xp.where(xp.abs(end) <= float(xp.finfo(x).max), sign * (end - x), to_end)
    first = rising > to_end
    rising = xp.where(first, to_end, rising)
    last = xp.stop_gradient(rising)
    top = last / xp.stop_gradient(scale)
    nodes, weights = rule(NODES_F64 if is_double(xp, x) else NODES_F32)

    def integral(f: Callable, start: Array, span: Array) -> Array:
        return span * xp.integrate(lambda u: f(start + span * u), nodes, weights, like=span)[0]

    def rises(t: Array) -> Array:
        return xp.exp(t / scale - top)

    def falls(t: Array) -> Array:
        """t from where the edge is."""
        return xp.exp((rising / scale - top) + ((rising - last) - t) / scale)

    def bends(t: Array) -> Array:
        """Between where the edge is and where it moves to."""
        return -rises(t) * xp.expm1(2.0 * (rising - t) / scale)

    span, after = xp.minimum(last, most), xp.where(first, 0.0, to_end - last)
    mass = integral(rises, last - span, span) + moving_end(xp, rises, xp.where(first, to_end, last))[0]
    mass = mass + moving_end(xp, bends, xp.where(first, last, rising))[0]
    rest = integral(falls, 0.0 * span, xp.minimum(xp.stop_gradient(after), most))
    return Piece(mass + rest + moving_end(xp, falls, after)[0], top)


STANDARD = Family(
    parameters={},
    support=(-math.inf, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(),
    tails_are_closed=True,
    quantile=Quantile(_quantile, log_density, ()),
    entropy=lambda xp: 1.0 + math.log(2.0),
    mean=lambda xp: 0.0,
    variance=lambda xp: 2.0,
)

FAMILY = located(STANDARD, masses=masses)
