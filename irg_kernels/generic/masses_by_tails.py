"""Masses of a truncated distribution from the tails of its base, for one whose density is not integrated."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..namespace import Array, Namespace
from ..numerics.masses import Piece, Pieces, largest_exponent


class Base(NamedTuple):
    """A univariate distribution: functions of x, differentiable in x and in the parameters that they close over."""

    log_tails: Callable
    """x -> (log F, log S)"""
    log_density: Callable
    is_dense_at_ends: bool = False
    """whether `log_density` is that of the inside at an end of the support too"""
    ends: tuple[Any, Any] = (-math.inf, math.inf)
    """of the support, as far as they are known; constants"""


def masses_by_tails(xp: Namespace[Array], base: Base, low: Array | None, high: Array | None, within: Array) -> Pieces:
    """From the tails, whose digits cancel in a narrow interval; `masses_by_density` serves where the density is known.

    :param within: some point of the support, in the shape of the bounds.
    """
    at_low, at_high = _tails_at(xp, base, low, within, 0), _tails_at(xp, base, high, within, 1)
    ends = _end_at(xp, base, low, within, 0), _end_at(xp, base, high, within, 1)

    def pieces(x: Array) -> tuple[Piece, Piece]:
        log_p, (lower, upper) = base.log_density(x), base.log_tails(x)
        # in a gap of a mixture any unit serves: a mass over no density is no number
        log_p = xp.where(log_p < -float(xp.finfo(log_p).max), 0.0, log_p)
        below = _difference(xp, lower, upper, at_low, log_p)
        above = _difference(xp, upper, lower, at_high and at_high[::-1], log_p)
        return _moved(xp, below, ends[0], log_p), _moved(xp, above, ends[1], log_p)

    return pieces


def _nothing(xp: Namespace[Array], like: Array) -> float:
    """The logarithm of a tail that is empty: below that of any other, though a number."""
    return -0.5 * float(xp.finfo(like).max)


def _tails_at(
    xp: Namespace[Array], base: Base, bound: Array | None, within: Array, which: int
) -> tuple[Array, Array] | None:
    """(log F, log S) at a bound, (nothing, 0) and (0, nothing) where it cuts nothing off."""
    if bound is None:
        return None
    empty = _is_end(xp, base, bound, within, which)
    tails = base.log_tails(xp.where(empty, within, bound))
    nothing = _nothing(xp, bound)
    open_ended = (nothing, 0.0) if which == 0 else (0.0, nothing)
    lower, upper = (xp.where(empty, value, tail) for value, tail in zip(open_ended, tails, strict=True))
    return lower, upper


def _is_end(xp: Namespace[Array], base: Base, bound: Array, within: Array, which: int) -> Array:
    """Whether a bound cuts nothing off; at an infinite one, or a known end, tails and their derivatives may be no
    numbers."""
    fixed = xp.stop_gradient(bound)
    outside = (fixed <= base.ends[0]) if which == 0 else (fixed >= base.ends[1])
    outside = outside | (xp.abs(fixed) > float(xp.finfo(bound).max))
    tail = base.log_tails(xp.where(outside, within, fixed))[which]
    return outside | (tail < -float(xp.finfo(bound).max))


def _end_at(
    xp: Namespace[Array], base: Base, bound: Array | None, within: Array, which: int
) -> tuple[Array, Array] | None:
    """(how a bound at the end of the support moves inwards, 0 in value, and log p there)."""
    if bound is None or not base.is_dense_at_ends:
        return None
    fixed = xp.stop_gradient(bound)
    at_end = _is_end(xp, base, bound, within, which) & (xp.abs(fixed) < math.inf)
    moved = xp.where(at_end, bound, 0.0) - xp.where(at_end, fixed, 0.0)
    return moved if which else -moved, xp.stop_gradient(base.log_density(xp.where(at_end, fixed, within)))


def _moved(xp: Namespace[Array], piece: Piece, end: tuple[Array, Array] | None, log_p: Array) -> Piece:
    """With the derivative that an end's motion brings, where its tail says nothing of it."""
    if end is None:
        return piece
    moved, log_end = end
    unit = xp.exp(xp.minimum(log_end - xp.stop_gradient(log_p) - piece.log_unit, largest_exponent(xp, log_p)))
    return Piece(piece.mass + moved * unit, piece.log_unit)


def _difference(
    xp: Namespace[Array], near: Array, far: Array, at_bound: tuple[Array, Array] | None, log_p: Array
) -> Piece:
    """(F(x) - F(l)) / p(x), or with survival functions where those are smaller; near, far = log F, log S."""
    if at_bound is None:
        unit = xp.stop_gradient(near - log_p)
        return Piece(xp.exp(near - log_p - unit), unit)
    other_side = at_bound[1] < near
    more = xp.where(other_side, at_bound[1], near) - log_p
    less = xp.where(other_side, far, at_bound[0]) - log_p
    unit = xp.stop_gradient(xp.maximum(more, less))
    unit = xp.maximum(unit, _nothing(xp, unit))
    mass = xp.exp(more - unit) - xp.exp(less - unit)
    return Piece(xp.maximum(mass, 0.0), unit)
