"""The tails of Gamma(a, 1) for small a and z, where 1 minus the lower one would cancel.

By DLMF 8.7.1, and with u = a log z - log Gamma(a + 1),

    1 - Q(a, z) = exp(u) (1 + a T),    T = sum_{n > 0} (-z)**n / (n! (a + n)),

so that Q = -expm1(u) - exp(u) a T, which at most divides by 4.  For answers in float32, u is a log z, and what then
stands for T is a table: (P z**-a - 1) / a, entire in a and z.
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


MOST_Z_BY_TABLE = 3.0


def by_table_serves(xp: Namespace[Array], a: Array, z: Array) -> Array:
    return (a > 0.0) & (a <= 1.0) & (z > 0.0) & (z <= MOST_Z_BY_TABLE)


def lower_by_table(xp: Namespace[Array], a: Array, z: Array) -> Array:
    """P(a, z) to 2e-8."""
    return xp.exp(a * xp.log(z)) * (1.0 + a * xp.bivariate(NEAR_0, z, a))


def upper_by_table(xp: Namespace[Array], a: Array, z: Array) -> Array:
    """Q(a, z), likewise."""
    return _tails_by_table(xp, a, z)[1]


def both_by_table(xp: Namespace[Array], a: Array, z: Array) -> Array:
    """P and Q, along an axis before the others."""
    return xp.stack(_tails_by_table(xp, a, z))


def _tails_by_table(xp: Namespace[Array], a: Array, z: Array) -> tuple[Array, Array]:
    grown = xp.expm1(a * xp.log(z))
    rest = (1.0 + grown) * (a * xp.bivariate(NEAR_0, z, a))
    return (1.0 + grown) + rest, -grown - rest


# from `python -m benchmarks.gamma_uniform`, [j][k] of z**j a**k
# fmt: off
NEAR_0 = (
    (0.5772156616, -0.6558776528, -0.0420112639, 0.1666050281, -0.0424407067,
     -0.0091713876, 0.0068422476, -0.0011619307),
    (-0.99999999421, 0.42278418789, 0.2330966454, -0.1911108371, 0.0246058017,
     0.0176215896, -0.00819810169, 0.0012007154),
    (0.24999993927, 0.01930376175, -0.17361866623, 0.07628574418, 0.00359006033,
     -0.01257947257, 0.00420284023, -0.00051759643),
    (-0.05555523247, -0.01354875344, 0.04095140964, -0.01129807889, -0.005562425482,
     0.004366993404, -0.0011293749, 0.00010908932),
    (0.01041578985, 0.003408041301, -0.007682781238, 0.001477005832, 0.001390430183,
     -0.000841656125, 0.000176318349, -1.061162e-5),
    (-0.001665271398, -0.0006280200123, 0.001217733969, -0.000172479943, -0.000247675477,
     0.000130330343, -2.2734909e-5, 4.966402e-7),
    (0.0002300834124, 9.43660794e-5, -0.0001666561267, 1.79951435e-5, 3.60403492e-5,
     -1.7300036e-5, 2.5672161e-6, 4.56493e-8),
    (-2.74305137e-5, -1.18748332e-5, 1.97035792e-5, -1.6680359e-6, -4.4183619e-6,
     1.9891281e-6, -2.563718e-7, -1.47374e-8),
    (2.7054915e-6, 1.2130634e-6, -1.93076978e-6, 1.327593e-7, 4.426587e-7,
     -1.9066369e-7, 2.189506e-8, 2.06145e-9),
    (-1.9455629e-7, -8.9158193e-8, 1.3821694e-7, -8.094833e-9, -3.210899e-8,
     1.34397e-8, -1.41766e-9, -1.7554e-10),
    (7.381898e-9, 3.426703e-9, -5.229223e-9, 2.74223e-10, 1.22398e-9,
     -5.03513e-10, 5.0215e-11, 7.27e-12),
)
# fmt: on
