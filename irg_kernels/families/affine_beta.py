"""Beta between two ends: loc + scale y, y ~ Beta.

    symbol   meaning
    s        the distance of x from the nearer end, over scale
    p, q     the shapes of that end and of the other

All is that of Beta(p, q) at s, so that neither end is worse off than the other, wherever loc is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Generic, NamedTuple

from ..generic.derived import located
from ..namespace import Array, Namespace
from ..numerics.charts import Along, Shape, interval, interval_rise, takes_along
from ..numerics.elementary import positive, two_sum
from . import beta


class _Nearer(NamedTuple, Generic[Array]):
    s: Array
    p: Array
    q: Array
    lower: Array
    """whether the nearer end is the lower one"""
    sign: Array


def _nearer(xp: Namespace[Array], x: Array, a: Array, b: Array, loc: Array, scale: Array) -> _Nearer[Array]:
    y, (gap, rest) = (x - loc) / scale, two_sum(xp, loc, -x)
    lower = y <= 0.5
    # the upper end may be no number of the dtype; the one it rounds to is taken for it
    w = xp.where(x < loc + scale, ((gap + scale) + rest) / scale, xp.minimum((loc + scale - x) / scale, 0.0))
    w = xp.where((x < loc + scale) & (w <= 0.0), float(xp.finfo(x).tiny), w)
    sign = xp.where(lower, 1.0, -1.0 + 0.0 * y)
    return _Nearer(xp.where(lower, y, w), xp.where(lower, a, b), xp.where(lower, b, a), lower, sign)


def off_lower_end(xp: Namespace[Array], y: Array, loc: Array, scale: Array) -> Array:
    """A draw of y, at least as large as takes x to the number after loc, with the relative derivatives of the draw."""
    limits = xp.finfo(y)
    gap = xp.maximum(0.75 * float(limits.eps) * xp.abs(loc), float(limits.tiny))
    still, least = xp.stop_gradient(y), xp.stop_gradient(xp.minimum(gap / scale, 0.5))
    return y * (xp.maximum(still, least) / still)


def _log_density(xp: Namespace[Array], x: Array, a: Array, b: Array, loc: Array, scale: Array) -> Array:
    at = _nearer(xp, x, a, b, loc, scale)
    return beta.log_density(xp, at.s, at.p, at.q) - xp.log(scale)


def _log_tails(xp: Namespace[Array], x: Array, a: Array, b: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    at = _nearer(xp, x, a, b, loc, scale)
    near, far = beta.log_tails(xp, at.s, at.p, at.q)
    return xp.where(at.lower, near, far), xp.where(at.lower, far, near)


def _slope(of_logit: Callable) -> Callable:
    """dx in a shape at fixed quantile, of the derivative of logit y."""

    def of_x(xp: Namespace[Array], x: Array, a: Array, b: Array, loc: Array, scale: Array) -> Array:
        at = _nearer(xp, x, a, b, loc, scale)
        inner = xp.maximum(at.s, float(xp.finfo(x).tiny))  # at the end itself the derivative vanishes
        logit = at.sign * (xp.log(inner) - xp.log1p(-inner))
        return scale * at.s * (1.0 - at.s) * of_logit(xp, logit, a, b)

    return of_x


def _score(lower: Callable, upper: Callable) -> Callable:
    """In a shape, of Beta's scores by the distances from either end."""

    def of_x(xp: Namespace[Array], x: Array, *params: Array) -> Array:
        at = _nearer(xp, x, *params)
        return xp.where(at.lower, lower(xp, at.s, at.p, at.q), upper(xp, at.s, at.p, at.q))

    return of_x


_BY_Z, _BY_A, _BY_B = beta.FAMILY.scores or ()


def _score_x(xp: Namespace[Array], x: Array, *params: Array) -> Array:
    at = _nearer(xp, x, *params)
    return at.sign * _BY_Z(xp, at.s, at.p, at.q) / params[-1]


def _score_scale(xp: Namespace[Array], x: Array, *params: Array) -> Array:
    return -(1.0 + (x - params[2]) * _score_x(xp, x, *params)) / params[3]


def _shape(xp: Namespace[Array], a: Array, b: Array, loc: Array, scale: Array) -> Shape:
    def shares(x: Array) -> tuple[Array, Array]:
        at = _nearer(xp, x, a, b, loc, scale)
        other = positive(xp, 1.0 - at.s)
        return xp.where(at.lower, at.s, other), xp.where(at.lower, other, at.s)

    def to_mode(x: Array) -> Array:
        z, w = shares(x)
        return xp.log(a) - xp.log(b) - (xp.log(z) - xp.log(w))

    high, rest = two_sum(xp, loc, scale)

    def of(along: Along[Array]) -> Shape:
        rise = interval_rise(xp, a, b, loc, high, shares, rest, along)
        return Shape(interval(xp, loc, high, rest, along), rise, to_mode)

    return of((1.0, 1.0))._replace(between=lambda x, bounds: of(takes_along(xp, x, (loc, high), bounds)))


# its quantile, a logit, is the class's own business
_LOCATED = located(replace(beta.FAMILY, quantile=None))
FAMILY = replace(
    _LOCATED,
    log_density=_log_density,
    log_tails=_log_tails,
    slopes=(_slope(beta.dlogit_da), _slope(beta.dlogit_db), *_LOCATED.slopes[2:]),
    scores=(
        _score_x,
        _score(_BY_A, _BY_B),
        _score(_BY_B, _BY_A),
        lambda xp, x, *params: -_score_x(xp, x, *params),
        _score_scale,
    ),
    shape=_shape,
    about=r"""
    Density :math:`y^{a-1} (1-y)^{b-1} / (\sigma B(a, b))` with :math:`y = (x - \mu) / \sigma` in (0, 1).

    A draw that rounds to an end is held next to it; at the lower one with the relative derivative of the true draw.

    :param concentration1: :math:`a > 0`; number or array, broadcast with the others.
    :param concentration0: :math:`b > 0`.
    :param loc: the lower end :math:`\mu`.
    :param scale: the length :math:`\sigma > 0`.
    """,
)
