"""log I0 and I1/I0 as functions of kappa, with what cancels in them taken out.

symbol    meaning
deficit   1 - I1(kappa)/I0(kappa)
B_f       the Bregman divergence f(x) - f(y) - (x - y) f'(y)
"""

from __future__ import annotations

import math
from functools import cache

from ..namespace import Array, Namespace
from .elementary import expm1mx_near_0, horner, log1pmx
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
