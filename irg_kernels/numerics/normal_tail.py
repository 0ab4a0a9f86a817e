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
    near: Array
    """x elsewhere; at most 40, beyond which 1 - Phi(x) is 0 in every dtype"""
    outside: Array
    """2 Phi(-|near|)"""
    inside: Array
    """2 Phi(near)"""


def _parts(xp: Namespace[Array], x: Array) -> _Parts:
    # beyond the cut so many terms of the fraction are right to 2e-16, in float32 to 1.2e-7
    cut, terms = (6.0, 18) if is_double(xp, x) else (4.0, 8)
    far = x < -cut
    size = xp.where(far, -x, cut)
    fraction: Any = 0.0
    for k in range(terms, 0, -1):
        fraction = k / (size + fraction)
    near = xp.minimum(xp.where(far, 0.0, x), 40.0)
    above = near > 0.0
    outside = xp.erfc(math.sqrt(0.5) * xp.where(above, near, -near))
    return _Parts(far, size, size + fraction, near, outside, xp.where(above, 2.0 - outside, outside))


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
