"""The masses on either side of x in units of the density there, as integrals with moving ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Generic, NamedTuple

from ..namespace import Array, Namespace
from .quadrature import gauss_legendre, is_double


class Piece(NamedTuple, Generic[Array]):
    """A or B, as mass * exp(log_unit)."""

    mass: Array
    log_unit: Array
    """without derivative"""


Pieces = Callable[[Array], tuple[Piece[Array], Piece[Array]]]
"""x -> (A, B), differentiable in x and in what it closes over"""


@cache
def rule(n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return gauss_legendre(n)


def integral(xp: Namespace, f: Callable, first: Array, last: Array, nodes_f32: int, nodes_f64: int) -> Array:
    """int_first^last f(tau) dtau, the ends held constant."""
    first, last = xp.stop_gradient(first), xp.stop_gradient(last)
    span = last - first
    nodes, weights = rule(nodes_f64 if is_double(xp, span) else nodes_f32)
    return span * xp.integrate(lambda v: f(first + span * v), nodes, weights, like=span)[0]


def moving_end(xp: Namespace, f: Callable, end: Array) -> Array:
    """0, with the derivatives of int^end f: the two-point rule from end to end is right to the fourth order.

    (The derivative of a whole rule would have the absolute accuracy of its largest term, not that of f(end).)
    """
    fixed = xp.stop_gradient(end)
    nodes, _ = rule(2)
    return 0.5 * (end - fixed) * (f(fixed + nodes[0] * (end - fixed)) + f(fixed + nodes[1] * (end - fixed)))
