"""The exponent of a tail of Beta(a, b) and where to cut it; symbols as in `families/beta`."""

from __future__ import annotations

import math

from ..namespace import Array, Namespace
from .elementary import expm1mx, log1pmx_near_0
from .quadrature import depth


def outwards(
    xp: Namespace[Array], y: Array, zeta: Array, complement: Array, lower: Array, alpha: Array, n: Array, slope: Array
) -> tuple[Array, Array]:
    """(y + ell or -ell, E) at y: how far the score and the exponent have risen."""
    sign = 2.0 * lower - 1.0
    if xp.has_guard_digits:
        ell = xp.log(complement + zeta * xp.exp(-y))
        return lower * y + sign * ell, alpha * y + n * ell
    # E = slope y + n g with g = ell + zeta y, symmetric under zeta -> 1 - zeta, y -> -y.  With m the smaller of the
    # two and v = m expm1(s y), g = log1p(v) - m s y, or m h(s y) + log1pmx(v) where that would cancel.
    beyond = zeta > complement
    m = xp.where(beyond, complement, zeta)  # of a minimum, autodiff would take half of either where they are equal
    far = xp.indicator(beyond, like=y)
    s = (2.0 * far - 1.0) * y
    h = expm1mx(xp, s)
    v = m * (h + s)
    log1p_v = xp.log1p(v)
    near, remainder = log1pmx_near_0(xp, v)
    g = xp.where(near, m * h + remainder, log1p_v - m * s)
    return xp.abs(lower - far) * y + sign * log1p_v, slope * y + n * g


def cut_of(
    xp: Namespace[Array], zeta: Array, complement: Array, alpha: Array, other: Array, slope: Array, outward: Array
) -> Array:
    """A y near the root of E(y) = depth.

    :param other: n - alpha, and `outward` -log(zeta / complement).
    """
    zeta, complement, alpha, other, slope, outward = map(
        xp.stop_gradient, (zeta, complement, alpha, other, slope, outward)
    )
    fall, n, product = depth(xp, zeta), alpha + other, zeta * complement
    # E >= alpha log1p(complement expm1(y)) + other log(complement)
    log1mexp = -xp.softplus(-outward)
    rise = (fall - other * log1mexp) / alpha
    bound = xp.softplus(xp.log(-xp.expm1(-rise)) + rise - log1mexp)
    y = 2.0 * fall / (slope + xp.sqrt(slope * slope + 2.0 * fall * n * product))
    y = xp.minimum(y, bound)
    # with the smaller of zeta and complement, or of alpha y and n ell little would be left where alpha is large
    beyond = zeta > complement
    m, power = xp.where(beyond, complement, zeta), xp.where(beyond, -other, alpha)
    sign = 2.0 * xp.indicator(beyond, like=y) - 1.0
    far = 0.9 * math.log(float(xp.finfo(y).max))
    for _ in range(2):
        t = xp.expm1(sign * xp.minimum(y, far))
        v = m * t
        gap = power * y + n * xp.log1p(v) - fall
        y = xp.minimum(y - gap / (slope + n * product * (xp.abs(t) / (1.0 + v))), bound)
    return y
