"""The density of log z, z ~ Gamma(a, 1), over a, z**a exp(-z) / Gamma(a + 1), and the point at which it is taken."""

from __future__ import annotations

import math
from typing import Generic, NamedTuple

from ..namespace import Array, Namespace
from .elementary import (
    compensated,
    horner,
    log1pmx,
    log_quotient,
    log_split,
    positive,
    times_log1pmx,
    two_sum,
)
from .gamma_function import HALF_LOG_2PI, STIRLING, log_gamma1p, stirling
from .in_two import keeps_rests, log_in_two, quotient, times_log1pmx_terms


class Point(NamedTuple, Generic[Array]):
    """z in three forms; `excess` is z - a, with the digits that rounding z to its dtype would cost it."""

    z: Array
    log_z: Array
    excess: Array
    rest: Array | float
    """of its own rounding, and without derivative"""
    error: Array | float = 0.0
    """of z's rounding, likewise"""


def log_front(xp: Namespace[Array], at: Point[Array], a: Array) -> Array:
    """log(z**a exp(-z) / Gamma(a + 1)), the density of log z over a."""
    return log_front_times(xp, at, a, 1.0 / xp.sqrt(xp.where(a < 1.0, 1.0, a)))


def log_front_times(xp: Namespace[Array], at: Point[Array], a: Array, unit: Array) -> Array:
    """`log_front` and the logarithm of a factor: of `unit` where a < 1, of unit sqrt(a) beyond.

    (Its own -log(a)/2 and that of the factor are of one size, and need not be rounded apart.)
    """
    small, few, many, log_ratio = _front_shapes(xp, at, a)
    large = times_log1pmx(xp, many, xp.where(small, 0.0, at.excess), at.rest, log_ratio)
    large = large - (HALF_LOG_2PI + stirling(xp, many))
    log_unit, rest = log_split(xp, unit)
    return (xp.where(small, few * at.log_z - at.z - log_gamma1p(xp, few), large) + log_unit) + rest


def density_of_log(xp: Namespace[Array], z: Array, a: Array) -> Array:
    """z**a exp(-z) / Gamma(a), z > 0, in few operations of float64: to 1e-13 where it is above 1e-50, with guard
    digits to 1e-7."""
    most, few_by = (MOST_SINGLE, density_of_few_single) if xp.has_guard_digits else (MOST_FEW, density_of_few)
    few = a <= most
    far = density_of_many(xp, xp.where(few, most, z), xp.where(few, most, a))
    return xp.where(few, few_by(xp, xp.where(few, z, 1.0), xp.where(few, a, 1.0)), far)


MOST_FEW, MOST_SINGLE = 200.0, 1e8
"""of a: `density_of_few` rounds z / a, which costs a times the spacing"""


def density_of_few(xp: Namespace[Array], z: Array, a: Array) -> Array:
    """The same for a <= `MOST_FEW`: by Stirling's formula at a + 8, in less time than a `lgamma`."""
    return _density_by_steps(xp, z, a, 8, STIRLING)


def density_of_few_single(xp: Namespace[Array], z: Array, a: Array) -> Array:
    """The same to 1e-7, for a <= `MOST_SINGLE`."""
    return _density_by_steps(xp, z, a, 4, STIRLING[:3])


def _density_by_steps(xp: Namespace[Array], z: Array, a: Array, n: int, terms: tuple[float, ...]) -> Array:
    top = a + float(n)
    r, pair = 1.0 / top, a * (a + (n - 1.0))
    product = pair
    for k in range(1, n // 2):  # (a + k) (a + n - 1 - k)
        product = product * (pair + float(k * (n - 1 - k)))
    fall = a * xp.log(z * r) - (n - 0.5) * xp.log(top) + (top - z) - r * horner(r * r, terms)
    return xp.exp(fall) * (product * (1.0 / math.sqrt(2.0 * math.pi)))


def density_of_many(xp: Namespace[Array], z: Array, a: Array) -> Array:
    """For a >= 20, by Stirling's formula."""
    r = 1.0 / a
    fall = a * log1pmx(xp, (z - a) * r, xp.log(z * r)) - r * horner(r * r, STIRLING)
    return xp.sqrt((0.5 / math.pi) * a) * xp.exp(fall)


def front_in_two(xp: Namespace[Array], at: Point[Array], a: Array) -> tuple[Array, Array | None]:
    """`log_front`, and in float32 arithmetic what its rounding has left: of -75 up to 4e-6."""
    if not keeps_rests(xp, a):
        return log_front(xp, at, a), None
    small, few, many, log_ratio = _front_shapes(xp, at, a)
    ratio, rest = quotient(xp, at.z, at.error, many, 0.0)
    excess, excess_rest = xp.where(small, at.z, at.excess), xp.where(small, at.error, at.rest)
    log_ratio = xp.maximum(xp.where(small, at.log_z, log_ratio), -0.1 * math.sqrt(float(xp.finfo(a).max)))
    logarithm = log_in_two(xp, ratio, rest, log_ratio)  # of z = 0 it has no end
    terms = times_log1pmx_terms(xp, a, excess, excess_rest, logarithm, xp.indicator(small, like=a))
    constant = xp.where(small, log_gamma1p(xp, few), HALF_LOG_2PI + stirling(xp, many))
    log_unit, unit_rest = log_split(xp, 1.0 / xp.sqrt(many))
    return compensated(xp, terms[0], unit_rest, *terms[1:], -constant, log_unit)


def _front_shapes(xp: Namespace[Array], at: Point[Array], a: Array) -> tuple[Array, Array, Array, Array]:
    """(whether a < 1, a where it is, a elsewhere, log(z / a) there)"""
    small = a < 1.0
    few, many = xp.where(small, a, 0.5), xp.where(small, 1.0, a)
    plain = at.z > float(xp.finfo(at.z).tiny)
    return small, few, many, xp.where(plain, log_quotient(xp, positive(xp, at.z), many), at.log_z - xp.log(many))


def tamed(xp: Namespace[Array], z: Array, log_z: Array | None, a: Array, error: Array | float = 0.0) -> Point[Array]:
    """The logarithm from z where z is a normal number, which is sharper, and z held in the range of its dtype."""
    limits = xp.finfo(z)
    largest = 0.1 * float(limits.max)
    if xp.has_guard_digits:  # and a range to spare
        least = float(limits.tiny) ** 4
        held = xp.clip(z, least, largest)
        of_held = xp.log(held)
        log_z = of_held if log_z is None else xp.where(z > least, of_held, log_z)  # a power may underflow here too
        return Point(held, log_z, held - a, 0.0)
    normal = (z > float(limits.tiny)) & (z < largest)
    z = xp.minimum(z, largest)
    inside = xp.log(xp.where(normal, z, 1.0))
    log_z = inside if log_z is None else xp.where(normal, inside, xp.minimum(log_z, math.log(largest)))
    excess, rest = two_sum(xp, z, -a)
    excess, rest = two_sum(xp, excess, rest + error)
    return Point(z, log_z, excess, rest, error)
