"""I0 and I1 as functions of q = R**2, with differences to full relative accuracy.

    M(q) = I1(R) / (R I0(R)) = 2 d log I0(R) / dq = sum_k 2 / (q + j_k**2),   j_k the zeros of J0,

a Stieltjes function, so that M(q') - M(q) is a sum of terms of one sign, however near q' lies.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

from ..namespace import Array, Namespace
from .bessel import asymptotic
from .elementary import horner
from .quadrature import is_double


class _Rule(NamedTuple):
    start: float
    """R from which the asymptotic series serves"""
    poles: int
    """of the rational function that serves below"""
    terms: int
    """of the series"""


def rule(xp: Namespace[Array], like: Array) -> _Rule:
    # relative error of dM/dq: 2e-7 in float32 and 3e-16 in float64, where they meet
    return _Rule(24.0, 17, 20) if is_double(xp, like) else _Rule(12.0, 8, 9)


@cache
def _poles(n: int) -> tuple[tuple[float, float], ...]:
    """(s, w): M(q) = sum w / (1 + s q), the n-point Gauss rule for M as a Stieltjes function, s ~ 1/j**2 and w ~ 2 s.

    (j the zeros of J0.)  It equals 2 n levels of the continued fraction 1/(2 + q/(4 + q/(6 + ...))) of DLMF 10.33.1:
    the s are the eigenvalues of its Jacobi matrix, by bisection, and the w its residues.
    """
    c = [1.0 / (4.0 * k * (k + 1.0)) for k in range(1, 2 * n)]
    diagonal = [c[0], *(c[2 * k - 1] + c[2 * k] for k in range(1, n))]
    squares = [0.0, *(c[2 * k - 2] * c[2 * k - 1] for k in range(1, n))]

    def below(x: float) -> int:
        count, pivot = 0, 1.0
        for a, b in zip(diagonal, squares, strict=True):
            pivot = (a - x - b / pivot) or 1e-300
            count += pivot < 0.0
        return count

    found = []
    for k in range(n):
        low, high = 0.0, 0.25
        for _ in range(100):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if below(middle) > k else (middle, high)
        q = -1.0 / high
        for _ in range(3):  # two Newton steps, for the least s has few digits, and the slope
            value, slope = 4.0 * n, 0.0
            for level in range(2 * n - 1, 0, -1):
                value, slope = 2.0 * level + q / value, 1.0 / value - q * slope / (value * value)
            root, q = q, q - value / slope
        found.append((-1.0 / root, -1.0 / (root * slope)))
    return tuple(found)


def _series(xp: Namespace[Array], like: Array) -> list[float]:
    """M = sum_k c[k] / R**(k + 1) from `start` on."""
    return [1.0, *(-e for e in asymptotic(rule(xp, like).terms))]


def ratio(xp: Namespace[Array], q: Array) -> Array:
    """M(q)"""
    start, poles, _ = rule(xp, q)
    edge = start * start
    low = xp.minimum(q, edge)
    total = 0.0 * low
    for s, w in _poles(poles):
        total = total + w / (1.0 + s * low)
    high = 1.0 / xp.sqrt(xp.where(q < edge, edge, q))
    return xp.where(q < edge, total, high * horner(high, _series(xp, q)))


def change(xp: Namespace[Array], q_c: Array, q: Array, dq: Array) -> Array:
    """M(q_c) - M(q), q = q_c + dq, to full relative accuracy: by a sum of terms of one sign.

    Beyond `start` by the divided difference of a polynomial in 1/R; between the two sides by both.
    """
    start, poles, _ = rule(xp, q)
    edge = start * start
    inside = (q < edge) & (q_c < edge)
    # not of minima and maxima, of which autodiff takes half where they are equal
    low_c, low = xp.where(q_c < edge, q_c, edge), xp.where(q < edge, q, edge)
    step = xp.where(inside, dq, low - low_c)
    total = 0.0 * step
    for s, w in _poles(poles):
        total = total + (w * s) / ((1.0 + s * low_c) * (1.0 + s * low))
    y_c, y = 1.0 / xp.sqrt(xp.where(q_c < edge, edge, q_c)), 1.0 / xp.sqrt(xp.where(q < edge, edge, q))
    # 1/R_c - 1/R = dq / (R R_c (R + R_c)), of what of dq is left
    reach = xp.where(inside, 0.0, dq - step) * (y * y_c) * (y * y_c) / (y + y_c)
    value, slope = 0.0 * y_c, 0.0 * y_c
    for coefficient in reversed([0.0, *_series(xp, q)]):
        slope = slope * y + value
        value = value * y_c + coefficient
    return step * total + reach * slope


def i0e(xp: Namespace[Array], R: Array) -> Array:
    """exp(-R) I0(R); not the native one at large R, whose derivative cancels there."""
    start, _, terms = rule(xp, R)
    small = R < start
    r = 1.0 / xp.where(small, start, R)
    exponent = r * horner(r, [c / (k + 1.0) for k, c in enumerate(asymptotic(terms)[1:])])
    large = xp.sqrt(r / (2.0 * math.pi)) * xp.exp(exponent)
    return xp.where(small, xp.i0e(xp.minimum(R, start)), large)


def missing(xp: Namespace[Array], R: Array, M: Array) -> Array:
    """1 - I1(R)/I0(R), given M, in absolute accuracy below `start` and in relative accuracy beyond."""
    start, _, terms = rule(xp, R)
    r = 1.0 / xp.where(R < start, start, R)
    return xp.where(R < start, 1.0 - xp.minimum(R, start) * M, r * horner(r, asymptotic(terms)))
