"""The standard normal distribution function, right in the far tails and differentiable to any order.

phi(x) / Phi(-x) = x + 1/(x + 2/(x + 3/(x + ...))),    x > 0    (DLMF 7.9.1)
"""

from __future__ import annotations

import math
from typing import Any, Generic, NamedTuple

from ..namespace import Array, Namespace
from ..numerics.quadrature import is_double


class _Parts(NamedTuple, Generic[Array]):
    far: Array
    """whether x lies far below 0"""
    size: Array
    """-x there"""
    hazard: Array
    """phi(x) / Phi(x) there"""
    fraction: Array
    """the same less `size`"""
    near: Array
    """x elsewhere; at most 40, beyond which 1 - Phi(x) is 0 in every dtype"""
    outside: Array
    """2 Phi(-|near|)"""
    inside: Array
    """2 Phi(near)"""


def _parts(xp: Namespace[Array], x: Array) -> _Parts:
    # below -cut, this number of terms of the continued fraction is right to 2e-16, in float32 to 1.2e-7
    cut, terms = (6.0, 18) if is_double(xp, x) else (4.0, 8)
    far = x < -cut
    size = xp.where(far, -x, cut)
    fraction: Any = 0.0
    for k in range(terms, 0, -1):
        fraction = k / (size + fraction)
    near = xp.minimum(xp.where(far, 0.0, x), 40.0)
    above = near > 0.0
    outside = xp.erfc(math.sqrt(0.5) * xp.where(above, near, -near))
    return _Parts(far, size, size + fraction, fraction, near, outside, xp.where(above, 2.0 - outside, outside))


def log_ndtr_rise(xp: Namespace[Array], z: Array, w: Array, rest: Array, below: Array) -> Array:
    """rest + log Phi(z + w) - log Phi(z), without cancellation in w or far out in the lower tail.

    Near w = 0 the rise is the integral of h = phi / Phi, whose Taylor series about z has the coefficients a[n]: from
    h' = -h (z + h) they follow as (n + 1) a[n+1] = -sum_k a[k] b[n-k], where b[n] are those of z + h.

    :param rest: what the caller adds to the rise.
    :param below: rest - z w - w**2 / 2, which replaces `rest` far out in the lower tail: there log Phi(z) is nearly
        -z**2 / 2, and the rise without that is small.
    """
    # in float32 and float64 the first omitted term is 1e-7 and 1e-16: h has no singularity within 2 of the real line
    reach, terms = (0.1, 11) if is_double(xp, z) else (0.25, 7)
    lower, near = z < 0.0, xp.abs(w) * (1.0 + xp.abs(z)) < reach
    of = _parts(xp, z)
    density = math.sqrt(2.0 / math.pi) * xp.exp(-0.5 * of.near * of.near) / of.inside
    a: list[Any] = [xp.where(of.far, of.hazard, density)]
    b: list[Any] = [xp.where(of.far, of.fraction, of.near + density)]
    for n in range(terms - 1):
        a.append(-sum(a[k] * b[n - k] for k in range(n + 1)) / (n + 1.0))
        b.append(a[-1] + 1.0 if n == 0 else a[-1])
    little: Any = xp.where(near, w, 0.0)
    step: Any = 0.0
    for n in range(terms - 1, -1, -1):
        step = step * little + (xp.where(lower, b[n], a[n]) if n < 2 else a[n]) / (n + 1.0)
    end = z + xp.where(near, 0.0, w)
    own, other = xp.minimum(z, 0.0), xp.minimum(end, 0.0)
    far = _log_ndtr_by(xp, end, other) - _log_ndtr_by(xp, z, own)
    both = xp.where(lower & (end < 0.0), below, rest + 0.5 * (own * own - other * other))
    return xp.where(near, xp.where(lower, below, rest) + little * step, both + far)


def _log_ndtr_by(xp: Namespace[Array], x: Array, lower: Array) -> Array:
    """log Phi(x) + lower**2 / 2, lower = min(x, 0)."""
    of = _parts(xp, x)
    high = of.near > 0.7
    within = xp.where(high, xp.log1p(-0.5 * of.outside), xp.log(xp.where(high, 1.0, 0.5 * of.inside)))
    square = xp.where(of.far, 0.0, lower)
    return xp.where(of.far, -0.5 * math.log(2.0 * math.pi) - xp.log(of.hazard), within + 0.5 * square * square)


def log_ndtr(xp: Namespace[Array], x: Array) -> Array:
    """log Phi(x)."""
    of = _parts(xp, x)
    beyond = -0.5 * of.size * of.size - 0.5 * math.log(2.0 * math.pi) - xp.log(of.hazard)
    high = of.near > 0.7  # log1p at -0.4 is off by 119 eps in XLA's float64
    within = xp.where(high, xp.log1p(-0.5 * of.outside), xp.log(xp.where(high, 1.0, 0.5 * of.inside)))
    return xp.where(of.far, beyond, within)


def dlog_ndtr_dx(xp: Namespace[Array], x: Array) -> Array:
    """phi(x) / Phi(x)."""
    of = _parts(xp, x)
    density = math.sqrt(2.0 / math.pi) * xp.exp(-0.5 * of.near * of.near)
    return xp.where(of.far, of.hazard, density / of.inside)
