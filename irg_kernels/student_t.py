"""Student-t with nu degrees of freedom: the derivative of log|t| in nu at fixed quantile (even in t).

    symbol   meaning
    nu, t    degrees of freedom; the draw
    q, x     t**2 / nu, and log q
    C        psi((nu + 1)/2) - psi(nu/2) - 1/nu

The score in nu is s(q) = (C + q / (nu (1 + q)) - [log1p(q) - q / (1 + q)]) / 2, of order 1/nu**2: formed without the
cancelling terms of order 1/nu.  For nu >= 1 the tail integral (Figurnov, Mohamed, Mnih 2018, eq. 4-6; see
`quadrature`) is taken outwards, over t exp(y), where s < 0, and inwards, over t v with v in (0, 1), where s > 0.
For nu < 1, where log|t| has plateaus of length 1/nu, q / (1 + q) ~ Beta(1/2, nu/2) gives

    d log|t| / d nu = 1 / (2 nu) + (dx/db)(x; 1/2, nu/2) / 4.
"""

from __future__ import annotations

import math

from .beta import dlogit_da
from .elementary import horner, log1p_remainder
from .namespace import Array, Namespace
from .quadrature import depth, is_double, tail_integral


def dt_dnu(xp: Namespace, t: Array, nu: Array) -> Array:
    """dt / d nu at fixed quantile."""
    size = xp.maximum(xp.abs(t), float(xp.finfo(t).tiny))
    return t * dlogt_dnu(xp, xp.log(size), nu)


def dlogt_dnu(xp: Namespace, u: Array, nu: Array) -> Array:
    """d log|t| / d nu at fixed quantile, u = log|t|."""
    small = nu < 2.0
    x = 2.0 * u - xp.log(nu)
    few, many = xp.where(small, nu, 0.5), xp.where(small, 2.0, nu)
    heavy = 0.5 / few - 0.25 * dlogit_da(xp, -xp.where(small, x, 0.0), 0.5 * few, 0.5)
    return xp.where(small, heavy, _moderate(xp, xp.where(small, 0.0, u), many))


# worst error: 4e-7 and 1e-13
SINGLE, DOUBLE = 12, 34


def _moderate(xp: Namespace, u: Array, nu: Array) -> Array:
    """d log|t| / d nu for nu >= 1."""
    # beyond this q (a quantile of 1e-15 in float32 at nu = 1) the derivative is held, so that nothing overflows
    q = xp.exp(xp.minimum(2.0 * u, 0.8 * math.log(float(xp.finfo(u).max)))) / nu
    kappa, complement = q / (1.0 + q), 1.0 / (1.0 + q)
    c = _c(xp, nu)

    def score(p: Array) -> Array:
        # log1p(p) - p / (1 + p) starts with p**2 / 2
        ratio = p / (1.0 + p)
        near, remainder = log1p_remainder(xp, p)
        return 0.5 * (c + ratio / nu - xp.where(near, p * ratio - remainder, xp.log1p(p) - ratio))

    power = 0.5 * (nu + 1.0)
    inward = xp.indicator(score(q) > 0.0, like=u)
    cut = _cut(xp, kappa, complement, nu)

    def integrand(y: Array) -> Array:
        # outwards: t exp(y), y > 0, q grows by exp(2 y);  inwards: t (1 + y), -1 < y < 0, q shrinks by (1 + y)**2
        growth = xp.where(inward > 0.5, y * (2.0 + y), xp.expm1(2.0 * y))
        weight = xp.exp((1.0 - inward) * y - power * xp.log1p(kappa * growth))
        return score(q * (1.0 + growth)) * weight

    return tail_integral(xp, integrand, xp.where(inward > 0.5, -1.0, cut), single=SINGLE, double=DOUBLE)


def _cut(xp: Namespace, kappa: Array, complement: Array, nu: Array) -> Array:
    """A y near the root of E(y) = (nu + 1)/2 log1p(kappa expm1(2 y)) - y = depth, for t > 1."""
    kappa, complement, nu = xp.stop_gradient(kappa), xp.stop_gradient(complement), xp.stop_gradient(nu)
    fall = depth(xp, nu)
    slope = xp.maximum((nu + 1.0) * kappa - 1.0, 0.0)
    y = 2.0 * fall / (slope + xp.sqrt(slope * slope + 4.0 * fall * (nu + 1.0) * kappa * complement))
    # E >= nu y + (nu + 1)/2 log(kappa)
    bound = (fall - 0.5 * (nu + 1.0) * xp.log(kappa)) / nu
    y = xp.minimum(y, bound)
    for _ in range(2):
        e = kappa * xp.expm1(2.0 * y)
        gap = 0.5 * (nu + 1.0) * xp.log1p(e) - y - fall
        y = xp.minimum(y - gap / ((nu + 1.0) * (e + kappa) / (1.0 + e) - 1.0), bound)
    return y


def _c(xp: Namespace, nu: Array) -> Array:
    """C(nu) > 0: C(nu) = C(nu + 2) + 2 / (nu (nu + 1) (nu + 2)), then sum_k (4**k - 1) B_2k / (k nu**2k)."""
    steps, terms = (10, 9) if is_double(xp, nu) else (5, 5)
    total = 0.0
    for j in range(steps):
        m = nu + 2.0 * j
        total = total + 2.0 / (m * (m + 1.0) * (m + 2.0))
    r = 1.0 / (nu + 2.0 * steps)
    return total + r * r * horner(r * r, _C_SERIES[:terms])


# (4**k - 1) B_2k / k, from psi(x + 1/2) - psi(x) and DLMF 5.11.2
_C_SERIES = (1 / 2, -1 / 4, 1 / 2, -17 / 8, 31 / 2, -691 / 4, 5461 / 2, -929569 / 16, 3202291 / 2)
