"""A univariate distribution conditioned on low <= x <= high: masses, densities and draws at fixed quantile.

    symbol   meaning
    p, F     density and distribution function of the base
    l, h     low, high
    A, B     the masses on either side of x in units of its density: int_l^x p(t)/p(x) dt, int_x^h p(t)/p(x) dt

The two pieces say all: the distribution function is u = A / (A + B), the density 1 / (A + B), and one step of Newton's
method on u(x) = u0 goes from x to x - [(1 - u0) A - u0 B].  Its differential at fixed quantile is the implicit one
(Figurnov, Mohamed, Mnih 2018, eq. 4-6): with s the score of the base in theta,

    dx/dtheta = -[(1 - u) int_l^x s p/p(x) - u int_x^h s p/p(x)],    dx/dl = (1 - u) p(l)/p(x),    dx/dh = u p(h)/p(x).

A constant in s drops out: where F(x) - F(l) would cancel, pieces are integrals of exp(log p(t) - log p(x)), the
difference written so that neither it nor its derivatives do (`Family.masses`, and `masses_by_density`).  Any other
base has the difference of its tails (`masses_by_tails`).
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

from ..namespace import Array, Namespace
from ..numerics.elementary import log_sum
from ..numerics.in_two import Roughly
from ..numerics.masses import Piece, Pieces, largest_exponent
from ..numerics.roots import log_survival, logarithm
from .family import Family, Quantile, from_coordinate
from .fixed_quantile import unit_of
from .masses_by_density import masses_by_density


def masses_of(family: Family, *, ends_move: bool = True) -> Callable | None:
    """(xp, low, high, *params) -> Pieces, of a family whose density is known; a bound may be None.

    :param ends_move: false for values alone.
    """
    if family.masses is not None:
        return family.masses
    return family.shape and functools.partial(masses_by_density, family.shape, ends_move=ends_move)


# ------------------------------------------------------------------------------------------------ from the two pieces


def _aligned(xp: Namespace[Array], below: Piece[Array], above: Piece[Array]) -> tuple[Array, Array, Array]:
    """(A, B, log_unit) in one unit."""
    top = xp.maximum(below.log_unit, above.log_unit)
    return below.mass * xp.exp(below.log_unit - top), above.mass * xp.exp(above.log_unit - top), top


FAR = -1e15
"""A fall of the base's log-density in whose rounding the masses are lost, to an x so far out that the rules resolve
none."""


def log_density(
    xp: Namespace[Array], pieces: Pieces[Array], log_base: Callable, x: Array, at_end: Array, end: Array, within: Array
) -> Array:
    """log p_T(x).  The masses are taken about a constant: the derivative in x is that of `log_base` alone.

    :param at_end: where x is an end of the base's support, at which pieces may have no unit.
    :param end: log p there, constant.
    :param within: a point of positive density, about which the masses are then taken.
    """
    base = xp.where(at_end, end, xp.stop_gradient(log_base(xp.where(at_end, within, xp.stop_gradient(x)))))
    finite = xp.abs(base) <= float(xp.finfo(x).max)
    x = xp.where(finite, x, within)
    far = base - xp.stop_gradient(log_base(within)) < FAR
    place = xp.where(at_end | far, within, xp.stop_gradient(x))
    a, b, top = _aligned(xp, *pieces(place))
    found = (log_base(x) - log_base(place)) - xp.log(a + b) - top
    return xp.where(finite, found, base)


def cdf(xp: Namespace[Array], pieces: Pieces[Array], x: Array) -> Array:
    """u = A / (A + B)."""
    a, b, _ = _aligned(xp, *pieces(x))
    return a / (a + b)


def log_tails(xp: Namespace[Array], pieces: Pieces, x: Array) -> tuple[Array, Array]:
    """(log u, log(1 - u)) inside the interval, each as far as its piece is."""
    log_a, log_b = (logarithm(xp, mass) + unit for mass, unit in pieces(x))
    both = log_sum(xp, log_a, log_b)
    return log_a - both, log_b - both


def residual(xp: Namespace[Array], pieces: Pieces, x: Array, shares: tuple[Array, Array] | None = None) -> Array:
    """(1 - u) A - u B, which is 0 at x; at fixed x its derivative is -dx, of the x that keeps its quantile u, in
    `fixed_quantile.unit_of`.

    :param shares: (u, 1 - u) where they move themselves, as in a quantile function.
    """
    aligned = _aligned(xp, *pieces(x))
    return _residual(xp, aligned, x, _shares(xp, aligned) if shares is None else shares)


def _shares(xp: Namespace[Array], aligned: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """(u, 1 - u) at x, without derivative."""
    a, b = map(xp.stop_gradient, aligned[:2])
    return a / (a + b), b / (a + b)


def _residual(
    xp: Namespace[Array], aligned: tuple[Array, Array, Array], x: Array, shares: tuple[Array, Array]
) -> Array:
    a, b, top = aligned
    return (shares[1] * a - shares[0] * b) * xp.exp(xp.minimum(top - xp.log(unit_of(xp, x)), largest_exponent(xp, x)))


def at_fixed_quantile(
    xp: Namespace[Array], pieces: Pieces, x: Array, shares: tuple[Array, Array] | None = None
) -> Array:
    """x, unchanged in value, that moves so as to keep its quantile: two Newton steps, derivatives to third order.

    For pieces that close over their parameters; where these are at hand, -`residual` is the rule for a derivative.

    :param shares: as in `residual`, whose motion alone counts: x may be clamped, or rounded, and not their quantile.
    """
    x = xp.stop_gradient(x)
    moving, unit, kept = x, unit_of(xp, x), None
    for _ in range(2):
        aligned = _aligned(xp, *pieces(moving))
        if shares is not None and kept is None:
            own = _shares(xp, aligned)
            kept = (
                own[0] + (shares[0] - xp.stop_gradient(shares[0])),
                own[1] + (shares[1] - xp.stop_gradient(shares[1])),
            )
        moving = moving - unit * _residual(xp, aligned, moving, kept or _shares(xp, aligned))
    return x + (moving - xp.stop_gradient(moving))


# Bisection halves an exponent, then a mantissa; Newton's method takes over long before its end.
MAX_STEPS = 100
LOST = 1.0
"""of log(A/B), from which a step of nothing is no sign of arrival: a mass has been lost, not the digits of x"""


def solve(
    xp: Namespace[Array],
    pieces_at: Callable,
    q: Array,
    one_minus_q: Array,
    start: Array,
    low: Array,
    high: Array,
    *constants: Array,
    settled: Array | None = None,
    tolerance: float | None = None,
) -> Array:
    """The x in [low, high] with u(x) = q, values only: Newton's method on log(A/B) in a bracket.

    :param pieces_at: (x, *constants) -> the two pieces; the constants are of the shape of q, and without any
        it may close over arrays of that shape.
    :param start: a guess; where it is outside, the end of the bracket serves, and the middle where it is NaN.
    :param settled: where the guess is the answer; `tolerance`: of log(A/B) before the last step, which squares it.
    """
    unknown: Any = start != start
    start = xp.where(unknown, _middle(xp, low, high), xp.minimum(xp.maximum(start, low), high))
    log_q, log_one_minus_q = log_survival(xp, one_minus_q, q), log_survival(xp, q, one_minus_q)
    going = 1.0 + 0.0 * q if settled is None else 1.0 - xp.indicator(settled, like=q)
    # of a heavy tail the unit may be larger than any draw
    most = 600.0 if xp.has_guard_digits else largest_exponent(xp, q)
    state, step = (start, low, high, going), _newton(xp, pieces_at, xp.finfo(q), most, tolerance)

    def done(state: tuple[Array, ...]) -> Array:
        return state[3] <= 0.0

    if not constants:  # pieces that close over arrays are those of all elements
        return xp.converge(lambda state: step(state, log_q, log_one_minus_q), state, done, MAX_STEPS)[0]
    return xp.converge(step, state, done, MAX_STEPS, log_q, log_one_minus_q, *constants)[0]


def _newton(xp: Namespace[Array], pieces_at: Callable, limits: Any, most: float, tolerance: Any) -> Callable:
    """(state, log q, log(1 - q), *constants) -> the next state: x, its bracket, and 1 where it goes on."""
    tolerance, spacing = tolerance or math.sqrt(float(limits.eps)), 2.0 * float(limits.eps)

    def step(state: tuple[Array, ...], log_q: Array, log_one_minus_q: Array, *constants: Array) -> tuple[Array, ...]:
        x, lo, hi, left = state
        log_a, log_b = (logarithm(xp, mass) + unit for mass, unit in pieces_at(x, *constants))
        error = log_a - log_b - (log_q - log_one_minus_q)
        at_low, at_high = x <= lo, x >= hi
        # where it is NaN something overflows, and x is too far out
        lost = error != error
        too_low, too_high = (error < 0.0) | (lost & (x < 0.0)), (error > 0.0) | (lost & (x > 0.0))
        lo, hi = xp.where(too_low, x, lo), xp.where(too_high, x, hi)
        # A B / (A + B): in a tail the smaller of them alone
        unit = xp.minimum(log_a, log_b) - xp.log1p(xp.exp(-xp.abs(log_a - log_b)))
        new = x - error * xp.exp(xp.minimum(unit, most))
        # from an end on the density falls as an exponential, or less than that
        new = xp.where(at_low, x - log_one_minus_q * xp.exp(xp.minimum(log_b, most)), new)
        new = xp.where(at_high, x + log_q * xp.exp(xp.minimum(log_a, most)), new)
        # a step doubles the digits: the one after an error of sqrt(eps) is the last, and so is one that rounds to none
        # (not where the error is large: a mass is lost, next to a bound in a difference, far out in its logarithm; but
        # at an end, where one mass is 0, the other says how far to go)
        at_end = at_low & (error < 0.0) | at_high & (error > 0.0)
        still = (xp.abs(new - x) <= spacing * xp.abs(x)) & ((xp.abs(error) < LOST) | at_end)
        arrived = (xp.abs(error) <= tolerance) | still
        inside = arrived | ((new > lo) & (new < hi))  # false for NaN
        shut = hi - lo <= spacing * xp.maximum(xp.abs(lo), xp.abs(hi)) + float(limits.tiny)
        new = xp.where(inside, xp.minimum(xp.maximum(new, lo), hi), _middle(xp, lo, hi))
        going = left > 0.0
        return xp.where(going, new, x), lo, hi, xp.where(going & ~(arrived | shut), 1.0, 0.0 * x)

    return step


def quantile_by_tails(
    xp: Namespace[Array], log_tails: Callable, log_density: Callable, q: Array, low: Array, high: Array
) -> Array:
    """The x in [low, high] with P(X <= x) = q, by its tails, values only; precise where there is next to no density."""
    one = 1.0 + 0.0 * q

    def pieces_at(x: Array) -> tuple[Piece, Piece]:
        log_p, (lower, upper) = log_density(x), log_tails(x)
        return Piece(one, lower - log_p), Piece(one, upper - log_p)

    return solve(xp, pieces_at, q, 1.0 - q, math.nan * one, low, high, tolerance=1e-6 if xp.has_guard_digits else None)


def first_guess(
    xp: Namespace[Array], family: Family, q: Array, one_minus_q: Array, low: Array, high: Array, *params: Array
) -> Array:
    """F^-1((1 - q) F(l) + q F(h)), of whose two masses none is formed by a difference; values only.

    It may lie outside, or be NaN, where the masses of the interval underflow.
    """
    if family.quantile is None:
        return _middle(xp, low, high)
    rough: Namespace = Roughly(xp)
    return _at_masses(rough, family.quantile, *_masses_at(rough, family, q, one_minus_q, low, high, *params), *params)


def _masses_at(
    xp: Namespace[Array],
    family: Family,
    q: Array,
    one_minus_q: Array,
    low: Array | None,
    high: Array | None,
    *params: Array,
) -> tuple[Array, Array]:
    """(1 - q) F(l) + q F(h) and its complement, at least the smallest number."""
    # both ends in one call, which XLA compiles once
    least, most = -math.inf + 0.0 * q if low is None else low, math.inf + 0.0 * q if high is None else high
    ends = xp.stack([least, most])
    is_open, is_high = xp.abs(ends) >= math.inf, ends > 0.0
    log_lower, log_upper = family.log_tails(xp, ends, *(xp.stack([p, p]) for p in params))
    log_lower = xp.where(is_open, xp.where(is_high, 0.0, -math.inf), log_lower)
    log_upper = xp.where(is_open, xp.where(is_high, -math.inf, 0.0), log_upper)
    tiny = float(xp.finfo(q).tiny)
    tails = log_lower, log_upper
    lower, upper = (xp.maximum(one_minus_q * xp.exp(tail[0]) + q * xp.exp(tail[1]), tiny) for tail in tails)
    return lower, upper


def _at_masses(xp: Namespace[Array], quantile: Quantile, lower: Array, upper: Array, *params: Array) -> Array:
    return from_coordinate(xp, quantile.coordinate, quantile.find(xp, lower, upper, *params))


def _guess(
    xp: Namespace[Array],
    family: Family,
    q: Array,
    one_minus_q: Array,
    bracket: tuple[Array, Array],
    low: Array | None,
    high: Array | None,
    *params: Array,
) -> tuple[Array, Array | None]:
    """(`first_guess`, where it is the answer).

    With guard digits tails of closed form have 13 digits at least, since their logarithms are above -90.  They are
    taken at the bounds themselves, not where draws are held in their dtype: a heavy tail has mass beyond.
    """
    if family.truncated_quantile is not None and not xp.has_guard_digits:
        return family.truncated_quantile(xp, q, one_minus_q, *bracket, *params)
    if not xp.has_guard_digits or not family.tails_are_closed or family.quantile is None:
        return first_guess(xp, family, q, one_minus_q, *bracket, *params), None
    lower, upper = _masses_at(xp, family, q, one_minus_q, low, high, *params)
    x = _at_masses(xp, family.quantile, lower, upper, *params)
    inside = (x > bracket[0]) & (x < bracket[1])
    return x, inside & (xp.minimum(lower, upper) > 10.0 * float(xp.finfo(q).tiny))


@functools.cache
def quantile(family: Family, has_low: bool, has_high: bool) -> Callable:
    """(xp, q, least, most, *bounds, *params) -> x, values only, of one shape; the quantile of a family that has masses.

    `least` and `most` are finite numbers between which all quantiles lie; of the bounds those that are there are given.
    """
    masses, bounds_of = masses_of(family, ends_move=False), _bounds(has_low, has_high)

    def find(xp: Namespace[Array], q: Array, least: Array, most: Array, *args: Array) -> Array:
        def pieces_at(x: Array, *args: Array) -> tuple[Piece, Piece]:
            return masses(xp, *bounds_of(args))(x)  # type: ignore[misc]

        start, settled = _guess(xp, family, q, 1.0 - q, (least, most), *bounds_of(args))
        found = solve(xp, pieces_at, q, 1.0 - q, start, least, most, *args, settled=settled)
        for param in bounds_of(args)[2:]:  # of no number the bracket has none either, but an end
            found = xp.where(xp.abs(param) < math.inf, found, math.nan)
        return found

    return find


@functools.cache
def residual_of(family: Family, has_low: bool, has_high: bool, has_q: bool) -> Callable:
    """(xp, x, *q, *bounds, *params) -> `residual`, of a family that has masses; q where it moves itself."""
    masses, bounds_of = masses_of(family), _bounds(has_low, has_high)

    def at(xp: Namespace[Array], x: Array, *args: Array) -> Array:
        shares = (args[0], 1.0 - args[0]) if has_q else None
        return residual(xp, masses(xp, *bounds_of(args[has_q:])), x, shares)  # type: ignore[misc]

    return at


@functools.cache
def slopes_of(family: Family, has_low: bool, has_high: bool, has_q: bool) -> Callable | None:
    """(xp, x, *q, *bounds, *params) -> the derivatives in these at fixed quantile, where the family has expressions."""
    slopes, bounds_of = family.truncated_slopes, _bounds(has_low, has_high)
    wanted = (has_q, has_low, has_high, *(True for _ in family.parameters))

    def at(xp: Namespace[Array], x: Array, *args: Array) -> tuple[Array, ...]:
        low, high, *params = bounds_of(args[has_q:])
        return tuple(itertools.compress(slopes(xp, x, low, high, *params), wanted))  # type: ignore[misc]

    return slopes and at


@functools.cache
def slopes_by_tails(family: Family, has_low: bool, has_high: bool, has_q: bool) -> Callable:
    """(xp, x, *q, *bounds, *params) -> (derivatives as in `slopes_of`, where they are right to `TAIL_DIGITS`).

    With u the share of the mass below x and s(x) the family's own dx/dtheta at fixed quantile,

    dx/dl = (1 - u) p(l) / p(x),    dx/dh = u p(h) / p(x),    dx/dtheta = s(x) - dx/dl s(l) - dx/dh s(h):

    three evaluations in place of integrals over both sides; but a narrow interval's differences are of equal terms.
    """
    bounds_of, wanted = _bounds(has_low, has_high), (has_q, *(True for _ in range(has_low + has_high)))

    def at(xp: Namespace[Array], x: Array, *args: Array) -> tuple[list[Array], Array]:
        low, high, *params = bounds_of(args[has_q:])
        points = xp.stack([x, *(bound for bound in (low, high) if bound is not None)])
        log_p, (lower, upper) = family.log_density(xp, points, *params), family.log_tails(xp, points, *params)
        below = _mass_by_tails(xp, log_p[0], lower, upper, 1 if has_low else None)
        above = _mass_by_tails(xp, log_p[0], upper, lower, -1 if has_high else None)
        whole = below[0] + above[0]
        shares = itertools.compress((above[0] / whole, below[0] / whole), (has_low, has_high))
        by_bounds = [share * ratio for share, ratio in zip(shares, xp.exp(log_p[1:] - log_p[0]), strict=True)]
        differences, slopes = [below, above], []
        for slope in family.slopes:
            own = slope(xp, points, *params)
            terms = [own[0], *(-by * moved for by, moved in zip(by_bounds, own[1:], strict=True))]
            slopes.append(functools.reduce(operator.add, terms))
            differences.append((slopes[-1], functools.reduce(xp.maximum, map(xp.abs, terms))))
        least = TAIL_DIGITS * (1.0 + xp.abs(log_p[0]) - xp.minimum(lower[0], upper[0]))
        right = functools.reduce(operator.and_, (xp.abs(left) > least * largest for left, largest in differences))
        # at an end of the support what a density says may be that of the outside
        for k in range(1, 1 + has_low + has_high):
            right = right & ((log_p[k] > -math.inf) | (xp.minimum(lower[k], upper[k]) > -math.inf))
        return [*itertools.compress((whole, *by_bounds), wanted), *slopes], right

    return at


TAIL_DIGITS = 1e-8
"""what must be left of a difference's largest term, in units of the logarithms: in float64, for a float32 answer"""


def _mass_by_tails(
    xp: Namespace[Array], log_p: Array, near: Array, far: Array, bound: int | None
) -> tuple[Array, Array]:
    """(mass between x and the bound over p(x), the larger of its two terms); of log-tails at x and at the bounds."""
    if bound is None:
        mass = xp.exp(near[0] - log_p)
        return mass, mass
    is_near = near[0] < far[0]
    more, less = xp.where(is_near, near[0], far[bound]), xp.where(is_near, near[bound], far[0])
    larger = xp.exp(more - log_p)
    return larger - xp.exp(less - log_p), larger


def _bounds(has_low: bool, has_high: bool) -> Callable:
    """Arguments without the bounds that are not there -> (low, high, *params)."""

    def split(args: tuple[Array, ...]) -> tuple[Array | None, ...]:
        count = has_low + has_high
        return args[0] if has_low else None, args[count - 1] if has_high else None, *args[count:]

    return split


def _middle(xp: Namespace[Array], lo: Array, hi: Array) -> Array:
    """Between lo and hi, by exponent where they are far apart."""
    flip = hi <= 0.0
    near, far = xp.where(flip, -hi, lo), xp.where(flip, -lo, hi)
    root = xp.sqrt(xp.maximum(far, 0.0))
    # a square may underflow: at 0 itself there may be no density to go on by
    square = xp.maximum(far * far, root * math.sqrt(float(xp.finfo(far).tiny)))
    big = xp.where(far > 1.0, root, xp.where(far > 0.5, 0.5 * far, square))
    geometric = xp.sqrt(xp.maximum(near, 0.0)) * root
    one_sign = xp.where(near > 0.0, geometric, big)
    wide = xp.where(near >= 0.0, far > 4.0 * near, far < near)
    one_sign = xp.where(wide, xp.where(flip, -one_sign, one_sign), 0.5 * lo + 0.5 * hi)
    astride = xp.where(xp.maximum(-lo, hi) > 10.0, 0.0, 0.5 * lo + 0.5 * hi)
    return xp.where((lo < 0.0) & (hi > 0.0), astride, one_sign)
