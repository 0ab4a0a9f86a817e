"""A truncated normal distribution's quantile and slopes by differences of tails.

Computed in float64, they are exact enough for answers in float32 (guard digits) unless a difference cancels.  Both
functions return where they are, too; elsewhere `truncation` serves.

Bounds are standardised and, if need be, mirrored at 0, so that the lower tails are the small ones: a < 0, b <= -a.
Then, with y the standardised draw, mirrored likewise, and A = Phi(y) - Phi(a), B = Phi(b) - Phi(y),

    y = Phi^-1(Phi(a) + u (A + B)),    dy = B / (A + B) phi(a) / phi(y) da + A / (A + B) phi(b) / phi(y) db.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any, Generic, NamedTuple

from ..namespace import Array, Namespace
from .truncation import TAIL_DIGITS


class _Frame(NamedTuple, Generic[Array]):
    """The standardised bounds a and b, and their masses; see the module's docstring."""

    turned: Array
    """whether they are mirrored at 0"""
    a: Array | None
    """None where it is -inf"""
    b: Array
    mass_a: Array | float
    """Phi(a)"""
    mass_b: Array
    """Phi(b)"""


def _mass(xp: Namespace[Array], y: Array) -> Array:
    return 0.5 * xp.erfc(-math.sqrt(0.5) * y)


def _frame(xp: Namespace[Array], alpha: Array | None, beta: Array | None) -> _Frame[Array]:
    if alpha is None or beta is None:
        b: Any = -alpha if beta is None else beta  # type: ignore[operator]
        return _Frame(b != b if beta is not None else b == b, None, b, 0.0, _mass(xp, b))
    turned = alpha + beta > 0.0
    a, b = xp.where(turned, -beta, alpha), xp.where(turned, -alpha, beta)
    return _Frame(turned, a, b, _mass(xp, a), _mass(xp, b))


def quantile(
    xp: Namespace[Array],
    ndtri: Callable[[Array], Array],
    u: Array,
    low: Array | None,
    high: Array | None,
    loc: Array,
    scale: Array,
) -> tuple[Array, Array]:
    """(the x of quantile u, whether that is exact enough)

    :param ndtri: Phi^-1, exact in the lower tail.
    :param low: the bounds, None for none; both may not be None.  All arrays are of one shape, in float64.
    """
    alpha, beta = (None if end is None else (end - loc) / scale for end in (low, high))
    at = _frame(xp, alpha, beta)
    q = at.mass_a + xp.where(at.turned, 1.0 - u, u) * (at.mass_b - at.mass_a)
    y = ndtri(q)
    # near 1 the quantile depends on 1 - q, of which rounding q leaves few digits; near 0 the tails underflow
    return loc + scale * xp.where(at.turned, -y, y), (q > 1e-280) & (q < 1.0 - 1e-8)


@functools.cache
def slopes_of(has_low: bool, has_high: bool, has_q: bool) -> Callable:
    """(xp, x, *q, *bounds, loc, scale) -> (dx in each argument after x, where they are exact enough).

    `q`, the quantile, and the bounds are among the arguments as the three flags say.
    """
    wanted = has_q, has_low, has_high, True, True

    def at(xp: Namespace[Array], x: Array, *args: Array) -> tuple[list[Array], Array]:
        ends = args[has_q:-2]
        low, high = ends[0] if has_low else None, ends[-1] if has_high else None
        found, right = _slopes(xp, x, low, high, *args[-2:])
        return list(itertools.compress(found, wanted)), right

    return at


def _slopes(
    xp: Namespace[Array], x: Array, low: Array | None, high: Array | None, loc: Array, scale: Array
) -> tuple[tuple[Any, ...], Array]:
    alpha, beta = (None if end is None else (end - loc) / scale for end in (low, high))
    of, y = _frame(xp, alpha, beta), (x - loc) / scale
    mass_y, total = _mass(xp, xp.where(of.turned, -y, y)), of.mass_b - of.mass_a
    below, above, half_square = mass_y - of.mass_a, of.mass_b - mass_y, 0.5 * y * y
    by_b = below / total * xp.exp(half_square - 0.5 * of.b * of.b)
    right = (below > TAIL_DIGITS * mass_y) & (above > TAIL_DIGITS * of.mass_b) & (mass_y > 1e-280)
    by_a: Any = 0.0 if of.a is None else above / total * xp.exp(half_square - 0.5 * of.a * of.a)
    if low is None or high is None:
        by_low: Any
        by_high: Any
        by_low, by_high = (by_b, 0.0) if high is None else (0.0, by_b)
    else:
        by_low, by_high = xp.where(of.turned, by_b, by_a), xp.where(of.turned, by_a, by_b)
    rest_low: Any = 0.0 if alpha is None else alpha * by_low
    rest_high: Any = 0.0 if beta is None else beta * by_high
    by_loc, by_scale = 1.0 - by_low - by_high, y - rest_low - rest_high
    least = TAIL_DIGITS * xp.maximum(1.0 + by_low, by_high)
    right = right & (xp.abs(by_loc) > least)
    size: Any = xp.abs(y) + abs(rest_low) + abs(rest_high)
    right = right & (xp.abs(by_scale) > TAIL_DIGITS * size)
    by_q = scale * total * math.sqrt(2.0 * math.pi) * xp.exp(xp.minimum(half_square, 700.0))
    return (by_q, by_low, by_high, by_loc, by_scale), right
