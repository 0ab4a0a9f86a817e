"""Beta(a, b) in the logit x: the derivatives of x in a and in b at fixed quantile from one tail integral.

`families/beta` takes an integral for each.  Here differences of the integrals below cancel some digits, so that the
arithmetic must be float64 for answers in float32 (guard digits); symbols as in `families/beta`.

Of the tail in use, the lower one say, with M_f = int_0^inf f(y) exp(-E(y)) dy over the one weight, and k and k' the
scores of a and b,

    P = z (a + b) M_ell - z M_1,    Q = z (a + b) M_1 + 1,

    dx/da = (P - k Q + z (a + b) M_y + Q / a) / a,    dx/db = (P - k' Q) / a:

the second is the upper tail's formula in the mirror image, for which `families/beta` takes the same tail but where k'
is far below 0.
"""

from __future__ import annotations

from typing import Generic, NamedTuple

from ..namespace import Array, Namespace
from .quadrature import depth, is_double, tail_rule

# worst error over shapes 1e-6..1e8 and quantiles 1e-12..1 - 1e-12: 1.2e-6
NODES_F32, NODES_F64 = 15, 36


class Place(NamedTuple, Generic[Array]):
    """What the functions below read, arrays of one shape; w = 1 - z."""

    x: Array
    a: Array
    b: Array
    z: Array
    w: Array
    log_z: Array
    log_w: Array
    k_a: Array
    """the score of a"""
    k_b: Array
    """that of b; anything where dx/da alone is wanted"""


def place(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Place[Array]:
    """Of a logit x and shapes a, b > 0, arrays of one shape."""
    psi = xp.digamma(xp.stack([a, b, a + b]))
    log_w = -xp.softplus(x)
    log_z = x + log_w
    k_a, k_b = log_z + (psi[2] - psi[0]), log_w + (psi[2] - psi[1])
    return Place(x, a, b, xp.sigmoid(x), xp.sigmoid(-x), log_z, log_w, k_a, k_b)


def place_of_first(xp: Namespace[Array], x: Array, a: Array, b: Array, psi_of_sum: Array) -> Place[Array]:
    """The same where dx/da alone is wanted, psi(a + b) being known."""
    log_w = -xp.softplus(x)
    log_z = x + log_w
    k_a = log_z + (psi_of_sum - xp.digamma(a))
    return Place(x, a, b, xp.sigmoid(x), xp.sigmoid(-x), log_z, log_w, k_a, k_a)


def place_of_both(xp: Namespace[Array], z: Array, w: Array, a: Array, b: Array, psi_of_sum: Array) -> Place[Array]:
    """The same from z and 1 - z, neither of them 0."""
    log_z, log_w = xp.log(z), xp.log(w)
    k_a = log_z + (psi_of_sum - xp.digamma(a))
    return Place(log_z - log_w, a, b, z, w, log_z, log_w, k_a, k_a)


def _is_lower(at: Place[Array]) -> Array:
    """Whether the lower tail is in use: z lies below (a + 1/2) / (a + b + 1), about the mean."""
    return at.a * at.w - at.b * at.z + 0.5 * (at.w - at.z) > 0.0


def is_common(xp: Namespace[Array], *at: Array) -> Array:
    """Whether `both` is exact enough: both derivatives can take the same tail, and what is formed of the scores keeps
    its digits."""
    of = Place(*at)
    score = xp.where(_is_lower(of), of.k_b * (1.0 + of.b) + 2.0 * of.a, of.k_a * (1.0 + of.a) + 2.0 * of.b)
    return (score >= 0.0) & _are_near(xp, of)


def is_first(xp: Namespace[Array], *at: Array) -> Array:
    """Whether `first` is exact enough."""
    of = Place(*at)
    return (_is_lower(of) | (of.k_a * (1.0 + of.a) + 2.0 * of.b >= 0.0)) & _are_near(xp, of)


def _are_near(xp: Namespace[Array], of: Place[Array]) -> Array:
    """Whether neither shape is tiny: the score of a tiny a is nearly 1 / a, and beside it that of a large b is nearly
    a / b, as a difference of digammas; what counts is lost in either."""
    return xp.minimum(of.a, of.b) > 1e-7 * (1.0 + of.a + of.b)


def both(xp: Namespace[Array], *at: Array) -> tuple[Array, Array]:
    """(dx/da, dx/db), for elements of a `Place` that are `is_common`."""
    of = Place(*at)
    lower, shape, p, q, beyond = _parts(xp, of)
    r, s = xp.addcmul(p, of.k_a, q, -1.0), xp.addcmul(p, of.k_b, q, -1.0)
    return xp.where(lower, r + beyond, -r) / shape, xp.where(lower, s, -(s + beyond)) / shape


def first(xp: Namespace[Array], *at: Array) -> tuple[Array]:
    """(dx/da,), for elements of a `Place` that are `is_first`."""
    of = Place(*at)
    lower, shape, p, q, beyond = _parts(xp, of)
    r = xp.addcmul(p, of.k_a, q, -1.0)
    return (xp.where(lower, r + beyond, -r) / shape,)


def _parts(xp: Namespace[Array], of: Place[Array]) -> tuple[Array, ...]:
    """(whether the lower tail is in use, the shape that belongs to the tail in use, P, Q, what the derivative in that
    shape has in addition)"""
    lower = _is_lower(of)
    zeta, complement = xp.where(lower, of.z, of.w), xp.where(lower, of.w, of.z)
    shape, log_complement = xp.where(lower, of.a, of.b), xp.where(lower, of.log_w, of.log_z)
    total = of.a + of.b
    mass, by_ell, by_y = _moments(xp, zeta, complement, log_complement, shape + 1.0, total + 1.0)
    front = zeta * total
    q = front * mass + 1.0
    return lower, shape, xp.addcmul(front * by_ell, zeta, mass, -1.0), q, xp.addcmul(q / shape, front, by_y)


def _moments(
    xp: Namespace[Array], zeta: Array, complement: Array, log_complement: Array, alpha: Array, n: Array
) -> tuple[Array, Array, Array]:
    """(M_1, M_ell, M_y)"""
    cut = _cut(xp, zeta, complement, log_complement, alpha, n)
    rule = tail_rule(NODES_F64 if is_double(xp, cut) else NODES_F32)

    def integrand(u: Array) -> Array:
        y = cut * u
        ell = xp.log(xp.addcmul(complement, zeta, xp.exp(-y)))
        weight = xp.exp(-xp.addcmul(alpha * y, n, ell))
        return xp.stack([weight, weight * ell], axis=1)

    sums, firsts = xp.integrate(integrand, rule.nodes, rule.weights, rule.moments, like=xp.stack([cut, cut]))
    return cut * sums[0], cut * sums[1], cut * cut * firsts[0]


def _cut(xp: Namespace[Array], zeta: Array, complement: Array, log_complement: Array, alpha: Array, n: Array) -> Array:
    """A y near the root of E(y) = depth, where the integral may end.  Newton's method starts from the root of E's
    quadratic model; no step goes beyond the root of E's asymptote, which lies below E everywhere."""
    fall, product = depth(xp, zeta), n * zeta
    slope = alpha - product
    bound = (fall - n * log_complement) / alpha
    y = 2.0 * fall / (slope + xp.sqrt(xp.addcmul(slope * slope, product, complement, 2.0 * fall)))
    y = xp.minimum(y, bound)
    for _ in range(2):
        e = zeta * xp.exp(-y)
        s = complement + e
        gap = xp.addcmul(alpha * y - fall, n, xp.log(s))
        y = xp.minimum(y - gap / (alpha - n * e / s), bound)
    return y
