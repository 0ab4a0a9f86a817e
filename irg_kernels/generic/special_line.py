"""Functions of Student's t, of an angle, of normal intervals, and Bessel functions, with every derivative.

symbol   meaning
kappa    concentration of a von Mises angle
near     the point of an interval at which the normal density is greatest
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..families import normal, student_t, von_mises
from ..namespace import Array, Namespace
from ..numerics.bessel import cosine_variance, log_i0e, mean_cosine
from ..numerics.quadrature import is_double
from .family import Function, cdf_of
from .guarded import Domain, choose, equal, guarded, inverse_of, reordered, zero_like

# ------------------------------------------------------------------------------------------------ Student, von Mises


def _t_inside(xp: Namespace[Array], df: Array, t: Array) -> Array:
    return (df > 0.0) & (xp.abs(t) < math.inf)


def _t_valid(xp: Namespace[Array], df: Array, t: Array) -> Array:
    return (df > 0.0) & (xp.abs(t) <= math.inf)


def _t_taken(xp: Namespace[Array], df: Array, t: Array) -> tuple[Array, ...]:
    """For infinity, a df from which on all is the normal's: what differs is t**4 / df, and no cube may overflow."""
    return xp.minimum(df, 1e20 if is_double(xp, t) else 1e12), t


def _t_limits(xp: Namespace[Array], df: Array, t: Array) -> tuple[Array, ...]:
    return choose(xp, t, (t < 0.0, 0.0), otherwise=1.0), zero_like(xp, t), zero_like(xp, t)


def _t_quantile_inside(xp: Namespace[Array], df: Array, q: Array) -> Array:
    return (df > 0.0) & (q > 0.0) & (q < 1.0)


def _t_quantile_valid(xp: Namespace[Array], df: Array, q: Array) -> Array:
    return (df > 0.0) & (equal(q, 0.0) | equal(q, 1.0))


def _t_quantile_limits(xp: Namespace[Array], df: Array, q: Array) -> tuple[Array, ...]:
    """The t of a far tail falls as df grows."""
    end = choose(xp, q, (q <= 0.0, -math.inf), otherwise=math.inf)
    return end, xp.where(df < math.inf, -end, 0.0), math.inf + zero_like(xp, q)


STDTR = guarded(
    reordered(cdf_of(student_t.STANDARD), (1, 0)),
    Domain((1.0, 0.0, 0.5), _t_inside, _t_valid, _t_limits, taken=_t_taken),
)
STDTRIT = guarded(
    reordered(inverse_of(student_t.STANDARD), (1, 0)),
    Domain((1.0, 0.5, 0.0), _t_quantile_inside, _t_quantile_valid, _t_quantile_limits, taken=_t_taken),
)


def _angle_inside(xp: Namespace[Array], kappa: Array, x: Array) -> Array:
    return (kappa >= 0.0) & (kappa < math.inf) & (xp.abs(x) <= math.pi + 1e-7)


def _angle_valid(xp: Namespace[Array], kappa: Array, x: Array) -> Array:
    return (kappa >= 0.0) & (xp.abs(x) <= math.inf)


def _angle_limits(xp: Namespace[Array], kappa: Array, x: Array) -> tuple[Array, ...]:
    value = choose(xp, x, (x < 0.0, 0.0), (x > 0.0, 1.0), otherwise=0.5)
    return value, zero_like(xp, x), choose(xp, x, (equal(x, 0.0), math.inf))


def _angle_quantile_inside(xp: Namespace[Array], kappa: Array, q: Array) -> Array:
    return (kappa >= 0.0) & (kappa < math.inf) & (q > 0.0) & (q < 1.0)


def _angle_quantile_valid(xp: Namespace[Array], kappa: Array, q: Array) -> Array:
    return (kappa >= 0.0) & (q >= 0.0) & (q <= 1.0)


def _angle_quantile_limits(xp: Namespace[Array], kappa: Array, q: Array) -> tuple[Array, ...]:
    at_end = (q <= 0.0) | (q >= 1.0)
    ends = at_end & (kappa < math.inf)
    concentration = xp.where(ends, kappa, 0.0)
    end = choose(xp, q, (q <= 0.0, -math.pi), (q >= 1.0, math.pi))
    by_q = xp.exp(-von_mises.log_density(xp, math.pi + zero_like(xp, q), zero_like(xp, q), concentration))
    return end, zero_like(xp, q), xp.where(ends, by_q, xp.where(at_end, math.inf, 0.0))


def _centred(function: Function, place: Callable) -> Function:
    """A von Mises distribution's function of (x, loc, kappa), at loc = 0, of (kappa, x)."""

    def value(xp: Namespace[Array], kappa: Array, x: Array) -> Array:
        return function.value(xp, x, 0.0 * x, kappa)

    def by_kappa(xp: Namespace[Array], result: Array, kappa: Array, x: Array) -> Array:
        z = place(result, x)
        flow = von_mises.dz_dkappa(xp, z, kappa)
        return flow if place is _result else -flow * xp.exp(von_mises.log_density(xp, z, 0.0 * z, kappa))

    def by_x(xp: Namespace[Array], result: Array, kappa: Array, x: Array) -> Array:
        log_p = von_mises.log_density(xp, place(result, x), 0.0 * x, kappa)
        return xp.exp(-log_p if place is _result else log_p)

    return Function(value, (by_kappa, by_x))


def _result(result: Array, x: Array) -> Array:
    return result


VON_MISES_CDF = guarded(
    _centred(cdf_of(von_mises.FAMILY), lambda result, x: x),
    Domain((1.0, 0.0, 0.5), _angle_inside, _angle_valid, _angle_limits),
)
VON_MISES_CDFINV = guarded(
    _centred(inverse_of(von_mises.FAMILY), _result),
    Domain((1.0, 0.5, 0.0), _angle_quantile_inside, _angle_quantile_valid, _angle_quantile_limits),
)

# ------------------------------------------------------------------------------------------- normal intervals, Bessel


def _interval(xp: Namespace[Array], low: Array, high: Array) -> tuple[Array, ...]:
    """(low, high, the point of the interval nearest 0, its mass over the density there, where so), -1 and 1 elsewhere:
    where low >= high, and so far out that one end alone counts."""
    most = math.sqrt(float(xp.finfo(low).max)) * 1e-3
    low, high = xp.clip(low, -most, most), xp.clip(high, -most, most)
    ordered = low < high
    low, high = xp.where(ordered, low, -1.0), xp.where(ordered, high, 1.0)
    near = _nearest(xp, low, high)
    pieces = normal.masses(xp, low, high, zero_like(xp, low), 1.0 + zero_like(xp, low))
    mass = sum(piece.mass * xp.exp(piece.log_unit) for piece in pieces(near))
    return low, high, near, mass, ordered


def _nearest(xp: Namespace[Array], low: Array, high: Array) -> Array:
    return xp.where(low > 0.0, low, xp.where(high < 0.0, high, 0.0))


def _log_interval(xp: Namespace[Array], low: Array, high: Array) -> Array:
    at_low, at_high, near, mass, ordered = _interval(xp, low, high)
    found = normal.log_density(xp, near) + xp.log(mass)
    # where most lies inside, by what does not
    outside = xp.exp(xp.log_ndtr(at_low)) + xp.exp(xp.log_ndtr(-at_high))
    most = outside < 0.5
    found = xp.where(most, xp.log1p(-xp.where(most, outside, 0.0)), found)
    near = _nearest(xp, low, high)
    far = (xp.abs(near) > 1e150) if is_double(xp, low) else (xp.abs(near) > 1e15)
    empty = xp.where(equal(low, high), -math.inf, math.nan)
    return xp.where(low < high, xp.where(far | ~ordered, -0.5 * near * near, found), empty)


def _interval_end(which: int) -> Callable:
    """-+ phi(end) over the mass of the interval."""

    def partial(xp: Namespace[Array], result: Array, low: Array, high: Array) -> Array:
        ends = _interval(xp, low, high)
        _, _, near, mass, ordered = ends
        end, sign = ends[which], 2.0 * which - 1.0
        inside = sign * xp.exp(-0.5 * (end - near) * (end + near)) / mass
        # far out the density falls as exp(-|near| t)
        is_near = (low > 0.0) if which == 0 else (high < 0.0)
        inside = xp.where(ordered, inside, -xp.where(is_near, (low, high)[which], 0.0))
        return xp.where(low < high, inside, xp.where(equal(low, high), sign * math.inf, math.nan))

    return partial


LOG_NDTR_INTERVAL = Function(_log_interval, (_interval_end(0), _interval_end(1)))


def _log_i0(xp: Namespace[Array], x: Array) -> Array:
    size = xp.minimum(xp.abs(x), float(xp.finfo(x).max))
    small = xp.minimum(size, 2.0)
    # I0 - 1 by its series (DLMF 10.25.2), where log I0e + x would cancel
    quarter, term, total = 0.25 * small * small, 1.0 + 0.0 * small, 0.0 * small
    for k in range(1, 16):
        term = term * quarter / float(k * k)
        total = total + term
    found = xp.where(size < 2.0, xp.log1p(total), size + log_i0e(xp, size))
    return xp.where(xp.abs(x) < math.inf, found, xp.abs(x))


def _ratio(xp: Namespace[Array], x: Array) -> Array:
    size = xp.minimum(xp.abs(x), float(xp.finfo(x).max))
    return xp.where(xp.abs(x) <= math.inf, xp.copysign(mean_cosine(xp, size), x), math.nan)


def _log_i0_by_x(xp: Namespace[Array], result: Array, x: Array) -> Array:
    """With the derivative of the ratio, which autodiff through its two formulas would cancel."""
    fixed = xp.stop_gradient(x)
    change = xp.where(xp.abs(x) < math.inf, x - fixed, 0.0)
    return _ratio(xp, fixed) + change * _ratio_by_x(xp, result, x)


def _ratio_by_x(xp: Namespace[Array], result: Array, x: Array) -> Array:
    size = xp.minimum(xp.abs(x), float(xp.finfo(x).max))
    return xp.where(xp.abs(x) <= math.inf, cosine_variance(xp, size), math.nan)


LOG_I0 = Function(_log_i0, (_log_i0_by_x,))
BESSEL_RATIO = Function(_ratio, (_ratio_by_x,))
