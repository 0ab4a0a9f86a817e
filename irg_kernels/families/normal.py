"""Normal: tails, quantile, and its masses about a point, in which no cancellation is left.

symbol   meaning
y        standardised value, (x - loc) / scale
"""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile, located
from ..namespace import Array, Namespace
from ..numerics.masses import Piece, Pieces, integral, moving_end
from ..numerics.quadrature import depth
from ..numerics.roots import logarithm, normal_quantile

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def log_density(xp: Namespace, y: Array) -> Array:
    return -0.5 * y * y - HALF_LOG_2PI


def log_tails(xp: Namespace, y: Array) -> tuple[Array, Array]:
    return xp.log_ndtr(y), xp.log_ndtr(-y)


def upper_quantile(xp: Namespace, log_tail: Array) -> Array:
    """u >= 0 with log P(Y > u) = log_tail <= log(1/2), by Newton's method on the logarithm; values only."""

    def step(state: tuple) -> tuple:
        u, _ = state
        log_upper = xp.log_ndtr(-u)
        error = log_upper - log_tail
        return u + error * xp.exp(log_upper - log_density(xp, u)), xp.abs(error)

    # the start is good to 3e-3, which each step squares
    start = (normal_quantile(xp, log_tail), 1.0 + 0.0 * log_tail)
    return xp.converge(step, start, lambda state: ~(state[1] > math.sqrt(float(xp.finfo(log_tail).eps))), 6)[0]


def _quantile(xp: Namespace, q: Array, one_minus_q: Array) -> Array:
    smaller = xp.minimum(logarithm(xp, xp.minimum(q, one_minus_q)), -math.log(2.0))
    return xp.copysign(upper_quantile(xp, smaller), q - one_minus_q)


# worst error over both masses and their derivatives: 3e-7 in exact arithmetic with 16 nodes, 1e-14 with 36; of a
# whole bell of 2 sqrt(2 depth) scales, the longest interval, the spacing is then 1.2 and 0.75 scales
NODES_F32, NODES_F64 = 18, 36


def _mass(xp: Namespace, x: Array, end: Array | None, sign: float, loc: Array, scale: Array, power: int = 0) -> Piece:
    """A (sign -1) or B (sign 1) of a normal base, int tau**power exp(-tau (tau + 2 sign (x - loc)) / (2 scale**2)) dtau
    over the distance tau from x, cut on either side of the integrand's peak where that has fallen by `depth`."""
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

    def integrand(tau: Array) -> Array:
        weight = xp.exp(-0.5 * (tau / scale) * ((tau + 2.0 * offset) / scale) - top)
        return weight if power == 0 else weight * tau**power

    until = sd * last if end is None else xp.minimum(sd * last, length)
    mass = integral(xp, integrand, first, until, NODES_F32, NODES_F64)
    if end is not None:
        # not where the density is 0 in its dtype
        far = reach < 10.0 * last
        mass = mass + moving_end(xp, integrand, xp.where(far, length, xp.stop_gradient(until)))
    return Piece(mass, top)


def masses(xp: Namespace, low: Array | None, high: Array | None, loc: Array, scale: Array) -> Pieces:
    def pieces(x: Array) -> tuple[Piece, Piece]:
        return _mass(xp, x, low, -1.0, loc, scale), _mass(xp, x, high, 1.0, loc, scale)

    return pieces


def truncated_moments(
    xp: Namespace, low: Array | None, high: Array | None, centre: Array, loc: Array, scale: Array
) -> tuple[Array, Array]:
    """(mean - centre, variance), from the moments about a centre, the mode."""

    def moment(power: int) -> Array:
        below = _mass(xp, centre, low, -1.0, loc, scale, power)
        above = _mass(xp, centre, high, 1.0, loc, scale, power)
        sign = -1.0 if power == 1 else 1.0
        return sign * below.mass * xp.exp(below.log_unit) + above.mass * xp.exp(above.log_unit)

    total = moment(0)
    mean = moment(1) / total
    return mean, moment(2) / total - mean * mean


STANDARD = Family(
    parameters={},
    support=(-math.inf, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(),
    tails_are_closed=True,
    quantile=Quantile(_quantile, log_density, ()),
    entropy=lambda xp: HALF_LOG_2PI + 0.5,
    mean=lambda xp: 0.0,
    variance=lambda xp: 1.0,
)

FAMILY = located(STANDARD, masses=masses)
