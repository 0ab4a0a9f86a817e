"""Elementary functions written so that nothing cancels; shared by several families.

With a namespace of spare precision (one that computes in float64 for an answer in float32) the short formula is
exact enough, and each of these becomes it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..namespace import Array, Namespace
from .quadrature import is_double


def horner(x: Array, coefficients: Sequence[float]) -> Array:
    """sum_k coefficients[k] x**k."""
    total: Any = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def along_axis(xp: Namespace, values: Sequence[float], like: Array, *, before: int = 0, after: int = 0) -> Array:
    """The constants along an axis of their own, which stands before those of `like`, others before and after it."""
    return xp.constant(tuple(values), like=like).reshape((1,) * before + (-1,) + (1,) * (after + like.ndim))


def expm1mx(xp: Namespace, t: Array) -> Array:
    """h(t) = exp(t) - 1 - t to full relative accuracy, without a branch.

    Near 0 by Taylor's series; a larger argument is split as t = s + r with |s| at most the series' radius, and
    h(s + r) = h(s) + exp(s) expm1(r) - r.
    """
    if xp.has_guard_digits:
        return xp.exp(t) - (1.0 + t)
    return expm1mx_near_0(xp, t)


def expm1mx_near_0(xp: Namespace, t: Array) -> Array:
    """The same where t may be so small that spare precision does not help."""
    # the first omitted term, 2 t**k / (k + 2)!, is 1e-8 in float32 (k = 6) and 2e-17 in float64 (k = 8)
    radius, terms = (0.05, 8) if is_double(xp, t) else (0.25, 6)
    s = xp.minimum(xp.maximum(t, -radius), radius)
    r = t - s
    h = s * s * horner(s, [1.0 / math.factorial(k + 2) for k in range(terms)])
    return h + ((1.0 + s + h) * xp.expm1(r) - r)


def log1pmx_near_0(xp: Namespace, t: Array) -> tuple[Array, Array]:
    """(near, log(1 + t) - t where near): near 0 the difference needs a series, elsewhere the caller's form is good."""
    # the first omitted term is below eps of the result
    radius, terms = (0.15, 7) if is_double(xp, t) else (0.25, 4)
    near = xp.abs(t) < radius
    return near, _log1pmx_series(xp.where(near, t, 0.0), terms)


def log1pmx(xp: Namespace, t: Array, log1p_t: Array) -> Array:
    """log(1 + t) - t <= 0 to full relative accuracy, t > -1.

    :param log1p_t: log(1 + t), given where t may have lost it (t near -1).
    """
    # |s| <= 0.54: the first omitted term is 4e-8 and 2e-16 of the result; beyond, the difference costs two bits at most
    terms = 28 if is_double(xp, t) else 12
    near = (t > -0.7) & (t < 2.0)
    return xp.where(near, _log1pmx_series(xp.where(near, t, 0.0), terms), xp.where(near, 0.0, log1p_t) - t)


def _log1pmx_series(t: Array, terms: int) -> Array:
    """With s = t / (2 + t), log1p(t) = 2 artanh(s) gives log1p(t) - t = 2 s**3 (1/3 + s**2/5 + ...) - t s."""
    s = t / (2.0 + t)
    s2 = s * s
    return 2.0 * s * s2 * horner(s2, [1.0 / (2 * k + 3) for k in range(terms)]) - t * s


def both_log_tails(xp: Namespace, log_direct: Array, is_lower: Array) -> tuple[Array, Array]:
    """(log lower, log upper) from the logarithm of the one of them that was integrated."""
    other = log1mexp(xp, log_direct)
    return xp.where(is_lower, log_direct, other), xp.where(is_lower, other, log_direct)


def log1mexp(xp: Namespace, log_p: Array) -> Array:
    """log(1 - exp(log_p)), log_p <= 0."""
    log_p = xp.minimum(log_p, 0.0)
    near = log_p > -math.log(2.0)
    much, little = xp.where(near, log_p, -1.0), xp.where(near, -1.0, log_p)
    return xp.where(near, xp.log(-xp.expm1(much)), xp.log1p(-xp.exp(little)))


def digamma_terms(xp: Namespace, like: Array) -> tuple[int, tuple[float, ...]]:
    """(x0, c): psi(x) = log x - 1/(2x) - sum_k c[k] / x**(2k + 2) for x >= x0, to eps/10 (DLMF 5.11.2, B_2k / 2k)."""
    if is_double(xp, like):
        return 10, (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)
    return 4, (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132)


def digamma_minus_log(xp: Namespace, x: Array) -> Array:
    """psi(x) - log(x) for x > 0: the asymptotic series, below its start after the recurrence psi(x) = psi(x + 1) - 1/x.

    Not the native digamma, whose derivative in torch (polygamma) has nine digits.
    """
    start, coefficients = digamma_terms(xp, x)
    small = xp.minimum(x, float(start))
    shifted = xp.where(x < start, small + float(start), xp.maximum(x, float(start)))
    r = 1.0 / shifted
    series = -r * (0.5 + r * horner(r * r, coefficients))
    steps = xp.log1p(float(start) / small)
    for j in range(start):
        steps = steps - 1.0 / (small + float(j))
    return xp.where(x < start, series + steps, series)


def positive(xp: Namespace, x: Array) -> Array:
    """x, or the least normal number where x is less."""
    return xp.maximum(x, float(xp.finfo(x).tiny))
