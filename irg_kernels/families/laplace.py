"""Laplace: closed forms, and its masses about a point, whose density has an edge at its location.

symbol   meaning
y        standardised value, (x - loc) / scale
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..generic.derived import located
from ..generic.family import Family, Quantile
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
        return mass(xp, x, low, -1.0, loc, scale, scale), mass(xp, x, high, 1.0, loc, scale, scale)

    return pieces


def mass(
    xp: Namespace[Array], x: Array, end: Array | None, sign: float, loc: Array, below: Array, above: Array
) -> Piece:
    """Up to the edge or the bound, whichever is first, and from there on; `below` and `above` are the lengths in which
    the density falls off on either side of the edge.

    The nodes beyond the edge stay where they are as it moves: masses added and taken away there would cancel.
    """
    up, down = (below, above) if sign > 0.0 else (above, below)
    far_up, most = (depth(xp, x) * xp.stop_gradient(length) for length in (up, down))
    to_edge = sign * (loc - x)
    # at the edge itself both pieces lie on one side of it
    rising = xp.where(to_edge > 0.0 if sign < 0.0 else to_edge >= 0.0, to_edge, 0.0)
    to_end = xp.stop_gradient(rising) + 2.0 * most
    if end is not None:
        to_end = xp.where(xp.abs(end) <= float(xp.finfo(x).max), sign * (end - x), to_end)
    first = rising > to_end
    rising = xp.where(first, to_end, rising)
    last = xp.stop_gradient(rising)
    top = last / xp.stop_gradient(up)
    nodes, weights = rule(NODES_F64 if is_double(xp, x) else NODES_F32)

    def integral(f: Callable, start: Array, span: Array) -> Array:
        return span * xp.integrate(lambda u: f(start + span * u), nodes, weights, like=span)[0]

    def rises(t: Array) -> Array:
        return xp.exp(t / up - top)

    def falls(t: Array) -> Array:
        """t from where the edge is."""
        return xp.exp((rising / up - top) + ((rising - last) - t) / down)

    def bends(t: Array) -> Array:
        """Between where the edge is and where it moves to."""
        return -rises(t) * xp.expm1((rising - t) / up + (rising - t) / down)

    span, after = xp.minimum(last, far_up), xp.where(first, 0.0, to_end - last)
    found = integral(rises, last - span, span) + moving_end(xp, rises, xp.where(first, to_end, last))[0]
    found = found + moving_end(xp, bends, xp.where(first, last, rising))[0]
    rest = integral(falls, 0.0 * span, xp.minimum(xp.stop_gradient(after), most))
    return Piece(found + rest + moving_end(xp, falls, after)[0], top)


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
    kink=lambda xp: 0.0,
)

FAMILY = located(STANDARD, masses=masses)
