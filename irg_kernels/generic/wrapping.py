"""A distribution of the line wrapped onto the circle: the sum of its density over all turns.

    symbol   meaning
    h        a turn, 2 pi
    k        turns taken one by one on either side of the centre
    a        where they end, half a turn beyond the last
    d, D3    central differences of the density at a, of order 1, 3 and 5

Beyond, by the Euler-Maclaurin formula of the midpoint rule (DLMF 2.10.1),

    sum_{j > k} p(x + h j) = P(X > a) / h + d / 24 - 17 D3 / 5760 + 367 D5 / 967680 - ...,

so that narrow bases, wide ones and heavy tails take the same sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, NamedTuple

from ..families import laplace, normal, standard, student_t
from ..namespace import Array, Namespace
from ..numerics.elementary import along_axis
from ..numerics.quadrature import gauss_legendre, is_double
from .family import Family

TURN = 2.0 * math.pi
_LAST = 367.0 / 967680.0


class Line(NamedTuple, Generic[Array]):
    """A distribution of the line: functions of x with any number of axes before those of the batch."""

    log_density: Callable
    log_tails: Callable
    centre: Array
    """its median, or a point near it, without derivative"""


# whose location is the median, or near it
_BY_LOC = (normal.FAMILY, standard.CAUCHY, laplace.FAMILY, standard.LOGISTIC, standard.GUMBEL, student_t.FAMILY)


def has_centre(family: Family) -> bool:
    """Whether its `loc` serves for the median, which then need not be found."""
    return any(family is known for known in _BY_LOC)


def turns(xp: Namespace[Array], like: Array) -> int:
    """k: a Laplace distribution, of worst shape, is then right to 1e-8 and 1e-12 at every scale."""
    return 40 if is_double(xp, like) else 16


def tolerance(xp: Namespace[Array], like: Array) -> float:
    """Largest error that `log_density` may report, the last term of its formula, of which the next is a tenth."""
    return 1e-10 if is_double(xp, like) else 1e-6


def _beyond(densities: list[Array], mass: Array) -> tuple[Array, Array]:
    """(sum beyond a, its last term) from the densities at the three turns before a and the three after."""
    p0, p1, p2, p3, p4, p5 = densities
    first, third = p3 - p2, (p4 - p1) - 3.0 * (p3 - p2)
    last = _LAST * ((p5 - p0) - 5.0 * (p4 - p1) + 10.0 * (p3 - p2))
    return mass / TURN + first / 24.0 - (17.0 / 5760.0) * third + last, last


def log_density(xp: Namespace[Array], line: Line[Array], x: Array) -> tuple[Array, Array]:
    """(log of the density, its relative error), x the value on the line that is next to the centre."""
    k = turns(xp, x)
    log_p = line.log_density(x + along_axis(xp, [TURN * j for j in range(-k - 3, k + 4)], x))
    ends = line.log_tails(x + along_axis(xp, [-TURN * (k + 0.5), TURN * (k + 0.5)], x))
    below, above = ends[0][0], ends[1][1]
    top = xp.stop_gradient(xp.maximum(xp.max(log_p[3:-3], axis=0), xp.maximum(below, above)))
    is_any = top > -float(xp.finfo(x).max)
    unit = xp.where(is_any, top, 0.0)
    p = xp.exp(log_p - unit)
    after, last_after = _beyond([p[i - 6] for i in range(6)], xp.exp(above - unit))
    before, last_before = _beyond([p[5 - i] for i in range(6)], xp.exp(below - unit))
    total = xp.where(is_any, xp.sum(p[3:-3], axis=0) + (after + before), 1.0)
    error = (xp.abs(last_after) + xp.abs(last_before)) / total
    return xp.where(is_any, unit + xp.log(total), -math.inf), error


def cdf(xp: Namespace[Array], line: Line[Array], start: Array, span: Array) -> Array:
    """The mass of `span` from `start` on, which is the value on the line next to the centre of where the circle is
    cut; 0 or 1 of a span that no angle has."""
    # float32's pi and -pi lie outside, by rounding, where what moves with them goes on
    outside, beyond = xp.abs(span - 0.5 * TURN) > 0.5 * TURN + 1e-6, span > TURN
    span = xp.where(outside, 0.0, span)
    span = span + xp.stop_gradient(xp.maximum(span, 0.0) - span)
    k = turns(xp, start)
    low = start + along_axis(xp, [TURN * j for j in range(-k, k + 1)], start)
    high = low + span
    lower, upper_tail = line.log_tails(xp.stack([low, high], axis=0))
    (low_f, high_f), (low_s, high_s) = lower, upper_tail
    upper = low + high > 2.0 * line.centre
    masses = xp.where(upper, xp.exp(low_s) - xp.exp(high_s), xp.exp(high_f) - xp.exp(low_f))
    # what lies beyond varies slowly
    nodes, weights = gauss_legendre(4)
    sides = [(sign, node) for sign in (1.0, -1.0) for node in nodes]
    at = xp.stack([start + span * node for _, node in sides], axis=0)
    edge = xp.stack([at[i] + sign * TURN * (k + 0.5) for i, (sign, _) in enumerate(sides)], axis=0)
    near = [edge + TURN * (j + 0.5) for j in range(-3, 3)]
    p = xp.exp(line.log_density(xp.stack(near, axis=0)))
    tails = line.log_tails(edge)
    rest = 0.0 * span
    for i, weight in enumerate((*weights, *weights)):
        outwards = range(6) if i < 4 else range(5, -1, -1)
        rest = rest + weight * _beyond([p[j][i] for j in outwards], xp.exp(tails[1 if i < 4 else 0][i]))[0]
    return xp.where(outside, xp.indicator(beyond, like=span), xp.sum(masses, axis=0) + span * rest)
