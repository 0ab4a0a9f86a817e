"""The masses on either side of x in units of the density there, as integrals with moving ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Generic, NamedTuple

from ..namespace import Array, Namespace
from .quadrature import gauss_legendre


class Piece(NamedTuple, Generic[Array]):
    """A or B, as mass * exp(log_unit)."""

    mass: Array
    log_unit: Array
    """without derivative"""


Pieces = Callable[[Array], tuple[Piece[Array], Piece[Array]]]
"""x -> (A, B), differentiable in x and in what it closes over"""


def largest_exponent(xp: Namespace[Array], like: Array) -> float:
    """Whose exponential is in range: a larger unit belongs to an x of no probability."""
    return 0.95 * math.log(float(xp.finfo(like).max))


@cache
def rule(n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return gauss_legendre(n)


def moving_end(xp: Namespace[Array], f: Callable, end: Array, count: int = 1) -> list[Array]:
    """0, with the derivatives of int^end t**k f(t) dt for k < count: the two-point rule from end to end is right to the
    fourth order.

    (The derivative of a whole rule would have the absolute accuracy of its largest term, not that of f(end).)

    :param f: elementwise, of arrays that may have an axis more in front.
    """
    fixed = xp.stop_gradient(end)
    change = end - fixed
    ends = xp.stack([fixed + node * change for node in rule(2)[0]])
    values = 0.5 * change * f(ends)  # at once, which XLA compiles once
    return [xp.sum(values * ends**k if k else values, axis=0) for k in range(count)]
