"""The modified Bessel functions of the second kind of orders 0 and 1.

With cosh t = 1 + s**2 / z in K_nu(z) = int_0^inf exp(-z cosh t) cosh(nu t) dt (DLMF 10.32.9),

    exp(z) K_0 = int_0^inf exp(-s**2) 2 / sqrt(2 z + s**2) ds,    exp(z) (K_1 - K_0) = that with s**2 / z more,

to which the trapezoidal rule converges geometrically where z is not small; there the series serves (DLMF 10.31.1).
"""

from __future__ import annotations

import math
from functools import cache

from ..namespace import Array, Namespace
from .charts import log_ratio
from .elementary import horner, horner_rise
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


def scaled_k1_rise(xp: Namespace[Array], z: Array, step: Array) -> Array:
    """The rise of log(z exp(z) K_1(z)) from z to z + step; neither it nor its derivatives cancel for a small step.

    By the same two formulas, joined at 1, in differences: of (z + s) / sqrt(z + s / 2) that is
    (1 - s / (2 R R')) step / (R + R'), R = sqrt(z + s / 2).
    """
    other = z + step
    if xp.has_guard_digits:
        return scaled_k1(xp, other)[0] - scaled_k1(xp, z)[0]
    nodes, weights = _rule(0.235, 26) if is_double(xp, z) else _rule(0.5, 9)
    far, far_other = xp.maximum(z, 1.0), xp.maximum(other, 1.0)
    far_step = xp.where(xp.minimum(z, other) > 1.0, step, far_other - far)

    def sum_at(z: Array) -> Array:
        return xp.integrate(lambda square: (z + square) / xp.sqrt(z + 0.5 * square), nodes, weights, like=z)[0]

    def of_step(square: Array) -> Array:
        root, root_other = xp.sqrt(far + 0.5 * square), xp.sqrt(far_other + 0.5 * square)
        return (1.0 - 0.5 * square / root / root_other) / (root + root_other)

    (rise,) = xp.integrate(of_step, nodes, weights, like=far_step)
    before, after = sum_at(far), sum_at(far_other)
    above = log_ratio(xp, before, after, far_step * rise)
    near, near_other = xp.minimum(z, 1.0), xp.minimum(other, 1.0)
    near_step = xp.where(xp.maximum(z, other) < 1.0, step, near_other - near)
    _, _, first, second = _series(10 if is_double(xp, z) else 6)
    squares = 0.25 * near * near, 0.25 * near_step * (near + near_other), 0.25 * near_other * near_other
    by_log, plain = horner(squares[0], [0.0, *first]), horner(squares[0], [0.0, *second])
    by_log_rise, plain_rise = horner_rise(*squares, [0.0, *first]), horner_rise(*squares, [0.0, *second])
    log_rise, log_half = log_ratio(xp, near, near_other, near_step), xp.log(0.5 * near) + EULER
    change = 2.0 * (log_rise * by_log + (log_half + log_rise) * by_log_rise - plain_rise)
    below = near_step + xp.log1p(change / (1.0 + 2.0 * (log_half * by_log - plain)))
    return above + below


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
