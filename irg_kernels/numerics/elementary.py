"""Elementary functions written so that nothing cancels; shared by several families.

With a namespace of spare precision (one that computes in float64 for an answer in float32) the short formula is
exact enough, and each of these becomes it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..namespace import Array, Namespace
from ..numerics.quadrature import is_double


def horner(x: Array, coefficients: Sequence[float]) -> Array:
    """sum_k coefficients[k] x**k."""
    *rest, total = coefficients
    for c in reversed(rest):
        total = total * x + c
    return total


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


def log1p_remainder(xp: Namespace, t: Array) -> tuple[Array, Array]:
    """(near, t - log1p(t) where near): near 0 the difference needs a series, elsewhere the caller's own form is good.

    With s = t / (2 + t), log1p(t) = 2 artanh(s) gives t - log1p(t) = t s - 2 s**3 (1/3 + s**2/5 + ...).
    """
    # the first omitted term is below eps of the result
    radius, terms = (0.15, 7) if is_double(xp, t) else (0.25, 4)
    near = xp.abs(t) < radius
    u = xp.where(near, t, 0.0)
    s = u / (2.0 + u)
    s2 = s * s
    return near, u * s - 2.0 * s * s2 * horner(s2, [1.0 / (2 * k + 3) for k in range(terms)])


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
