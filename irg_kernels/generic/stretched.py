"""An increasing map from the real line onto an interval, any end of which may be infinite, element by element.

By a sigmoid between two ends, by low + exp(x) above one and high - exp(-x) below one; x itself without ends.  `low` and
`high` are arrays of the shape of x, or broadcast.
"""

from __future__ import annotations

from ..namespace import Array, Namespace


def _kinds(xp: Namespace[Array], low: Array, high: Array) -> tuple[Array, Array, Array, Array, Array]:
    """(both ends finite, the lower alone, the upper alone), and the ends, 0 and 1 for those that are not."""
    has_low, has_high = xp.abs(low) < float("inf"), xp.abs(high) < float("inf")
    ends = xp.where(has_low, low, 0.0), xp.where(has_high, high, 1.0)
    return has_low & has_high, has_low & ~has_high, has_high & ~has_low, *ends


def forward(xp: Namespace[Array], x: Array, low: Array, high: Array) -> Array:
    """The point of the interval; between two ends a spacing away from either at least."""
    both, above, below, low, high = _kinds(xp, low, high)
    eps = xp.finfo(x).eps
    share = xp.clip(xp.sigmoid(xp.where(both, x, 0.0)), eps, 1.0 - eps)
    inside = low + xp.where(both, high - low, 1.0) * share
    beyond = low + xp.exp(xp.where(above, x, 0.0))
    under = high - xp.exp(-xp.where(below, x, 0.0))
    return xp.where(both, inside, xp.where(above, beyond, xp.where(below, under, x)))


def inverse(xp: Namespace[Array], y: Array, low: Array, high: Array) -> Array:
    """The x of a point inside the interval."""
    both, above, below, low, high = _kinds(xp, low, high)
    tiny = xp.finfo(y).tiny
    from_low, to_high = xp.log(xp.maximum(y - low, tiny)), xp.log(xp.maximum(high - y, tiny))
    return xp.where(both, from_low - to_high, xp.where(above, from_low, xp.where(below, -to_high, y)))


def log_slope(xp: Namespace[Array], x: Array, low: Array, high: Array) -> Array:
    """The logarithm of the derivative of `forward`."""
    both, above, below, low, high = _kinds(xp, low, high)
    inside = xp.log(xp.where(both, high - low, 1.0)) - xp.softplus(x) - xp.softplus(-x)
    return xp.where(both, inside, xp.where(above, x, xp.where(below, -x, 0.0 * x)))
