"""Points x = w mu + sqrt(1 - w**2) t of the unit sphere about an axis mu, t a unit vector across it.

Vectors have any batch axes and lie along the last; all are of one shape, or broadcast.  y is the logit of (1 - w) / 2.
"""

from __future__ import annotations

from ..namespace import Array, Namespace


def _length(xp: Namespace[Array], x: Array, *, keepdims: bool = False) -> Array:
    return xp.sqrt(xp.sum(x * x, axis=-1, keepdims=keepdims))


def direction(xp: Namespace[Array], x: Array) -> Array:
    """x / |x|, for x of a length that is not 0."""
    return x / _length(xp, x, keepdims=True)


def part_across(xp: Namespace[Array], axis: Array, x: Array) -> Array:
    """x without its part along unit vectors `axis`."""
    return x - xp.sum(x * axis, axis=-1, keepdims=True) * axis


def across(xp: Namespace[Array], axis: Array, normal: Array) -> Array:
    """t uniform among the unit vectors across unit vectors `axis`, of vectors of standard normal numbers."""
    twice = part_across(xp, axis, part_across(xp, axis, normal))  # the second time for what rounding has left
    return direction(xp, twice)


def half_square(xp: Namespace[Array], value: Array, axis: Array, sign: float) -> Array:
    """1 - w, or 1 + w with the sign -1, of the directions of value and axis, neither of which needs the length 1.

    (|x - mu|**2 - (|x| - |mu|)**2) / (2 |x| |mu|): it does not cancel where x is next to mu, and the rounding of either
    length has no part in it.
    """
    length, other = _length(xp, value), _length(xp, axis)
    apart, longer = value - sign * axis, length - other
    return 0.5 * (xp.sum(apart * apart, axis=-1) - longer * longer) / (length * other)


def cosine_and_sine(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    """(w, sqrt(1 - w**2)), each with an axis of one element for the coordinates."""
    sine = 2.0 * xp.exp(-0.5 * (xp.softplus(y) + xp.softplus(-y)))
    return (1.0 - 2.0 * xp.sigmoid(y))[..., None], sine[..., None]


def taken_apart(xp: Namespace[Array], x: Array, axis: Array) -> tuple[Array, Array]:
    """(y, t) of points x about unit vectors `axis`; at the poles, where no t is known nor matters, t is 0."""
    tiny = xp.finfo(x).tiny
    away, towards = (xp.log(xp.maximum(half_square(xp, x, axis, sign), tiny)) for sign in (1.0, -1.0))
    rest = part_across(xp, axis, x)
    length = _length(xp, rest, keepdims=True)
    return away - towards, xp.where(length > 0.0, rest / xp.where(length > 0.0, length, 1.0), 0.0)
