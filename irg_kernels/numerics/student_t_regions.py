"""Student-t: the derivative of log|t| in nu at fixed quantile, by one integral on either side of the score's zero;
symbols as in `families/student_t`, and q = t**2 / nu.

Where the score s is positive at t, the integral is over t' = t v, 0 < v < 1; elsewhere over t' = t exp(y), y > 0.  With
p = t'**2 / nu the integrands are s(p) exp(-(nu + 1) / 2 (log1p(p) - log1p(q))), times exp(y) in the second case: one
logarithm and one or two exponentials a node.

The terms of s, of size t'**2 / nu, nearly cancel for a large nu, and their rounding is t'**2 nu eps of s.  In float64
that leaves the digits of float32 (guard digits) for nu <= MOST.
"""

from __future__ import annotations

from typing import Any

from ..namespace import Array, Namespace
from .elementary import horner
from .quadrature import Rule, depth, is_double, tail_rule

NODES_F32, NODES_F64 = 12, 34
MOST = 1e8


def place(xp: Namespace[Array], q: Array, log_q: Array, nu: Array) -> tuple[Array, ...]:
    """What the functions below read, arrays of one shape: q, log q, nu, C of max(nu, 2), and 1 where the score is
    positive at t and 0 elsewhere."""
    q = xp.minimum(q, 1e30)  # beyond, the derivative is held, so that nothing overflows
    # the first term left out is 1e-8 or 1e-14 of it
    c = c_of(xp, xp.maximum(nu, 2.0), *((8, 9) if is_double(xp, nu) else (3, 7)))
    return q, log_q, nu, c, xp.indicator(_score(xp, q, xp.log1p(q), c, 1.0 + 1.0 / nu) > 0.0, like=q)


def is_moderate(xp: Namespace[Array], q: Array, log_q: Array, nu: Array, *_: Array) -> Array:
    return (nu >= 2.0) & (nu <= MOST)


def is_inward(xp: Namespace[Array], q: Array, log_q: Array, nu: Array, c: Array, inward: Array) -> Array:
    return is_moderate(xp, q, log_q, nu) & (inward > 0.5)


def inward(xp: Namespace[Array], q: Array, log_q: Array, nu: Array, c: Array, _: Array) -> tuple[Array]:
    """(d log|t| / d nu,), for elements that are `is_inward`."""
    power, rule = 0.5 * (nu + 1.0), _rule(xp, nu)
    start, factor = power * xp.log1p(q), 1.0 + 1.0 / nu

    def integrand(u: Array) -> Array:
        v = 1.0 - u
        p = q * (v * v)
        log1p_p = xp.log1p(p)
        return _score(xp, p, log1p_p, c, factor) * xp.exp(xp.addcmul(start, power, log1p_p, -1.0))

    (total,) = xp.integrate(integrand, rule.nodes, rule.weights, like=q)
    return (-0.5 * total,)


def outward(xp: Namespace[Array], q: Array, log_q: Array, nu: Array, c: Array, _: Array) -> tuple[Array]:
    """(d log|t| / d nu,), for elements that are `is_moderate` and not `is_inward`."""
    power, rule = 0.5 * (nu + 1.0), _rule(xp, nu)
    log1p_q, factor = xp.log1p(q), 1.0 + 1.0 / nu
    start, cut = power * log1p_q, _cut(xp, q, nu)

    def integrand(u: Array) -> Array:
        y = cut * u
        p = q * xp.exp(2.0 * y)
        log1p_p = xp.log1p(p)
        return _score(xp, p, log1p_p, c, factor) * xp.exp(xp.addcmul(start + y, power, log1p_p, -1.0))

    (total,) = xp.integrate(integrand, rule.nodes, rule.weights, like=q)
    return (0.5 * cut * total,)


def _rule(xp: Namespace[Array], like: Array) -> Rule:
    return tail_rule(NODES_F64 if is_double(xp, like) else NODES_F32)


def _score(xp: Namespace[Array], p: Array, log1p_p: Array, c: Array, factor: Array) -> Array:
    """2 s(p); `factor` is 1 + 1 / nu."""
    return xp.addcmul(c - log1p_p, p / (1.0 + p), factor)


def _cut(xp: Namespace[Array], q: Array, nu: Array) -> Array:
    """A y near the root of E(y) = (nu + 1)/2 log1p(kappa expm1(2 y)) - y = depth, for t > 1."""
    kappa, fall, next_nu = q / (1.0 + q), depth(xp, nu), nu + 1.0
    scaled = next_nu * kappa
    slope = xp.maximum(scaled - 1.0, 0.0)
    y = 2.0 * fall / (slope + xp.sqrt(slope * slope + 4.0 * fall * scaled / (1.0 + q)))
    bound = (fall - 0.5 * next_nu * xp.log(kappa)) / nu
    y = xp.minimum(y, bound)
    for _ in range(2):
        e = kappa * xp.expm1(2.0 * y)
        gap = 0.5 * next_nu * xp.log1p(e) - y - fall
        y = xp.minimum(y - gap / (next_nu * (e + kappa) / (1.0 + e) - 1.0), bound)
    return y


def c_of(xp: Namespace[Array], nu: Array, steps: int, terms: int) -> Array:
    """C(nu) > 0: `steps` times C(nu) = C(nu + 2) + 2 / (nu (nu + 1) (nu + 2)), then sum_k (4**k - 1) B_2k / (k nu**2k).

    With `terms` of that sum.
    """
    total: Any = 0.0
    for j in range(steps):
        m = nu + 2.0 * j
        total = total + 2.0 / (m * (m + 1.0) * (m + 2.0))
    r = 1.0 / (nu + 2.0 * steps)
    r2 = r * r
    return total + r2 * horner(r2, C_SERIES[:terms])


# (4**k - 1) B_2k / k, from psi(x + 1/2) - psi(x) and DLMF 5.11.2
C_SERIES = (1 / 2, -1 / 4, 1 / 2, -17 / 8, 31 / 2, -691 / 4, 5461 / 2, -929569 / 16, 3202291 / 2)
