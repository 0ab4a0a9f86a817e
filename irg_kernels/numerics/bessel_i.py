"""The modified Bessel function of the first kind of any order nu > -1, free of what cancels or leaves its range.

symbol   meaning
mu       nu + 1 > 0
f_j      I_{j - 1} / I_j over 2 j / z, which is 1 + z**2 / (4 j (j + 1)) / f_{j + 1}       (DLMF 10.29.1)
h_j      d log(j f_j) / dj = (1 / j - (f_j - 1) h_{j + 1}) / f_j
n        mu + SHIFT, an order at which Debye's expansion serves
R, p     sqrt(n**2 + z**2) and n / R
D        logarithm of Debye's series, sum_k P_k(p**2) / R**k                     (DLMF 10.41.3, 10.41.9)

log I_n = R - n arcsinh(n / z) - log(2 pi R) / 2 + D; from there down by f, of which no term is negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any, Generic, NamedTuple

from ..namespace import Array, Namespace
from .elementary import horner, hypot
from .quadrature import is_double


class Bessel(NamedTuple, Generic[Array]):
    """I_nu from I_n, I_nu = I_n prod_{j = mu, ..., n} (2 j f_j / z)."""

    n: Array
    root: Array
    """R"""
    series: Array
    """D"""
    log_product: Array
    """sum_j log(j f_j / its unit)"""
    slope: Array
    """the derivative in mu of D + sum_j log(j f_j), where asked for"""
    more: Array
    """f_mu - 1"""
    factors: tuple[Array, ...]
    """j f_j for j = n, ..., mu"""


def shift_of(xp: Namespace[Array], like: Array) -> int:
    """SHIFT: with 9 terms of D in float64 and 5 in float32 all is right to its rounding."""
    return 24 if is_double(xp, like) else 5


def bessel_i(
    xp: Namespace[Array], mu: Array, z: Array, units: Sequence[Array] | None = None, *, sloped: bool = True
) -> Bessel[Array]:
    """mu > 0, z >= 0; a differentiable expression.

    :param units: of the factors, such as those at another z.
    """
    shift, terms = shift_of(xp, mu), 9 if is_double(xp, mu) else 5
    n = mu + float(shift)
    root, series, f, slope, h = _debye(xp, n, z, terms, sloped)
    total, part, half, more = 0.0 * f, 1.0 + 0.0 * f, 0.5 * z, 0.0 * f
    factors: list[Array] = []
    for k in range(shift + 1):
        order = mu + float(shift - k)
        more = (half / order) * (half / (order + 1.0) / f)
        f = 1.0 + more
        if sloped:
            h = (1.0 / order - more * h) / f
            slope = slope + h
        factors.append(order * f)
        part = part * (factors[-1] if units is None else factors[-1] / units[k])
        if k % 4 == 3 or k == shift:  # a product of more would overflow
            total, part = total + xp.log(part), 1.0 + 0.0 * f
    return Bessel(n, root, series, total, slope, more, tuple(factors))


def _debye(
    xp: Namespace[Array], n: Array, z: Array, terms: int, sloped: bool
) -> tuple[Array, Array, Array, Array, Array]:
    """(R, D, f_{n + 1}, dD / dn, h_{n + 1})"""
    root = hypot(xp, n, z)
    r = 1.0 / root
    p, share = n * r, (z * r) * (z * r)
    q, polynomials = p * p, _log_debye(terms)
    values: list[Any] = [horner(q, c) for c in polynomials]
    first: list[Any] = [horner(q, [i * a for i, a in enumerate(c)][1:]) for c in polynomials]
    # I_{n + 1} / (z I_n) = 1 / (R + n) - 1 / (2 R**2) + (dD / dz) / z
    sums: list[Any] = [k * v + 2.0 * q * d for k, (v, d) in enumerate(zip(values, first, strict=True), start=1)]
    ratio = 1.0 / (root + n) - r * r * (0.5 + r * horner(r, sums))
    series, f = r * horner(r, values), 0.5 / (n + 1.0) / ratio
    if not sloped:
        return root, series, f, 0.0 * f, 0.0 * f
    # in n, r falls by n r**3 and q grows by 2 p (1 - q) r
    by_n = r * r * p * (2.0 * share * horner(r, first) - horner(r, [k * v for k, v in enumerate(values, start=1)]))
    second: list[Any] = [horner(q, [i * (i - 1) * a for i, a in enumerate(c)][2:] or [0.0]) for c in polynomials]
    turns: list[Any] = [
        (k + 2.0) * d + 2.0 * q * e for k, (d, e) in enumerate(zip(first, second, strict=True), start=1)
    ]
    falls = 1.0 + r * horner(r, [(k + 2.0) * v for k, v in enumerate(sums, start=1)])
    ratio_by_n = r * r * r * (p * falls - 2.0 * p * share * r * horner(r, turns)) - r / (root + n)
    return root, series, f, by_n, -ratio_by_n / ratio


@cache
def _log_debye(terms: int) -> tuple[tuple[float, ...], ...]:
    """The coefficients of P_1, ..., each of degree k, by the recurrence of U_k and the logarithm of a power series."""
    u: list[list[Fraction]] = [[Fraction(1)]]  # U_k(p) by powers of p
    for _ in range(terms):
        last = u[-1]
        new = [Fraction(0)] * (len(last) + 3)
        for i, c in enumerate(last):
            new[i + 1] += c * (Fraction(i, 2) + Fraction(1, 8) / (i + 1))
            new[i + 3] -= c * (Fraction(i, 2) + Fraction(5, 8) / (i + 3))
        u.append(new)
    d: list[list[Fraction]] = [[]]
    for k in range(1, terms + 1):
        found = list(u[k])
        for j in range(1, k):
            for a, x in enumerate(d[j]):
                for b, y in enumerate(u[k - j]):
                    found[a + b] -= Fraction(j, k) * x * y
        d.append(found)
    return tuple(tuple(float(c) for c in d[k][k::2]) for k in range(1, terms + 1))
