"""The upper tail of Gamma(a, 1) for small a and z, where 1 minus the lower one would cancel.

By DLMF 8.7.1, and with u = a log z - log Gamma(a + 1),

    1 - Q(a, z) = exp(u) (1 + a T),    T = sum_{n > 0} (-z)**n / (n! (a + n)),

so that Q = -expm1(u) - exp(u) a T, which at most divides by 4.
"""

from __future__ import annotations

from typing import Any

from ..namespace import Array, Namespace
from .gamma_function import log_gamma1p

MOST_A, MOST_Z = 0.1, 1.1
TERMS = 17
"""the first one left out is 1e-16 of Q"""


def serves(xp: Namespace[Array], a: Array, z: Array) -> Array:
    return (a > 0.0) & (a <= MOST_A) & (z > 0.0) & (z <= MOST_Z)


def upper(xp: Namespace[Array], a: Array, z: Array) -> Array:
    """Q(a, z), for elements that it `serves`, in float64: to 1e-15 or so."""
    power: Any = 1.0
    total: Any = 0.0
    for n in range(1, TERMS + 1):
        power = power * (z * (-1.0 / n))
        total = total + power / (a + float(n))
    u = a * xp.log(z) - log_gamma1p(xp, a)
    grown = xp.expm1(u)
    return -grown - (1.0 + grown) * (a * total)
