"""The score of a beta distribution in a shape, without what cancels; symbols as in `families/beta`."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple

from ..namespace import Array, Namespace
from .elementary import digamma_terms, expm1mx, log1pmx


def reduced_score(xp: Namespace[Array], z: Array, w: Array, log_z: Array, a: Array, b: Array, delta: Array) -> Array:
    """k0 = log z + psi(a + b) - psi(a) - b / (a (a + b)), to full accuracy beside its terms.

    psi(a + b) - psi(a) = sum_{j < shift} b / ((a + j) (a + b + j)) + log((A + b) / A) + D(A + b) - D(A), A = a + shift,
    D = psi - log by its asymptotic series (DLMF 5.11.2) in divided differences; the logarithm joins log z, since
    z (A + b) / A - 1 = -(delta + shift w) / A.  k0 leaves out the term of j = 0, which the lower tail cancels.
    """
    of = score_parts(xp, z, w, log_z, a, b, delta)
    return of.logarithm + b * of.tail


def level_score(xp: Namespace[Array], z: Array, w: Array, log_z: Array, a: Array, b: Array, delta: Array) -> Array:
    """The score of a where the odds are measured in units of a / b: k + delta / a, whose first order cancels."""
    shift, _ = digamma_terms(xp, a)
    of = score_parts(xp, z, w, log_z, a, b, delta)
    beside = 1.0 / (a * (a + b)) - float(shift) / (a + float(shift)) * z / a
    return log1pmx(xp, of.ratio, of.logarithm) + b * (of.tail + beside)


def level_score_at(xp: Namespace[Array], log_ratio: Array, tail: Array, a: Array, b: Array, is_small: Array) -> Array:
    """The same from the logarithm of z (A + b) / A, and of `tail`, without its term b / (a (a + b)), and where a is
    small without -b z / a."""
    shift, _ = digamma_terms(xp, a)
    large = a + float(shift)
    z = xp.exp(log_ratio) * (large / (large + b))
    beside = xp.where(is_small, z / large, -float(shift) / large * z / a)
    return b * (tail + beside) - expm1mx(xp, log_ratio)


class Parts(NamedTuple, Generic[Array]):
    ratio: Array
    """z (A + b) / A - 1"""
    logarithm: Array
    """log1p of it"""
    tail: Array
    """(D(A + b) - D(A)) / b + sum_{0 < j < shift} 1 / ((a + j) (a + b + j))"""


def score_parts(
    xp: Namespace[Array], z: Array, w: Array, log_z: Array, a: Array, b: Array, delta: Array
) -> Parts[Array]:
    shift, coefficients = digamma_terms(xp, a)
    total = a + b
    large = a + float(shift)
    r, s = 1.0 / large, 1.0 / (large + b)
    ratio = -(delta + float(shift) * w) * r
    near = xp.abs(ratio) < 0.5
    product = log_z + xp.log1p(b * r)
    if not xp.has_guard_digits:  # the two may cancel
        large_z = z > 1e-15
        product = xp.where(large_z, xp.log(xp.where(large_z, z, 1.0) * (1.0 + b * r)), product)
    logarithm = xp.where(near, xp.log1p(xp.where(near, ratio, 0.0)), product)
    r2, s2 = r * r, s * s
    divided: Any = 1.0
    power, series = s2, coefficients[0]
    for coefficient in coefficients[1:]:
        divided = r2 * divided + power
        series = series + coefficient * divided
        power = power * s2
    tail = r * s * (0.5 + (r + s) * series)
    for j in range(1, shift):
        tail = tail + 1.0 / ((a + float(j)) * (total + float(j)))
    return Parts(ratio, logarithm, tail)
