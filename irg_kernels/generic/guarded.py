"""Functions of a record's, with arguments in another order and limits at the ends of their domain.

Inside the domain stands the record's formula; at its ends the limits, of the derivatives too; elsewhere NaN.  A limit
of a derivative that moves with x is written as value + (x - end) slope, so that one more derivative is right there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..namespace import Array, Namespace
from ..numerics.elementary import finite
from .family import Family, Function, from_coordinate, quantile_of


def reordered(function: Function, order: Sequence[int], *constants: float) -> Function:
    """The function with argument order[k] in its k-th place, then the constants."""

    def arranged(args: tuple[Array, ...]) -> tuple[Array, ...]:
        return (*(args[k] for k in order), *(c + 0.0 * args[0] for c in constants))

    def value(xp: Namespace[Array], *args: Array) -> Array:
        return function.value(xp, *arranged(args))

    def at(partial: Callable) -> Callable:
        return lambda xp, result, *args: partial(xp, result, *arranged(args))

    place = {k: i for i, k in enumerate(order)}
    return Function(value, tuple(at(function.partials[place[k]]) for k in range(len(order))))  # type: ignore[arg-type]


class Domain(NamedTuple):
    """Where a function of `args` stands by its formula, where by limits, and where it is no number."""

    rest: tuple[float, ...]
    """some point inside, and last the result there: what the formula is given for elements outside"""
    inside: Callable
    """(xp, *args) -> where the formula serves"""
    valid: Callable
    """(xp, *args) -> where there is a value, by the formula or a limit; elsewhere it is NaN"""
    limits: Callable
    """(xp, *args) -> the limits of the value and of each derivative, for elements where the formula does not serve"""
    moves: Callable | None = None
    """(xp, *args) -> where the formulas of the derivatives serve, if at more points than that of the value"""
    taken: Callable | None = None
    """(xp, *args) -> the arguments that the formula is given, if not `args` themselves"""


def guarded(function: Function, domain: Domain) -> Function:
    """The function with limits at the ends of its domain and NaN beyond, in its derivatives too."""

    def safe(xp: Namespace[Array], where: Array, args: tuple[Array, ...]) -> tuple[Array, ...]:
        taken = domain.taken(xp, *args) if domain.taken else args
        return tuple(xp.where(where, x, r) for x, r in zip(taken, domain.rest[:-1], strict=True))

    def value(xp: Namespace[Array], *args: Array) -> Array:
        inside = domain.inside(xp, *args)
        limit = xp.where(domain.valid(xp, *args), domain.limits(xp, *args)[0], math.nan)
        return xp.where(inside, function.value(xp, *safe(xp, inside, args)), limit)

    def at(k: int) -> Callable:
        def partial(xp: Namespace[Array], result: Array, *args: Array) -> Array:
            moves = (domain.moves or domain.inside)(xp, *args)
            result = xp.where(moves, result, domain.rest[-1])
            limit = xp.where(domain.valid(xp, *args), domain.limits(xp, *args)[1 + k], math.nan)
            return xp.where(moves, function.partials[k](xp, result, *safe(xp, moves, args)), limit)  # type: ignore[misc]

        return partial

    return Function(value, tuple(map(at, range(len(function.partials)))), domain.inside, function)


def moving_limit(xp: Namespace[Array], end: Array, x: Array, at: float, slope: Array) -> Array:
    """`end`, with the derivative `slope` in x where x = at, held in the range of its dtype."""
    return end + xp.where(equal(x, at), x - at, 0.0) * finite(xp, slope)


def equal(x: Array, y: Array | float) -> Array:
    return (x <= y) & (x >= y)


def zero_like(xp: Namespace[Array], like: Array) -> Array:
    """0 in the shape and dtype of an array that may hold infinities and NaN."""
    return xp.indicator(like < -math.inf, like=like)


def choose(xp: Namespace[Array], like: Array, *cases: tuple[Array, float], otherwise: float = 0.0) -> Array:
    """For each element the number beside the first condition that holds, in the shape and dtype of `like`."""
    found = otherwise + zero_like(xp, like)
    for condition, value in reversed(cases):
        found = xp.where(condition, value, found)
    return found


def inverse_of(family: Family, *, upper: bool = False) -> Function:
    """x with P(X <= x) = q, or P(X > x) = q, of (q, *params); 0 or infinity where it leaves the range of its dtype."""
    quantile = family.quantile
    if quantile is None:
        raise NotImplementedError("the family has no quantile function")
    find = quantile_of(quantile).value

    def value(xp: Namespace[Array], q: Array, *params: Array) -> Array:
        masses = (1.0 - q, q) if upper else (q, 1.0 - q)
        y = find(xp, *masses, *params)
        if quantile.refine is not None:
            return quantile.refine(xp, y, *masses, *params)
        return from_coordinate(xp, quantile.coordinate, y)

    def by_q(xp: Namespace[Array], x: Array, q: Array, *params: Array) -> Array:
        return xp.exp(-family.log_density(xp, x, *params)) * (-1.0 if upper else 1.0)

    def at(slope: Callable) -> Callable:
        return lambda xp, x, q, *params: slope(xp, x, *params)

    return Function(value, (by_q, *map(at, family.slopes)))
