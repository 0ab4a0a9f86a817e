"""Log-density differences of a family in a chart, without cancellation in the displacement or in a parameter.

    symbol   meaning
    y        a chart's coordinate, x itself or log x, logit x, asinh((x - centre) / width), in which tails fall
             exponentially or faster
    v        displacement in y from x
    R(v)     log of the density in y, at y + v over that at y

Gamma, its inverse and logarithm, Weibull, HalfNormal, Exponential and Gumbel have the density exp(a y - b e**y) in
their chart; Beta, Logistic and HalfCauchy p**a q**b, y = log(p / q), p + q = 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, NamedTuple

from ..namespace import Array, Namespace
from .elementary import expm1mx, log1pmx_near_0, positive
from .quadrature import is_double


class Chart(NamedTuple, Generic[Array]):
    """A coordinate y; functions of xp and of x inside the support."""

    displacement: Callable
    """(xp, x, end) -> v with y(end) = y(x) + v"""
    unit: Callable
    """(xp, x) -> dx/dy"""
    ends: tuple[Array | float | None, Array | float | None] = (None, None)
    """x where y is infinite"""
    scale: Array | float = 1.0
    """a length in y"""
    most: float = 1e30
    """the largest displacement, in units of it: a power of 1e-28 falls as slowly as it may"""
    nearing: Callable | None = None
    """(xp, x, side) -> (c, r): next to an end where y is infinite the distance from it is c exp(-r |v|)"""


class Shape(NamedTuple, Generic[Array]):
    """A distribution in a chart."""

    chart: Chart
    rise: Callable
    """R of (x, v)"""
    mode: Array | float | Callable
    """the x where the density in y is greatest; where that may round to an end of the chart, x -> displacement to it"""
    ends: tuple[Array | float | None, Array | float | None] = (None, None)
    """the ends of the support that are finite in y"""
    valley: tuple[Array, Array] | None = None
    """(x, other mode) where the density rises again beyond x, towards a mode that may lie outside the support"""
    located: tuple[int, Array | float] | None = None
    """of a family whose tails are long (the index of the location among its parameters, from the end if negative; a
    length beyond which the density is small)"""
    between: Callable | None = None
    """(x, bounds) -> the Shape whose points go along with the ends as is best for these"""

    def to_mode(self, xp: Namespace[Array], x: Array) -> Array:
        """The displacement from x to the mode."""
        if callable(self.mode):
            return self.mode(x)
        return self.chart.displacement(xp, x, self.mode + 0.0 * x)


# --------------------------------------------------------------------------------------------------------------- charts


def _plain_displacement(xp: Namespace[Array], x: Array, end: Array) -> Array:
    return end - x


def _plain_unit(xp: Namespace[Array], x: Array) -> Array:
    return 1.0 + 0.0 * x


def line(scale: Array | float) -> Chart:
    return Chart(_plain_displacement, _plain_unit, scale=scale)


def log_ratio(xp: Namespace[Array], x: Array, end: Array, apart: Array | None = None) -> Array:
    """log(end / x).

    :param apart: end - x, where that is known better than by their difference.
    """
    apart = end - x if apart is None else apart
    close = xp.abs(apart) < 0.5 * x
    return xp.where(close, xp.log1p(xp.where(close, apart, 0.0) / x), xp.log(xp.where(close, 1.0, end)) - xp.log(x))


def _itself(xp: Namespace[Array], x: Array) -> Array:
    return x


HALF_LINE = Chart(log_ratio, _itself, (0.0, None), nearing=lambda xp, x, side: (x, 1.0))


def _logit_displacement(xp: Namespace[Array], x: Array, end: Array) -> Array:
    return log_ratio(xp, x, end) - log_ratio(xp, 1.0 - x, 1.0 - end, x - end)


def logit(xp: Namespace[Array], x: Array) -> Array:
    middle = xp.abs(x - 0.5) < 0.2  # where both logarithms are larger than the logit
    at = xp.where(middle, x, 0.5)
    return xp.where(middle, xp.log1p((2.0 * at - 1.0) / (1.0 - at)), xp.log(x) - xp.log1p(-x))


INTERVAL = Chart(
    _logit_displacement,
    lambda xp, x: x * (1.0 - x),
    (0.0, 1.0),
    nearing=lambda xp, x, side: (x / (1.0 - x) if side == 0 else (1.0 - x) / x, 1.0),
)


def heavy_line(xp: Namespace[Array], centre: Array, width: Array) -> Chart:
    """Both held constant."""
    width = xp.stop_gradient(width)
    return moving_heavy_line(xp.stop_gradient(centre), width)._replace(most=Chart._field_defaults["most"])


def moving_heavy_line(centre: Array, width: Array) -> Chart:
    """The chart in which both count as parameters."""

    def displacement(xp: Namespace[Array], x: Array, end: Array) -> Array:
        return heavy_step(xp, (x - centre) / width, (end - centre) / width, (end - x) / width)

    def unit(xp: Namespace[Array], x: Array) -> Array:
        return width * hypot1(xp, (x - centre) / width)

    return Chart(displacement, unit, most=80.0)


def hypot1(xp: Namespace[Array], y: Array) -> Array:
    """sqrt(1 + y**2), where y**2 overflows too."""
    far = xp.abs(y) > 1e15
    near = xp.where(far, 0.0, y)
    return xp.where(far, xp.abs(y), xp.sqrt(1.0 + near * near))


def heavy_step(xp: Namespace[Array], y: Array, z: Array, apart: Array) -> Array:
    """asinh(z) - asinh(y), apart = z - y."""
    at_y, at_z = hypot1(xp, y), hypot1(xp, z)
    one_side = (y > 0.0) & (z > 0.0) | (y < 0.0) & (z < 0.0)
    # so far apart that nothing cancels, where the derivative of the quotient overflows
    one_side = one_side & (xp.maximum(at_y, at_z) < 1e12 * xp.minimum(at_y, at_z))
    # in units of the larger, where a product, or its square in the derivative, would overflow
    most = xp.stop_gradient(xp.maximum(at_y, at_z))
    most = xp.where(most > (1e15 if is_double(xp, y) else 1e8), most, 1.0)
    u, v = y / most, z / most
    total = xp.where(one_side, v * (at_y / most) + u * (at_z / most), 1.0)
    near, far = xp.where(one_side, 0.0, y), xp.where(one_side, 0.0, z)  # nor does it of two signs
    return xp.arcsinh(xp.where(one_side, (apart / most) * ((v + u) / total), 0.0)) + xp.arcsinh(far) - xp.arcsinh(near)


# With ends that are parameters: the chart holds them constant, for the derivative of a displacement would be that of
# the nodes, which cancels where an interval is narrow.  What lies near a moving end must move with it, though, or the
# derivative of the density there is infinite: a point at the share rho of the way from the end to x goes along by
# (1 - rho)**2 of the end's motion, which is 0 about x.

FAR = 1e30
"""a displacement beyond every mass"""


def log_rest(xp: Namespace[Array], near: Array, own: Array, change: Array, rest: Array) -> Array:
    """log(rest / own), rest = own + change, by the change where `near`."""
    little = xp.log1p(xp.where(near, change, 0.0) / own)
    return xp.where(near, little, xp.log(positive(xp, xp.where(near, own, rest)) / own))


def in_exponent(xp: Namespace[Array], v: Array) -> Array:
    """v where it and -v have exponentials in range."""
    most = 0.9 * math.log(float(xp.finfo(v).max))
    return xp.clip(v, -most, most)


def half_line_from(xp: Namespace[Array], origin: Array) -> Chart:
    """log(x - origin)"""
    origin = xp.stop_gradient(origin)

    def displacement(xp: Namespace[Array], x: Array, end: Array) -> Array:
        inside = end > origin
        apart = xp.where(inside, end - x, 0.0)
        to = log_ratio(xp, positive(xp, x - origin), xp.where(inside, end - origin, 1.0), apart)
        return xp.where(inside, to, -FAR)

    return Chart(displacement, lambda xp, x: positive(xp, x - origin))


# For a side of x, 1 where the points on it go along with the end of the support there, 0 where they stay.
Along = tuple[Array | float, Array | float]


def takes_along(xp: Namespace[Array], x: Array, ends: tuple, bounds: tuple) -> Along[Array]:
    """Not where a bound lies between x and the end, well away from it.  There the points need not stay off the end, and
    what their motion adds to the integral and what it takes off at the bound are several times the sum.

    :param bounds: None where there is none.
    """

    def side(end: Array, bound: Array | None) -> Array | float:
        if bound is None:
            return 1.0
        share = (end - xp.stop_gradient(bound)) / (end - x)  # negative beyond the end
        return xp.where(share > 0.25, 0.0 * x, 1.0)

    low, high = (side(xp.stop_gradient(end), bound) for end, bound in zip(ends, bounds, strict=True))
    return low, high


def interval(
    xp: Namespace[Array], low: Array, high: Array, rest: Array | float = 0.0, along: Along[Array] = (1.0, 1.0)
) -> Chart:
    """log((x - low) / (high - x))

    :param rest: what rounding has left of high.
    """
    still_low, still_high = xp.stop_gradient(low), xp.stop_gradient(high)
    by_low, by_high = low - still_low, high - still_high

    def displacement(xp: Namespace[Array], x: Array, end: Array) -> Array:
        above, below = end > still_low, end < still_high
        inside = above & below
        end = xp.where(inside, end, x)
        of = (x - still_low, along[0] * by_low), (x - still_high, along[1] * by_high)
        way, moved = (xp.where(end < x, *values) for values in zip(*of, strict=True))
        end = came_from(end, x, way, moved)
        up = log_ratio(xp, positive(xp, x - still_low), end - still_low, end - x)
        down = log_ratio(xp, positive(xp, (still_high - x) + rest), positive(xp, (still_high - end) + rest), x - end)
        return xp.where(inside, up - down, xp.where(above, FAR, -FAR))

    def unit(xp: Namespace[Array], x: Array) -> Array:
        return positive(xp, x - still_low) * (positive(xp, (still_high - x) + rest) / (still_high - still_low))

    return Chart(displacement, unit)


def interval_rise(
    xp: Namespace[Array],
    a: Array,
    b: Array,
    low: Array,
    high: Array,
    shares: Callable,
    rest: Array | float = 0.0,
    along: Along[Array] = (1.0, 1.0),
) -> Callable:
    """R of the density z**a w**b in the chart `interval`; v leads to the distances `left` and `right` from the ends.

    :param shares: x -> (z, w), those of the interval that lie below x and above it.
    """
    still_low, still_high = xp.stop_gradient(low), xp.stop_gradient(high)

    def rise(x: Array, v: Array) -> Array:
        x_low, x_high = positive(xp, x - still_low), positive(xp, (still_high - x) + rest)
        above, near, fall = v > 0.0, xp.abs(v) < 0.5, xp.exp(-xp.abs(v))
        of_low, of_high = xp.where(above, 1.0, fall), xp.where(above, fall, 1.0)
        total = x_low * of_low + x_high * of_high
        change = x_low * (x_high * xp.where(above, 1.0, -1.0)) * -xp.expm1(-xp.abs(v)) / total
        share = (x_low + x_high) / total
        left, right = x_low * (share * of_low), x_high * (share * of_high)
        # that which goes to 0 has a logarithm also where it is no number: of its share
        gone = xp.log(share) - xp.abs(v)
        plain_left = xp.where(near | above, log_rest(xp, near, x_low, change, left), gone)
        plain_right = xp.where(above & ~near, gone, log_rest(xp, near, x_high, -change, right))
        # the end beyond which nothing lies takes points along by (1 - rho)**2 of its motion
        rho = share * fall
        by_low, by_high = low - still_low, high - still_high
        less = xp.where(above, change / x_high, -change / x_low)  # 1 - rho
        taken = xp.where(above, along[1], along[0]) * less
        motion = taken * less * xp.where(above, by_high, by_low)
        # over rho, the rest of the motion; where points stay, there are none next to the end
        stays = xp.where(taken > 0.0, 2.0 - rho, 1.0 / xp.maximum(rho, 0.1))
        left = left + xp.where(above, motion - by_low, -rho * stays * by_low)
        right = right + xp.where(above, rho * stays * by_high, by_high - motion)
        own_left, own_right = positive(xp, x - low), positive(xp, (high - x) + rest)
        relative = xp.where(above, by_high / x_high, -by_low / x_low)
        gone = gone + xp.log1p(stays * relative) - xp.log(xp.where(above, own_right / x_high, own_left / x_low))
        by_left = xp.where(near | above, log_rest(xp, near, own_left, change + motion, left), gone)
        by_right = xp.where(above & ~near, gone, log_rest(xp, near, own_right, -change - motion, right))
        found = (a - 1.0) * by_left + (b - 1.0) * by_right + (plain_left + plain_right)
        found = found + xp.log1p(2.0 * taken * relative)
        # this has the derivatives, and more rounding
        z, w = shares(x)
        return found + xp.stop_gradient(logistic_rise(xp, a, b, z, w, v) - found)

    return rise


def came_from(end: Array, x: Array, way: Array, moved: Array) -> Array:
    """The point that goes to `end` when the end of the support, x - way, has moved; right to second order."""
    place = end
    for _ in range(2):
        share = (place - x) / way
        place = end - share * share * moved
    return place


# ---------------------------------------------------------------------------------------------------------------- rises


def exponential_rise(xp: Namespace[Array], a: Array, b: Array, v: Array, log_b: Array | None = None) -> Array:
    """a v - b (e**v - 1), the density exp(a y - b e**y).

    :param log_b: where b may underflow, though b e**v does not.
    """
    near = xp.abs(v) < 1.0
    little, much = xp.where(near, v, 0.0), xp.where(near, 1.0, v)
    lost = b < 1e8 * float(xp.finfo(b).tiny)
    log_b = xp.log(positive(xp, b)) if log_b is None else log_b
    unit, shift = xp.where(lost, 1.0, b), xp.where(lost, log_b, 0.0)
    far = a * much - (unit * xp.exp(much + shift) - b)
    return xp.where(near, (a - b) * little - b * expm1mx(xp, little), far)


def logistic_rise(
    xp: Namespace[Array], a: Array, b: Array, p: Array, q: Array, v: Array, y: Array | None = None
) -> Array:
    """a v - (a + b) log(q + p e**v), p + q = 1: the density p**a q**b in y = log(p / q).

    :param y: where p or q may underflow, though the density does not.
    """
    up = v > 0.0
    w = xp.abs(v)
    # upwards with p and q, a and b exchanged: the exponential falls
    goes, stays, shape = xp.where(up, q, p), xp.where(up, p, q), xp.where(up, b + 0.0 * v, a + 0.0 * v)
    total, other = a + b, xp.where(up, a + 0.0 * v, b + 0.0 * v)
    close = w < 1.0
    w_near, w_far = xp.where(close, w, 0.0), xp.where(close, 1.0, w)
    # by the smaller share: next to 1 a large a + b would leave its rounding
    small = stays < goes
    share, power, t = (xp.where(small, *each) for each in ((stays, goes), (other, shape), (w_near, -w_near)))
    change = share * xp.expm1(t)
    tiny, remainder = log1pmx_near_0(xp, change)
    little = t * (power - total * share) - total * (share * expm1mx(xp, t) + remainder)
    some = power * t - total * xp.log1p(change)
    within = in_exponent(xp, w_far)
    grown = stays * xp.expm1(within)
    few = small & (grown < 1.0) & (w_far <= within)
    some_far = xp.log1p(xp.where(few, grown, xp.where(small, 0.0, goes * xp.expm1(-w_far))))
    most_far = xp.log(xp.where(small & ~few, stays + goes * xp.exp(-w_far), 1.0))
    far = xp.where(few, other, -shape) * w_far - total * (some_far + most_far)
    if y is not None:
        lost = stays < 1e8 * float(xp.finfo(v).tiny)
        log_stays = xp.where(lost, -xp.softplus(xp.where(up, -y, y)), 0.0)
        beyond = xp.where(up, a, b) * w_far - (a + b) * xp.softplus(w_far + log_stays)
        far = xp.where(lost, beyond, far)
    return xp.where(close, xp.where(tiny, little, some), far)


def odds_shares(xp: Namespace[Array], above: Array, ratio: Array) -> tuple[Array, Array]:
    """(p, q), p + q = 1, of which p is the larger where `above`, from smaller / larger.  The derivative of either is
    of its own size: that of a sigmoid, p (1 - p), cancels."""
    less, more = ratio / (1.0 + ratio), 1.0 / (1.0 + ratio)
    return xp.where(above, more, less), xp.where(above, less, more)


def logistic_shares(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    """`odds_shares` of the odds exp(y).  (Of |y| the derivative at 0 would be 0.)"""
    above = y > 0.0
    return odds_shares(xp, above, xp.exp(xp.where(above, -y, y)))
