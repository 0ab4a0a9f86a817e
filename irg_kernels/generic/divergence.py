"""KL divergence of any two univariate families, by quadrature over the quantiles of the first.

    symbol       meaning
    p, q         densities of the first and the second distribution
    L            log F - log S of the first, of its masses below and above x: the coordinate of integration
    d            log q - log p

In L a tail of p is exponential and its quantiles are smooth, whether the tail is a power of x or falls faster; x is
found from L by the family's quantile.  The panels of the rule end at fixed L, and where q turns: at its quantiles, at
distances from its median that grow from its own width to that of p, and at either density's kink.

Where the two are close, the divergence is the integral of p (exp(d) - 1 - d), whose integrand is not negative and of
the order of the result.  Elsewhere it is that of -p d.  Beyond the last number of its dtype, and beyond a mass of
1e-300, -d is continued in the logarithm l of the mass as A + B (e**(-c l) - 1) / c, a straight line for c = 0 (of two
powers of x): from c = 1 on, the divergence is infinite.  Where much mass lies beyond the range, and -d is neither of
these, it is NaN.
"""

from __future__ import annotations

import math
from typing import Generic, NamedTuple

from ..namespace import Array, Namespace
from ..numerics.elementary import along_axis, expm1mx_near_0
from ..numerics.masses import Piece, rule
from ..numerics.quadrature import is_double
from .family import End, Family, from_coordinate
from .truncation import solve

# of p, then of q, on either side of the median; the last is all but the log of the least normal number
PANELS_F32 = (1.0, 2.0, 4.0, 7.0, 11.0, 17.0, 26.0, 40.0, 60.0, 85.0)
PANELS_F64 = (1.0, 2.0, 4.0, 7.0, 11.0, 16.0, 23.0, 32.0, 44.0, 60.0, 85.0, 120.0, 180.0, 270.0, 400.0, 560.0, 700.0)
CORE = (0.03, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0, 34.0)
GRADES_F32, GRADES_F64 = 10, 18
# 2e-13 and 2e-7 of the divergence, or of 1 where that is less: see tests/shared/test_divergence.py
NODES_F32, NODES_F64 = 8, 12
AROUND_KINK = (*(sign * 0.25 * 4.0**-k for sign in (-1.0, 1.0) for k in range(14)), 0.0)
"""in units of the core's width: what comes near it as a power of the distance"""
DEPTH_F32, DEPTH_F64 = 18.0, 38.0
"""the |L| beyond which there is next to no mass"""
STEP = 8.0
"""between the three points by which -d is continued"""
GROWTH = 1e-3
"""how far from 1 the growth c of -d is told from 1"""
LOST_F32, LOST_F64 = 3e-3, 1e-10
"""what the bend of -d may add beyond the range; in float32 as much as the rounding of -d seems to bend it"""


class Points(NamedTuple, Generic[Array]):
    """Along the first axis: the nodes of the rule, then three points at either end, the outermost first."""

    x: Array
    L: Array
    weight: Array
    """of the nodes alone"""
    outside: Array
    """where p has mass outside the support of q"""
    same_support: Array


def moves(family: Family) -> bool:
    """Whether the support moves with a parameter, and points must move with it, at fixed quantile."""
    return any(map(callable, family.support))


def is_circular(family: Family) -> bool:
    """Of angles, whose quantiles jump over the gap on the other side of a narrow density."""
    return family.path_slopes is not None


def once(xp: Namespace[Array], result: Array, x: Array) -> Array:
    """1, the derivative of x, whose own is NaN: where a density has a kink, the derivative of its score is no
    function that nodes could see."""
    return 1.0 + xp.sqrt(x - x)


def points(
    xp: Namespace[Array], p: Family, q: Family, params: tuple[Array, ...], others: tuple[Array, ...]
) -> Points[Array]:
    """Where the densities are wanted; values only."""
    like = 0.0 * params[0]
    ends, of_q = ([_end(xp, end, of, like) for end in family.support] for family, of in ((p, params), (q, others)))
    edges = _edges(xp, ends)

    def at(L: Array) -> Array:
        return _within(xp, _quantile(xp, p, L, params), edges)

    own = PANELS_F64 if is_double(xp, like) else PANELS_F32
    last = own[-1]
    outer = [last - STEP * k for k in range(3)]
    levels = along_axis(xp, [*(-L for L in outer), *outer, -DEPTH_F32, DEPTH_F32], like) + like
    x_levels = at(levels)
    x = [_inward(xp, *edges), _inward(xp, *edges[::-1]), *_turns(xp, p, q, params, others, x_levels[6], x_levels[7])]
    x_turns = _within(xp, xp.concatenate(x), edges)
    lower, upper = p.log_tails(xp, x_turns, *(v + 0.0 * x_turns for v in params))
    turns = lower - upper
    # at the edge, or at the last level where that is nearer
    shut = xp.abs(xp.stack([*[turns[0]] * 3, *[turns[3]] * 3])) < last
    L_ends, x_ends = xp.where(shut, turns[:6], levels[:6]), xp.where(shut, x_turns[:6], x_levels[:6])
    fixed = along_axis(xp, [sign * L for L in own for sign in (-1.0, 1.0)] + [0.0], like) + like
    breaks = xp.sort(_within(xp, xp.concatenate([fixed, turns[6:]]), (L_ends[0], L_ends[3])))
    L, weight = _nodes(xp, breaks)
    outside = (ends[0] < of_q[0]) | (ends[1] > of_q[1])
    same = (ends[0] <= of_q[0]) & (ends[1] >= of_q[1]) & ~outside
    return Points(xp.concatenate([at(L), x_ends]), xp.concatenate([L, L_ends]), weight, outside, same)


def divergence(xp: Namespace[Array], at: Points[Array], log_p: Array, log_q: Array, fixed: bool) -> Array:
    """Of the log-densities at the points.

    :param fixed: whether p, not x, moves with the parameters of p.
    """
    count, deep = at.weight.shape[0], DEPTH_F64 if is_double(xp, log_p) else DEPTH_F32
    gap, still = log_p - log_q, xp.stop_gradient(log_p)
    # how p at a fixed x moves with its parameters: 0 and 1, but for derivatives
    log_share = log_p - still if fixed else 0.0 * still
    share, ends = xp.exp(log_share[:count]), at.L[count:]
    inner = xp.abs(at.L[:count]) < deep
    most = xp.max(xp.where(inner, xp.abs(xp.stop_gradient(gap[:count])), 0.0), axis=0)
    close = at.same_support & (most < 1.0) & (ends[0] < -deep) & (ends[3] > deep)
    near = inner & close
    near_terms = expm1mx_near_0(xp, xp.where(near, -gap[:count], 0.0))
    inside = xp.sum(at.weight * (share * xp.where(near, near_terms, gap[:count])), axis=0)
    below, above = slice(count, count + 3), slice(count + 3, None)
    low, is_low_infinite = _beyond(xp, gap[below], log_share[below], ends[:3], inside)
    high, is_high_infinite = _beyond(xp, gap[above], log_share[above], -ends[3:], inside)
    return xp.where(at.outside | is_low_infinite | is_high_infinite, math.inf, inside + low + high)


def _end(xp: Namespace[Array], end: End, params: tuple[Array, ...], like: Array) -> Array:
    return (end(xp, *params) if callable(end) else end) + like


def _within(xp: Namespace[Array], x: Array, ends: tuple[Array, Array]) -> Array:
    return xp.minimum(xp.maximum(x, ends[0]), ends[1])


def _edges(xp: Namespace[Array], ends: list[Array]) -> tuple[Array, Array]:
    """The numbers next to the ends that are told from them."""
    largest, found = _largest(xp, ends[0]), []
    for sign, end in zip((1.0, -1.0), ends, strict=True):
        infinite = xp.abs(end) > largest
        near = xp.where(infinite, 0.0, end)
        found.append(xp.where(infinite, -sign * largest, near + sign * _spacing(xp, near)))
    return found[0], found[1]


def _largest(xp: Namespace[Array], like: Array) -> float:
    """Where dx / d theta is in range, too: of a Pareto it is x log(x) / alpha."""
    return (1e-10 if is_double(xp, like) else 1e-5) / float(xp.finfo(like).tiny)


def _spacing(xp: Namespace[Array], end: Array) -> Array:
    limits = xp.finfo(end)
    return 4.0 * float(limits.eps) * xp.abs(end) + 4.0 * float(limits.tiny)


def _inward(xp: Namespace[Array], edge: Array, other: Array) -> Array:
    """Three points from an edge towards the other, by powers of the distance from the end."""
    infinite = xp.abs(edge) > 0.5 * _largest(xp, edge)
    sign = xp.where(other > edge, 1.0, -1.0 + 0.0 * edge)
    step = sign * _spacing(xp, xp.where(infinite, 0.0, edge))
    ways = along_axis(xp, [STEP * k for k in range(3)], edge)
    x = xp.where(infinite, edge * xp.exp(-ways), edge + step * xp.expm1(ways))
    return xp.where(sign * (other - x) > 0.0, x, 0.5 * edge + 0.5 * other)


def _quantile(xp: Namespace[Array], family: Family, L: Array, params: tuple[Array, ...]) -> Array:
    mass, rest, of, known = xp.sigmoid(L), xp.sigmoid(-L), [v + 0.0 * L for v in params], family.quantile
    if known is None:
        one = 1.0 + 0.0 * L
        low, high = _edges(xp, [_end(xp, end, tuple(of), 0.0 * L) for end in family.support])

        def pieces(x: Array) -> tuple[Piece, Piece]:
            log_p, (lower, upper) = family.log_density(xp, x, *of), family.log_tails(xp, x, *of)
            return Piece(one, lower - log_p), Piece(one, upper - log_p)

        return solve(xp, pieces, mass, rest, math.nan * one, low, high)
    y = known.find(xp, mass, rest, *of)
    limits = xp.finfo(L)
    least, most = math.log(float(limits.tiny)), -math.log(4.0 * float(limits.tiny))
    return from_coordinate(xp, known.coordinate, y if known.coordinate == "x" else xp.clip(y, least, most))


def _turns(
    xp: Namespace[Array], p: Family, q: Family, params: tuple, others: tuple, low: Array, high: Array
) -> list[Array]:
    """The x where panels end: quantiles of q, distances from its median that grow as far as p reaches, and kinks."""
    like, middle = 0.0 * params[0], len(CORE)
    steps = GRADES_F64 if is_double(xp, like) else GRADES_F32
    core = _quantile(xp, q, along_axis(xp, [*(-L for L in reversed(CORE)), 0.0, *CORE], like) + like, others)
    found, centre = [core], core[middle]
    ways = along_axis(xp, [(k + 1.0) / steps for k in range(steps)], like)
    for sign, reach in ((-1, low), (1, high)):
        width = xp.maximum(xp.abs(core[middle + sign] - centre), float(xp.finfo(like).tiny))
        far = xp.maximum(float(sign) * (reach - centre), width)
        found.append(centre + float(sign) * width * xp.exp(ways * xp.log(far / width)))
    for family, of in ((p, params), (q, others)):
        if family.kink is not None:
            sides = _quantile(xp, family, along_axis(xp, [-1.0, 1.0], like) + like, of)
            away = along_axis(xp, AROUND_KINK, like) * (sides[1] - sides[0])
            found.append(family.kink(xp, *of) + away)
    return found


def _nodes(xp: Namespace[Array], breaks: Array) -> tuple[Array, Array]:
    """(L, weights), along the first axis."""
    nodes, weights = rule(NODES_F64 if is_double(xp, breaks) else NODES_F32)
    low, span = breaks[:-1], breaks[1:] - breaks[:-1]
    L = low[None] + along_axis(xp, nodes, low) * span[None]
    weight = along_axis(xp, weights, low) * span[None] * (xp.sigmoid(L) * xp.sigmoid(-L))
    shape = (L.shape[0] * L.shape[1], *breaks.shape[1:])  # not -1: a batch may be empty
    return L.reshape(shape), weight.reshape(shape)


def _beyond(xp: Namespace[Array], gap: Array, log_share: Array, L: Array, inside: Array) -> tuple[Array, Array]:
    """(the integral of -p d beyond the first of three points, whether it is infinite); L falls towards the end.

    With t = -l: the integral of exp(-t) exp(b t) (A + B (exp(c t) - 1) / c), b = 0 but for its derivatives.
    """
    mass = xp.sigmoid(L[0])
    log_mass = -xp.softplus(-L)
    span = log_mass[1] - log_mass[0], log_mass[2] - log_mass[1]
    known = (span[0] > 0.0) & (span[1] > 0.0)
    first, second = ((gap[k] - gap[k + 1]) / xp.where(known, span[k], 1.0) for k in (0, 1))
    size, before = xp.stop_gradient(xp.abs(first)), xp.stop_gradient(xp.abs(second))
    eps = float(xp.finfo(L).eps)
    matters = known & (mass * size > eps * (1.0 + xp.abs(xp.stop_gradient(inside))))
    tiny = float(xp.finfo(L).tiny)
    growth = xp.log(xp.maximum(size, tiny) / xp.maximum(before, tiny)) / (0.5 * (span[0] + span[1]))
    growth = xp.where(matters, growth, 0.0)
    infinite = growth > 1.0 - GROWTH
    # of much mass, not to be continued by what is neither straight nor too steep
    lost = (mass > eps) & ~infinite
    error = mass * size * xp.abs(growth)
    lost = lost & (error > (LOST_F64 if is_double(xp, L) else LOST_F32) * (1.0 + xp.abs(xp.stop_gradient(inside))))
    c = xp.where(infinite | (growth < 0.0), 0.0, growth)
    slope = first * xp.where(c > 0.0, c * span[0] / -xp.expm1(-xp.where(c > 0.0, c * span[0], 1.0)), 1.0)
    b = xp.where(known, (log_share[0] - log_share[1]) / xp.where(known, span[0], 1.0), 0.0)
    rest = mass * xp.exp(log_share[0]) * ((gap[0] + xp.where(known, slope, 0.0) / (1.0 - b - c)) / (1.0 - b))
    rest = rest * xp.where(lost, math.nan, 1.0)  # and so are its derivatives
    return xp.where(infinite | ~(xp.abs(xp.stop_gradient(gap[0])) < math.inf), 0.0, rest), infinite
