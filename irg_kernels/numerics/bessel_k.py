"""The modified Bessel functions of the second kind of orders 0 and 1.

With cosh t = 1 + s**2 / z in K_nu(z) = int_0^inf exp(-z cosh t) cosh(nu t) dt (DLMF 10.32.9),

    exp(z) K_0 = int_0^inf exp(-s**2) 2 / sqrt(2 z + s**2) ds,    exp(z) (K_1 - K_0) = that with s**2 / z more,

to which the trapezoidal rule converges geometrically where z is not small; there the series serves (DLMF 10.31.1).
"""

from __future__ import annotations

import math
from functools import cache

from ..namespace import Array, Namespace
from .elementary import horner
from .gamma_function import EULER
from .quadrature import is_double


@cache
def _rule(step: float, terms: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """s**2 and weights."""
    nodes = [(step * j) ** 2 for j in range(terms)]
    return tuple(nodes), tuple(step * math.exp(-s) * (1.0 if s else 0.5) for s in nodes)


def scaled_k1(xp: Namespace[Array], z: Array) -> tuple[Array, Array]:
    """(log(z exp(z) K_1(z)), z (1 - K_0(z) / K_1(z))), z > 0: both 0 at z = 0, and finite."""
    # the poles at s = +-i sqrt(2 z) leave exp(-2 pi sqrt(2) / step) from z = 1 on, 2e-16 and 2e-8
    nodes, weights = _rule(0.235, 26) if is_double(xp, z) else _rule(0.5, 9)
    large = z > 1.0
    far, near = xp.where(large, z, 1.0), xp.where(large, 1.0, z)
    k0, more = 0.0 * far, 0.0 * far
    for square, weight in zip(nodes, weights, strict=True):
        part = weight / xp.sqrt(far + 0.5 * square)
        k0, more = k0 + part, more + square * part
    k0, more = math.sqrt(2.0) * k0, math.sqrt(2.0) * more  # more is z exp(z) (K_1 - K_0)
    far_log, far_share = xp.log(far * k0 + more), more / (k0 + more / far)
    by_log, plain, first, second = _series(10 if is_double(xp, z) else 6)
    q = 0.25 * near * near
    log_half = xp.log(0.5 * near) + EULER
    small_k0 = horner(q, plain) - log_half * horner(q, by_log)
    small_zk1 = 1.0 + 2.0 * q * (log_half * horner(q, first) - horner(q, second))
    near_log, near_share = near + xp.log(small_zk1), near * (1.0 - near * small_k0 / small_zk1)
    return xp.where(large, far_log, near_log), xp.where(large, far_share, near_share)


@cache
def _series(terms: int) -> tuple[tuple[float, ...], ...]:
    """Coefficients of powers of z**2 / 4: of I_0, K_0 beside -log I_0, 2 I_1 / z, and z K_1 beside its logarithm."""
    found: list[list[float]] = [[], [], [], []]
    harmonic = 0.0
    for k in range(terms):
        harmonic += 1.0 / k if k else 0.0
        square, pair = math.factorial(k) ** 2, math.factorial(k) * math.factorial(k + 1)
        found[0].append(1.0 / square)
        found[1].append(harmonic / square)
        found[2].append(1.0 / pair)
        found[3].append((harmonic + 0.5 / (k + 1.0)) / pair)
    return tuple(map(tuple, found))
