"""A univariate law conditioned on low <= x <= high: masses, densities and draws held at their quantile.

    symbol   meaning
    p, F     density and distribution function of the base
    l, h     low, high
    A, B     the masses on either side of x in units of its density: int_l^x p(t)/p(x) dt, int_x^h p(t)/p(x) dt

The two pieces say all: the distribution function is u = A / (A + B), the density 1 / (A + B), and one step of Newton's
method on u(x) = u0 goes from x to x - [(1 - u0) A - u0 B].  Its differential at fixed quantile is the implicit one
(Figurnov, Mohamed, Mnih 2018, eq. 4-6): with s the score of the base in theta,

    dx/dtheta = -[(1 - u) int_l^x s p/p(x) - u int_x^h s p/p(x)],    dx/dl = (1 - u) p(l)/p(x),    dx/dh = u p(h)/p(x).

A constant in s drops out: where F(x) - F(l) would cancel, pieces are integrals of exp(log p(t) - log p(x)), the
difference written so that neither it nor its derivatives do (`normal_pieces`, and `unimodal` for other families).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ..namespace import Array, Namespace
from ..numerics.masses import Piece, Pieces

# ------------------------------------------------------------------------------------------------ from the two pieces


def _aligned(xp: Namespace, below: Piece[Array], above: Piece[Array]) -> tuple[Array, Array, Array]:
    """(A, B, log_unit) in one unit."""
    top = xp.maximum(below.log_unit, above.log_unit)
    return below.mass * xp.exp(below.log_unit - top), above.mass * xp.exp(above.log_unit - top), top


FAR = -1e30
"""A log-density of the base in whose rounding the masses are lost, at an x so far out that the rules resolve none."""


def log_density(
    xp: Namespace, pieces: Pieces[Array], log_base: Callable, x: Array, at_end: Array, end: Array, within: Array
) -> Array:
    """log p_T(x).  The masses are taken about a constant: the derivative in x is that of `log_base` alone.

    :param at_end: where x is an end of the base's support, at which pieces may have no unit.
    :param end: log p there, constant.
    :param within: a point of positive density, about which the masses are then taken.
    """
    base = xp.where(at_end, end, xp.stop_gradient(log_base(xp.where(at_end, within, xp.stop_gradient(x)))))
    finite = xp.abs(base) <= float(xp.finfo(x).max)
    x = xp.where(finite, x, within)
    far = base < FAR
    place = xp.where(at_end | far, within, xp.stop_gradient(x))
    a, b, top = _aligned(xp, *pieces(place))
    change = log_base(x)
    near = (change - log_base(place)) - xp.log(a + b) - top
    return xp.where(finite, xp.where(far, change, near), base)


def cdf(xp: Namespace, pieces: Pieces[Array], x: Array) -> Array:
    """u = A / (A + B)."""
    a, b, _ = _aligned(xp, *pieces(x))
    return a / (a + b)


def at_fixed_quantile(
    xp: Namespace, pieces: Pieces[Array], x: Array, shares: tuple[Array, Array] | None = None
) -> Array:
    """x, unchanged in value, that moves so as to keep its quantile: two Newton steps, derivatives to third order.

    :param shares: (u, 1 - u) where they move themselves, as in a quantile function.
    """
    x = xp.stop_gradient(x)
    moving = x
    for _ in range(2):
        a, b, top = _aligned(xp, *pieces(moving))
        if shares is None:
            total = xp.stop_gradient(a + b)
            shares = xp.stop_gradient(a) / total, xp.stop_gradient(b) / total
        moving = moving - (shares[1] * a - shares[0] * b) * xp.exp(xp.minimum(top, _most(xp, x)))
    return x + (moving - xp.stop_gradient(moving))


def _most(xp: Namespace, like: Array) -> float:
    """An exponent whose exponential is in range: a larger unit belongs to an x of no probability."""
    return 0.95 * math.log(float(xp.finfo(like).max))


# Bisection halves an exponent, then a mantissa; Newton's method takes over long before its end.
MAX_STEPS = 100


def solve(xp: Namespace, pieces: Pieces, q: Array, rest: Array, start: Array, low: Array, high: Array) -> Array:
    """The x in [low, high] with u(x) = q = 1 - rest, values only: Newton's method on log(A/B) in a bracket."""
    limits = xp.finfo(q)
    tolerance, spacing = math.sqrt(float(limits.eps)), 2.0 * float(limits.eps)
    tiny = float(limits.tiny)
    target = xp.log(xp.maximum(q, tiny)) - xp.log(xp.maximum(rest, tiny))

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        x, lo, hi, _ = state
        log_a, log_b = (xp.log(xp.maximum(mass, tiny)) + unit for mass, unit in pieces(x))
        error = log_a - log_b - target
        # where it is NaN something overflows, and x is too far out
        lost = error != error
        too_low, too_high = (error < 0.0) | (lost & (x < 0.0)), (error > 0.0) | (lost & (x > 0.0))
        lo, hi = xp.where(too_low, x, lo), xp.where(too_high, x, hi)
        # A B / (A + B): in a tail the smaller of them alone
        unit = xp.minimum(log_a, log_b) - xp.log1p(xp.exp(-xp.abs(log_a - log_b)))
        new = x - error * xp.exp(xp.minimum(unit, _most(xp, x)))
        inside = (new > lo) & (new < hi)  # false for NaN
        shut = hi - lo <= spacing * xp.maximum(xp.abs(lo), xp.abs(hi))
        new = xp.where(inside, new, _middle(xp, lo, hi))
        return new, lo, hi, xp.where(shut, 0.0, xp.where(inside, xp.abs(error), 1.0))

    def done(state: tuple[Array, ...]) -> Array:
        return state[3] <= tolerance

    inside = (start > low) & (start < high)
    start = xp.where(inside, start, _middle(xp, low, high))
    return xp.converge(step, (start, low, high, 1.0 + 0.0 * q), done, MAX_STEPS)[0]


def _middle(xp: Namespace, lo: Array, hi: Array) -> Array:
    """Between lo and hi, by exponent where they are far apart."""
    flip = hi <= 0.0
    near, far = xp.where(flip, -hi, lo), xp.where(flip, -lo, hi)
    big = xp.where(far > 1.0, xp.sqrt(xp.maximum(far, 0.0)), xp.where(far > 0.5, 0.5 * far, far * far))
    geometric = xp.sqrt(xp.maximum(near, 0.0)) * xp.sqrt(xp.maximum(far, 0.0))
    one_sign = xp.where(near > 0.0, geometric, big)
    wide = xp.where(near >= 0.0, far > 4.0 * near, far < near)
    one_sign = xp.where(wide, xp.where(flip, -one_sign, one_sign), 0.5 * lo + 0.5 * hi)
    astride = xp.where(xp.maximum(-lo, hi) > 10.0, 0.0, 0.5 * lo + 0.5 * hi)
    return xp.where((lo < 0.0) & (hi > 0.0), astride, one_sign)


# ------------------------------------------------------------------------------------------------------- any other law


class Base(NamedTuple):
    """A univariate law: functions of x, differentiable in x and in the parameters that they close over."""

    log_tails: Callable
    """x -> (log F, log S)"""
    log_density: Callable


def masses_by_tails(xp: Namespace, base: Base, low: Array | None, high: Array | None, within: Array) -> Pieces:
    """From the tails, whose digits cancel in a narrow interval; `unimodal` has the laws whose density is known.

    :param within: some point of the support, in the shape of the bounds.
    """
    at_low, at_high = _tails_at(xp, base, low, within, 0), _tails_at(xp, base, high, within, 1)

    def pieces(x: Array) -> tuple[Piece, Piece]:
        log_p, (lower, upper) = base.log_density(x), base.log_tails(x)
        below = _difference(xp, lower, upper, at_low, log_p)
        above = _difference(xp, upper, lower, at_high and at_high[::-1], log_p)
        return below, above

    return pieces


NOTHING = -1e30
"""the logarithm of a tail that is empty"""


def _tails_at(xp: Namespace, base: Base, bound: Array | None, within: Array, which: int) -> tuple[Array, Array] | None:
    """(log F, log S) at a bound, (nothing, 0) and (0, nothing) where it cuts nothing off."""
    if bound is None:
        return None
    empty = base.log_tails(xp.stop_gradient(bound))[which] < -float(xp.finfo(bound).max)
    tails = base.log_tails(xp.where(empty, within, bound))
    open_ended = (NOTHING, 0.0) if which == 0 else (0.0, NOTHING)
    lower, upper = (xp.where(empty, value, tail) for value, tail in zip(open_ended, tails, strict=True))
    return lower, upper


def _difference(xp: Namespace, near: Array, far: Array, at_bound: tuple[Array, Array] | None, log_p: Array) -> Piece:
    """(F(x) - F(l)) / p(x), or with survival functions where those are smaller; near, far = log F, log S."""
    if at_bound is None:
        unit = xp.stop_gradient(near - log_p)
        return Piece(xp.exp(near - log_p - unit), unit)
    other_side = at_bound[1] < near
    more = xp.where(other_side, at_bound[1], near) - log_p
    less = xp.where(other_side, far, at_bound[0]) - log_p
    unit = xp.stop_gradient(xp.maximum(more, less))
    unit = xp.maximum(unit, NOTHING)
    mass = xp.exp(more - unit) - xp.exp(less - unit)
    return Piece(xp.maximum(mass, 0.0), unit)
