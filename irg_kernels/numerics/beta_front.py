"""The density of the logit of z ~ Beta(a, b), z**a w**b / B(a, b), w = 1 - z, and the point at which it is taken."""

from __future__ import annotations

from typing import Generic, NamedTuple

from ..namespace import Array, Namespace
from .elementary import compensated, log_split, times_log1pmx, two_sum
from .gamma_function import HALF_LOG_2PI, stirling
from .in_two import keeps_rests, log_in_two, product, quotient, times_log1pmx_terms


class Place(NamedTuple, Generic[Array]):
    """A point of (0, 1) in all its forms, each to full relative accuracy; `delta` is a w - b z."""

    z: Array
    w: Array
    log_z: Array
    log_w: Array
    delta: Array
    rest: Array | float = 0.0
    """what rounding has left of delta; it has no derivative"""
    z_rest: Array | float = 0.0
    """what rounding has left of z, likewise"""
    w_rest: Array | float = 0.0
    """and of w"""

    def mirrored(self) -> Place:
        return Place(self.w, self.z, self.log_w, self.log_z, -self.delta, -self.rest, self.w_rest, self.z_rest)


def log_density_at(xp: Namespace[Array], at: Place, a: Array, b: Array, unit: Array | float = 1.0) -> Array:
    """log(z**a w**b / B(a, b) / unit) by Stirling's formula about the mean; for unit 1 the log-density of logit z."""
    total = a + b
    if xp.has_guard_digits:
        log_beta = xp.lgamma(a) + xp.lgamma(b) - xp.lgamma(total)
        return a * at.log_z + b * at.log_w - log_beta - xp.log(unit + 0.0 * a)
    fall = times_log1pmx(xp, a, -at.delta, -at.rest, _log_product(xp, at.z, at.log_z, total / a))
    fall = fall + times_log1pmx(xp, b, at.delta, at.rest, _log_product(xp, at.w, at.log_w, total / b))
    remainder = stirling(xp, a) + stirling(xp, b) - stirling(xp, total)
    larger, smaller = xp.maximum(a, b), xp.minimum(a, b)
    root = xp.sqrt(smaller) * xp.sqrt(larger / total)
    unit = unit + 0.0 * root
    inside = root < float(xp.finfo(root).max) * unit  # next to 0 a unit of z may be too small to divide by
    log_ratio, rest = log_split(xp, xp.stop_gradient(root / xp.where(inside, unit, root)))
    away = xp.log(root) - xp.log(unit)
    # which has the derivative: times a tiny density that through the quotient underflows on its way
    log_unit = xp.where(inside, log_ratio + (away - xp.stop_gradient(away)), away)
    return ((fall - (HALF_LOG_2PI + remainder)) + log_unit) + rest


def density_in_two(xp: Namespace[Array], at: Place, a: Array, b: Array) -> tuple[Array, Array | None]:
    """(`log_density_at`, what rounding has left of it): up to 4e-6 at -75 in float32; None where there is no need."""
    if not keeps_rests(xp, a):
        return log_density_at(xp, at, a, b), None
    total, total_rest = two_sum(xp, a, b)

    def fall(z: Array, z_rest: Array | float, log_z: Array, a: Array, delta: Array, rest: Array | float) -> tuple:
        normal = xp.where(z > float(xp.finfo(z).tiny), z, 0.0)  # a smaller z was held; log_z is right
        part = quotient(xp, *product(xp, normal, z_rest, total, total_rest), a, 0.0)
        logarithm = log_in_two(xp, *part, log_z + xp.log(total / a))
        return times_log1pmx_terms(xp, a, delta, rest, logarithm)

    head, *terms = fall(at.z, at.z_rest, at.log_z, a, -at.delta, -at.rest)
    others = fall(at.w, at.w_rest, at.log_w, b, at.delta, at.rest)
    remainder = stirling(xp, a) + stirling(xp, b) - stirling(xp, total)
    larger, smaller = xp.maximum(a, b), xp.minimum(a, b)
    log_unit, rest = log_split(xp, xp.sqrt(smaller) * xp.sqrt(larger / total))
    return compensated(xp, head, rest, *terms, *others, -(HALF_LOG_2PI + remainder), log_unit)


def _log_product(xp: Namespace[Array], z: Array, log_z: Array, ratio: Array) -> Array:
    """log(z ratio), ratio >= 1, rounded once where z has not underflowed."""
    normal = z > float(xp.finfo(z).tiny)
    return xp.where(normal, xp.log(xp.where(normal, z, 1.0) * ratio), log_z + xp.log(ratio))
