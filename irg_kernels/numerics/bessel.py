"""log I0 and I1/I0 as functions of kappa, with what cancels in them taken out.

symbol    meaning
deficit   1 - I1(kappa)/I0(kappa)
B_f       the Bregman divergence f(x) - f(y) - (x - y) f'(y)
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from ..namespace import Array, Namespace
from .elementary import expm1mx_near_0, horner, horner_rise, log1pmx
from .gamma_function import power_bregman
from .quadrature import is_double


def deficit(xp: Namespace[Array], kappa: Array) -> Array:
    """1 - I1(kappa)/I0(kappa), kappa >= 0, to full relative accuracy.

    Below `start` the midpoint rule for the integrals of DLMF 10.32.1, exponentially accurate on a period; above, the
    asymptotic series.  The native i0e and i1e would lose a factor 2 kappa to cancellation.
    """
    start, rises, terms = _rule(xp, kappa)
    is_small = kappa < start
    small = xp.where(is_small, kappa, 0.0)
    mean, mass = xp.integrate(lambda rise: xp.exp(-small * rise), rises, rises, (1.0,) * len(rises), like=small)
    r = 1.0 / xp.where(is_small, start, kappa)
    return xp.where(is_small, mean / mass, r * horner(r, asymptotic(terms)))


def mean_cosine(xp: Namespace[Array], kappa: Array) -> Array:
    """I1(kappa)/I0(kappa), kappa >= 0, to full relative accuracy: below `start` as kappa E[sin(t)**2], by parts."""
    start, rises, _ = _rule(xp, kappa)
    is_small = kappa < start
    small = xp.where(is_small, kappa, 0.0)
    squares = tuple(rise * (2.0 - rise) for rise in rises)
    square, mass = xp.integrate(lambda rise: xp.exp(-small * rise), rises, squares, (1.0,) * len(rises), like=small)
    return xp.where(is_small, kappa * square / mass, 1.0 - deficit(xp, kappa))


def cosine_variance(xp: Namespace[Array], kappa: Array) -> Array:
    """The derivative of I1/I0, kappa >= 0, to full relative accuracy: the variance of a cosine, by the same two."""
    start, rises, terms = _rule(xp, kappa)
    is_small = kappa < start
    small = xp.where(is_small, kappa, 0.0)
    ones, squares = (1.0,) * len(rises), tuple(rise * rise for rise in rises)
    square, mean, mass = xp.integrate(lambda rise: xp.exp(-small * rise), rises, squares, rises, ones, like=small)
    mean = mean / mass
    r = 1.0 / xp.where(is_small, start, kappa)
    series = r * r * horner(r, [k * c for k, c in enumerate(asymptotic(terms), start=1)])
    return xp.where(is_small, square / mass - mean * mean, series)


def log_i0e(xp: Namespace[Array], kappa: Array) -> Array:
    """log(exp(-kappa) I0(kappa)), kappa >= 0, by the same two.

    The mean is taken of exp(...) - 1 near 0, where the logarithm is small, and of exp(...) beyond: at kappa = 15 it is
    .1, and 1 - .9 would lose a digit.
    """
    if xp.has_guard_digits:
        return xp.log(xp.i0e(kappa))
    start, rises, terms = _rule(xp, kappa)
    is_small = kappa < start
    small = xp.where(is_small, kappa, 0.0)
    near = small < 1.5
    weights = (1.0 / len(rises),) * len(rises)
    (mean,) = xp.integrate(
        lambda rise: xp.where(near, xp.expm1(-small * rise), xp.exp(-small * rise)), rises, weights, like=small
    )
    below = xp.where(near, xp.log1p(xp.where(near, mean, 0.0)), xp.log(xp.where(near, 1.0, mean)))
    r = 1.0 / xp.where(is_small, start, kappa)
    e = asymptotic(terms)
    series = r * horner(r, [c / (k + 1.0) for k, c in enumerate(e[1:])])
    return xp.where(is_small, below, 0.5 * xp.log(r) - 0.5 * math.log(2.0 * math.pi) + series)


NEAR = 4.0
"""the kappa up to which the power series serves `log_i0_rise`"""


def log_i0_rise(xp: Namespace[Array], kappa: Array, v: Array) -> tuple[Array, Any]:
    """(the rise of log I0 or of log(exp(-kappa) I0) from kappa to kappa e**v, where it is that of the former).

    Neither it nor its derivatives cancel for a small v, nor for a small kappa, where the former serves.
    """
    step, other = kappa * xp.expm1(v), kappa * xp.exp(v)
    near = xp.maximum(kappa, other) < NEAR
    q, q_step, q_other = (
        0.25 * xp.where(near, value, 0.0) for value in (kappa * kappa, step * (kappa + other), other * other)
    )
    series = [1.0 / math.factorial(k) ** 2 for k in range(17 if is_double(xp, v) or xp.has_guard_digits else 10)]
    by_series = xp.log1p(horner_rise(q, q_step, q_other, series) / horner(q, series))
    kappa, other = xp.where(near, NEAR, kappa), xp.where(near, NEAR, other)
    step, v = xp.where(near, 0.0, step), xp.where(near, 0.0, v)
    if xp.has_guard_digits:
        return xp.where(near, by_series, xp.log(xp.i0e(other)) - xp.log(xp.i0e(kappa))), near
    start, rises, terms = _rule(xp, kappa)
    low, low_other = xp.minimum(kappa, start), xp.minimum(other, start)
    inside, outside = xp.maximum(kappa, other) < start, xp.minimum(kappa, other) > start
    low_step = xp.where(inside, step, low_other - low)
    small = xp.abs(low_step) < 1.5
    ones = (1.0,) * len(rises)
    (mass,) = xp.integrate(lambda rise: xp.exp(-low * rise), rises, ones, like=low)

    def moved(rise: Array) -> Array:
        return xp.exp(-low * rise) * xp.where(small, xp.expm1(-low_step * rise), xp.exp(-low_step * rise))

    share = xp.integrate(moved, rises, ones, like=low_step)[0] / mass
    below = xp.where(small, xp.log1p(xp.where(small, share, 0.0)), xp.log(xp.where(small, 1.0, share)))
    r, r_other = 1.0 / xp.maximum(kappa, start), 1.0 / xp.maximum(other, start)
    r_step = xp.where(outside, r * xp.expm1(-v), r_other - r)
    fall = xp.where(outside, v, xp.log(xp.where(outside, 1.0, r / r_other)))
    e = [0.0, *(c / (k + 1.0) for k, c in enumerate(asymptotic(terms)[1:]))]
    above = horner_rise(r, r_step, r_other, e) - 0.5 * fall
    return xp.where(near, by_series, below + above), near


def _rule(xp: Namespace[Array], like: Array) -> tuple[float, tuple[float, ...], int]:
    """(start, 2 v at the nodes of the midpoint rule, terms of the asymptotic series)."""
    start, points, terms = (48.0, 32, 14) if is_double(xp, like) else (16.0, 14, 8)
    return start, tuple(2.0 * math.sin(0.5 * math.pi * (j + 0.5) / points) ** 2 for j in range(points)), terms


@cache
def asymptotic(terms: int) -> tuple[float, ...]:
    """e_k of deficit ~ sum_{k >= 1} e_k / kappa**k, from the Riccati equation of I1/I0 (DLMF 10.29.2)."""
    e = [0.5]
    for k in range(2, terms + 1):
        e.append(0.5 * ((k - 2) * e[-1] + sum(e[i] * e[k - 2 - i] for i in range(k - 1))))
    return tuple(e)


def bregman_log_i0(xp: Namespace[Array], x: Array, y: Array) -> Array:
    """B_f(x, y), f = log I0(kappa) - kappa: by the two formulas of `deficit`, joined at its start s.

    B(x, y) = B(x, s) + B(s, y) + (x - s) (f'(s) - f'(y)); whichever of x and y is the smaller, no term is negative.
    """
    start, rises, terms = _rule(xp, y)
    low_x, low_y = xp.where(x < start, x, start), xp.where(y < start, y, start)
    high_x, high_y = xp.where(x < start, start, x), xp.where(y < start, start, y)
    # f(x) - f(y) - (x - y) f'(y) = log E[exp(-d (2v - E[2v]))] under y
    d, mean = low_x - low_y, deficit(xp, low_y)
    ones = (1.0,) * len(rises)
    (mass,) = xp.integrate(lambda rise: xp.exp(-low_y * rise), rises, ones, like=low_y)
    (spread,) = xp.integrate(
        lambda rise: xp.exp(-low_y * rise) * expm1mx_near_0(xp, -d * (rise - mean)), rises, ones, like=low_y
    )
    small = xp.log1p(spread / mass)
    gap = high_x - high_y
    e = [c / (k + 1.0) for k, c in enumerate(asymptotic(terms)[1:])]
    large = -0.5 * log1pmx(xp, gap / high_y, xp.log(high_x) - xp.log(high_y))
    large = large + power_bregman(1.0 / high_x, 1.0 / high_y, gap, tuple(e[0::2]), tuple(e[1::2]))
    at_start = deficit(xp, start + 0.0 * y)
    joint = (high_x - start) * (mean - at_start) + (low_x - start) * (deficit(xp, high_y) - at_start)
    return small + large + joint
