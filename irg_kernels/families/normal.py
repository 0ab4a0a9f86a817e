"""Normal: tails, quantile, and its masses about a point, in which no cancellation is left.

symbol   meaning
y        standardised value, (x - loc) / scale
"""

from __future__ import annotations

import math
from typing import Generic, NamedTuple

from ..generic.derived import located
from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.masses import Piece, Pieces, moving_end, rule
from ..numerics.quadrature import depth, is_double
from ..numerics.roots import normal_quantile

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def log_density(xp: Namespace[Array], y: Array) -> Array:
    return -0.5 * y * y - HALF_LOG_2PI


def log_tails(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    return xp.log_ndtr(y), xp.log_ndtr(-y)


def upper_quantile(xp: Namespace[Array], log_tail: Array) -> Array:
    """u >= 0 with log P(Y > u) = log_tail <= log(1/2), by Newton's method on the logarithm; values only."""

    def step(state: tuple) -> tuple:
        u, _ = state
        log_upper = xp.log_ndtr(-u)
        error = log_upper - log_tail
        return u + error * xp.exp(log_upper - log_density(xp, u)), xp.abs(error)

    # the start is good to 3e-3, which each step squares
    start = (normal_quantile(xp, log_tail), 1.0 + 0.0 * log_tail)
    return xp.converge(step, start, lambda state: ~(state[1] > math.sqrt(float(xp.finfo(log_tail).eps))), 6)[0]


def quantile(xp: Namespace[Array], q: Array, one_minus_q: Array) -> Array:
    smaller = xp.maximum(xp.minimum(q, one_minus_q), float(xp.finfo(q).tiny))
    return xp.copysign(xp.ndtri(xp.minimum(smaller, 0.5)), q - one_minus_q)


# worst error over both masses and their derivatives: 3e-7 in exact arithmetic with 16 nodes, 1e-14 with 36; of a
# whole bell of 2 sqrt(2 depth) scales, the longest interval, the spacing is then 1.2 and 0.75 scales
NODES_F32, NODES_F64 = 18, 36


def truncated_quantile(
    xp: Namespace[Array], q: Array, one_minus_q: Array, low: Array, high: Array, loc: Array, scale: Array
) -> tuple[Array, Array]:
    """(x, where it is the quantile), by the tails at both bounds, and next to a bound by the distance from it.

    Values only, and without guard digits; with them `truncated_normal` serves.
    """
    ends = ((low - loc) / scale, (high - loc) / scale)
    outside = [0.5 * xp.erfc(math.sqrt(0.5) * xp.abs(end)) for end in ends]
    lower = [xp.where(end < 0.0, tail, 1.0 - tail) for end, tail in zip(ends, outside, strict=True)]
    upper = [xp.where(end < 0.0, 1.0 - tail, tail) for end, tail in zip(ends, outside, strict=True)]
    below, above = (one_minus_q * tail[0] + q * tail[1] for tail in (lower, upper))
    x = loc + scale * quantile(xp, below, above)
    is_lower = ends[0] + ends[1] < 0.0
    larger, smaller = xp.where(is_lower, lower[1], upper[0]), xp.where(is_lower, lower[0], upper[1])
    near_low, from_low = _distance(xp, q * (larger - smaller), ends[0])
    near_high, from_high = _distance(xp, one_minus_q * (larger - smaller), -ends[1])
    x = xp.where(near_high, high - scale * from_high, xp.where(near_low, low + scale * from_low, x))
    # the exponential in a far tail costs digits, and so does a difference of equal masses
    return x, (larger > 1e-4) & (smaller < 0.5 * larger) & (x > low) & (x < high)


_QUANTILE_SERIES = (
    (1.0,),
    (0.0, 1.0),
    (1.0, 0.0, 2.0),
    (0.0, 7.0, 0.0, 6.0),
    (7.0, 0.0, 46.0, 0.0, 24.0),
    (0.0, 127.0, 0.0, 326.0, 0.0, 120.0),
    (127.0, 0.0, 1740.0, 0.0, 2556.0, 0.0, 720.0),
)
"""P_k of P_1 = 1, P_{k+1} = P_k' + k y P_k; lowest power first"""


def _distance(xp: Namespace[Array], mass: Array, y: Array) -> tuple[Array, Array]:
    """(where t is small enough, the t with that mass between y and y + t), by Taylor's series of the quantile at y.

    With r = mass / density(y), t = sum_k P_k(y) r**k / k!, whose terms fall as ((1 + |y|) r)**k / k.
    """
    r = mass * xp.exp(-log_density(xp, y))
    near = (1.0 + xp.abs(y)) * r < 2.0 ** (-7 if is_double(xp, r) else -4)
    r, y, t = xp.where(near, r, 0.0), xp.where(near, y, 0.0), 0.0 * r
    for k in range(len(_QUANTILE_SERIES), 0, -1):
        value = 0.0 * y
        for coefficient in reversed(_QUANTILE_SERIES[k - 1]):
            value = value * y + coefficient
        t = r / k * (value + t)
    return near, t


class _Moments(NamedTuple, Generic[Array]):
    """int tau**k exp(-tau (tau + 2 offset) / (2 scale**2)) dtau for k = 0, 1, ..., each in units of exp(log_unit)."""

    moments: list[Array]
    offset: Array
    at_end: Array | float
    """the integrand at the bound, in the same units"""
    log_unit: Array
    """without derivative"""


def _moments(
    xp: Namespace[Array], x: Array, end: Array | None, sign: float, loc: Array, scale: Array, count: int = 1
) -> _Moments:
    """Below (sign -1) or above x (sign 1), over the distance tau from x, offset = sign (x - loc), cut on either side of
    the integrand's peak where that has fallen by `depth`."""
    offset = sign * (x - loc)
    sd = xp.stop_gradient(scale)
    z, fall = xp.stop_gradient(offset) / sd, depth(xp, x)
    peak = xp.maximum(-z, 0.0)
    if end is not None:
        length = sign * (end - x)
        reach = xp.maximum(xp.stop_gradient(length) / sd, 0.0)
        peak = xp.minimum(peak, reach)
    slope = z + peak  # > 0: the peak is at x;  < 0: at the bound
    root = xp.sqrt(slope * slope + 2.0 * fall)
    last = peak + 2.0 * fall / (xp.maximum(slope, 0.0) + root)
    first = sd * xp.maximum(peak - 2.0 * fall / (xp.maximum(-slope, 0.0) + root), 0.0)
    top = -0.5 * peak * (peak + 2.0 * z)

    until = xp.stop_gradient(sd * last if end is None else xp.minimum(sd * last, length))
    nodes, weights = rule(NODES_F64 if is_double(xp, x) else NODES_F32)
    span = until - first
    # with tau = first + span v a polynomial in v
    y, start, step = offset / scale, first / scale, span / scale
    e_0, e_1, e_2 = -0.5 * start * (start + 2.0 * y) - top, -step * (start + y), -0.5 * step * step
    powers = [tuple(w * v**k for v, w in zip(nodes, weights, strict=True)) for k in range(count)]
    t = xp.integrate(lambda v: xp.exp(xp.addcmul(e_0, xp.addcmul(e_1, e_2, v), v)), nodes, *powers, like=span)
    moments = [
        span * sum(math.comb(k, j) * first ** (k - j) * span**j * t[j] for j in range(k + 1)) for k in range(count)
    ]
    at_end: Array | float = 0.0
    if end is not None:

        def integrand(tau: Array) -> Array:
            return xp.exp(-0.5 * (tau / scale) * ((tau + 2.0 * offset) / scale) - top)

        # not where the density is 0 in its dtype
        far = reach < 10.0 * last
        length = xp.where(far, length, until)
        at_end = xp.where(far, integrand(length), 0.0)
        moments = [m + by_end for m, by_end in zip(moments, moving_end(xp, integrand, length, count), strict=True)]
    return _Moments(moments, offset, at_end, top)


def masses(xp: Namespace[Array], low: Array | None, high: Array | None, loc: Array, scale: Array) -> Pieces:
    def pieces(x: Array) -> tuple[Piece, Piece]:
        below, above = _moments(xp, x, low, -1.0, loc, scale), _moments(xp, x, high, 1.0, loc, scale)
        return Piece(below.moments[0], below.log_unit), Piece(above.moments[0], above.log_unit)

    return pieces


def truncated_slopes(
    xp: Namespace[Array], x: Array, low: Array | None, high: Array | None, loc: Array, scale: Array
) -> tuple[Array, ...]:
    """dx / d(u, low, high, loc, scale) at fixed quantile; with m the moments of A and M those of B,

    dx/dloc = [(1 - u) m_1 + u M_1] / scale**2,
    dx/dscale = [u (M_2 + 2 (x - loc) M_1) - (1 - u) (m_2 - 2 (x - loc) m_1)] / scale**3.
    """
    below, above = _moments(xp, x, low, -1.0, loc, scale, 3), _moments(xp, x, high, 1.0, loc, scale, 3)
    top = xp.maximum(below.log_unit, above.log_unit)
    to_a, to_b = xp.exp(below.log_unit - top), xp.exp(above.log_unit - top)
    a, b = below.moments[0] * to_a, above.moments[0] * to_b
    unit = xp.exp(xp.minimum(top, 0.95 * math.log(float(xp.finfo(x).max))))
    # a moment of one side goes with the mass of the other
    of_a, of_b = b / (a + b) * to_a * unit, a / (a + b) * to_b * unit
    by_loc = (of_a * below.moments[1] + of_b * above.moments[1]) / scale / scale
    second_a, second_b = (m.moments[2] + 2.0 * m.offset * m.moments[1] for m in (below, above))
    by_scale = (of_b * second_b - of_a * second_a) / scale / scale / scale
    return (a + b) * unit, of_a * below.at_end, of_b * above.at_end, by_loc, by_scale


def truncated_moments(
    xp: Namespace[Array], low: Array | None, high: Array | None, centre: Array, loc: Array, scale: Array
) -> tuple[Array, Array]:
    """(mean - centre, variance), from the moments about a centre, the mode."""
    below, above = _moments(xp, centre, low, -1.0, loc, scale, 3), _moments(xp, centre, high, 1.0, loc, scale, 3)
    to_a, to_b = xp.exp(below.log_unit), xp.exp(above.log_unit)
    total, first, second = (
        to_b * m_above + sign * to_a * m_below
        for sign, m_below, m_above in zip((1.0, -1.0, 1.0), below.moments, above.moments, strict=True)
    )
    mean = first / total
    return mean, second / total - mean * mean


STANDARD = Family(
    parameters={},
    support=(-math.inf, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(),
    tails_are_closed=True,
    quantile=Quantile(quantile, log_density, ()),
    entropy=lambda xp: HALF_LOG_2PI + 0.5,
    mean=lambda xp: 0.0,
    variance=lambda xp: 1.0,
)

FAMILY = located(
    STANDARD,
    masses=masses,
    truncated_slopes=truncated_slopes,
    truncated_quantile=truncated_quantile,
    standardised=lambda xp, x, loc, scale: (x - loc) / scale,  # not held in range, which its square leaves first
)
