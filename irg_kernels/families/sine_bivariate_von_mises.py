"""The sine bivariate von Mises distribution, centred at (0, 0): its marginal distribution of the first angle.

    symbol       meaning
    k1, k2, rho  concentrations and correlation: density exp(k1 cos u + k2 cos v + rho sin u sin v) / C
    u, v         the angles, measured from their locations
    R(u)         sqrt(k2**2 + (rho sin u)**2); q = R**2
    g(u)         k1 cos u + log I0(R(u)), the log-density of u but for a constant; even
    c            mode of g on [0, pi], 0 or between 0 and pi/2 (Singh, Hnizdo & Demchuk 2002, section 2)
    S(t)         sin(t/2)**2 - sin(c/2)**2 = (cos c - cos t)/2
    M(q)         I1(R) / (R I0(R)) = 2 d log I0(R) / dq

Given u, v is von Mises of location atan2(rho sin u, k2) and concentration R(u), so that the Rosenblatt transform needs
u's own derivative alone: the tail integral (Figurnov, Mohamed, Mnih 2018, eq. 3-6)

    du/dtheta = -(1/p(u)) int_0^u (s(t) - E[s]) p(t) dt = (1/p(u)) int_u^pi (s(t) - E[s]) p(t) dt,   s = dg/dtheta,

taken on the side where the bracket keeps its sign, in two pieces where c lies within.  In S, g is concave, and
(h half its slope at c)

    g(t) - g(c) = 2 h S - 2 rho**2 M(q_c) S**2 + dq (1/(R + R_c) - M(q_c)/2) + log(I0e(R) / I0e(R_c)),
    h = rho**2 M(q_c) cos c - k1,    dq = q - q_c = 4 rho**2 S (cos c - S),

in which nothing grows with the concentrations; nor does it in the scores' differences from those at c.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple

from ..namespace import Array, Namespace
from ..numerics.bessel import asymptotic
from ..numerics.bessel_ratio import change, i0e, missing, ratio, rule
from ..numerics.elementary import along_axis, horner, two_product
from ..numerics.quadrature import depth, is_double, tail_rule
from .von_mises import dz_dkappa, to_pi

# worst error: 4e-7 and 2e-14 of the largest that a draw of the same distribution has
NODES_F32, NODES_F64 = 16, 30


class Frame(NamedTuple, Generic[Array]):
    """Where the mass of u on [0, pi] lies; values without derivatives."""

    mode: Array
    """c"""
    left: Array
    """distance from c, at most c, at which g has fallen by `depth`"""
    right: Array
    """the same beyond c, at most pi - c"""


class _Centre(NamedTuple, Generic[Array]):
    """What the integrands read of the point c."""

    k2: Array
    rho: Array
    cos: Array
    sin2: Array
    """sin(c)**2"""
    R: Array
    i0e: Array
    h: Array
    q: Array
    M: Array
    missing: Array
    """1 - R M, where R > 1"""


class _Point(NamedTuple, Generic[Array]):
    """A point from which others are reached."""

    t: Array
    S: Array
    R: Array
    rise: Array
    """R - R_c"""
    i0e: Array


def length(xp: Namespace[Array], x: Array, y: Array) -> Array:
    """sqrt(x**2 + y**2), x > 0, without overflow or underflow, differentiable at y = 0."""
    size = xp.stop_gradient(xp.maximum(x, xp.abs(y)))
    x, y = x / size, y / size
    return size * xp.sqrt(x * x + y * y)


def _less_product(xp: Namespace[Array], rho: Array, k1: Array, k2: Array) -> Array:
    """rho**2 - k1 k2, exact to one rounding: where it vanishes one mode becomes two."""
    plain = rho * rho - k1 * k2
    if is_double(xp, rho) or xp.has_guard_digits:
        return plain
    size, x, y = (xp.stop_gradient(value) for value in (xp.abs(rho), k1, k2))
    first, second = two_product(xp, size, size), two_product(xp, x, y)
    exact = (first[0] - second[0]) + (first[1] - second[1])
    return exact + (plain - xp.stop_gradient(plain))


def _slope(xp: Namespace[Array], k1: Array, k2: Array, rho: Array, M: Array) -> Array:
    """h at 0: rho**2 M(k2**2) - k1."""
    start, _, terms = rule(xp, k2)
    far = k2 > start
    K = xp.where(far, k2, start)
    lacks = horner(1.0 / K, asymptotic(terms)) / K  # 1 - I1/I0
    return xp.where(far, (_less_product(xp, rho, k1, K) - rho * rho * lacks) / K, rho * rho * M - k1)


def _centre(xp: Namespace[Array], c: Array, k1: Array, k2: Array, rho: Array) -> _Centre:
    half, sine = xp.sin(0.5 * c), xp.sin(c)
    x, square = half * half, k2 * k2
    dq = rho * rho * sine * sine
    R, M = length(xp, k2, rho * sine), ratio(xp, square + dq)
    lost = change(xp, square, square + dq, dq)
    M_0 = M + lost
    # near 0 by what is added on the way from there, terms <= 0; farther off that would cancel
    h = _slope(xp, k1, k2, rho, M_0)
    h = h - rho * rho * (lost * (1.0 - 2.0 * x) + 2.0 * x * M_0)
    near = (2.0 * M > M_0) & (x < 0.25)
    h = xp.where(near, h, rho * rho * M * xp.cos(c) - k1)
    return _Centre(k2, rho, xp.cos(c), sine * sine, R, i0e(xp, R), h, square + dq, M, missing(xp, R, M))


def _centre_point(at: _Centre, c: Array) -> _Point:
    return _Point(c, 0.0 * at.R, at.R, 0.0 * at.R, at.i0e)


def _point(xp: Namespace[Array], at: _Centre, t: Array, S: Array) -> _Point:
    R = length(xp, at.k2, at.rho * xp.sin(t))
    return _Point(t, S, R, _rise_of_R(xp, at, S, R), i0e(xp, R))


def _rise_of_R(xp: Namespace[Array], at: _Centre, S: Array, R: Array) -> Array:
    return 4.0 * at.rho * at.rho * S * (at.cos - S) / xp.maximum(R + at.R, float(xp.finfo(R).tiny))


def _distance(xp: Namespace[Array], t: Array, c: Array) -> Array:
    """S(t)"""
    return xp.sin(0.5 * (t + c)) * xp.sin(0.5 * (t - c))


def _log_ratio(xp: Namespace[Array], at: _Centre, begin: _Point, move: Array) -> tuple[Array, Array, Array]:
    """(g(t) - g(begin), S(t), sin t) at t = begin + move: the difference of two of the docstring's lines."""
    D, sine = xp.sin(begin.t + 0.5 * move) * xp.sin(0.5 * move), xp.sin(begin.t + move)
    S, R = begin.S + D, length(xp, at.k2, at.rho * sine)
    dq = 4.0 * at.rho * at.rho * D * (at.cos - S - begin.S)
    both = xp.maximum(R + begin.R, float(xp.finfo(R).tiny))
    # 1/(R + R_begin) - M_c/2, where R_c is large from what these lack of 1/(2 R_c)
    far = at.R > 1.0
    lacks = (at.missing - (_rise_of_R(xp, at, S, R) + begin.rise) / both) / (2.0 * xp.maximum(at.R, 1.0))
    bend = xp.where(far, lacks, 1.0 / both - 0.5 * at.M)
    value = 2.0 * D * (at.h - at.rho * at.rho * at.M * (S + begin.S)) + dq * bend
    return value + xp.log(i0e(xp, R) / begin.i0e), S, sine


def _scores(xp: Namespace[Array], at: _Centre, S: Array, sine: Array) -> tuple[Array, Array, Array]:
    """Less their values at c, ds/dk1 / -2, ds/dk2 / -k2 and ds/drho / rho, which rise up to pi or to pi/2."""
    side = at.rho * sine
    q, sines = at.k2 * at.k2 + side * side, 4.0 * S * (at.cos - S)
    less = change(xp, at.q, q, at.rho * at.rho * sines)
    return S, less, sines * (at.M - less) - at.sin2 * less


def frame(xp: Namespace[Array], k1: Array, k2: Array, rho: Array) -> Frame:
    """c and the reach of the mass about it."""
    k1, k2, rho = (xp.stop_gradient(value) for value in (k1, k2, rho))
    c = _mode(xp, k1, k2, rho)
    return Frame(c, *_shoulders(xp, _centre(xp, c, k1, k2, rho), c, depth(xp, c))[0])


def _shoulders(xp: Namespace[Array], at: _Centre, c: Array, *falls: float) -> Array:
    """Distances from c at which g has fallen by each of `falls`; to the left and to the right, along a second axis."""
    sign, fall = along_axis(xp, [-1.0, 1.0], c), along_axis(xp, list(falls), c, after=1)
    return _reach(xp, at, _centre_point(at, c), sign, fall, xp.where(sign < 0.0, c, to_pi(xp, c)) + 0.0 * fall)


def _mode(xp: Namespace[Array], k1: Array, k2: Array, rho: Array) -> Array:
    """c, by bisection of log sin(c/2)**2: rho**2 M(q) cos c falls as c grows."""

    def step(state: tuple) -> tuple:
        low, high = state
        middle = 0.5 * (low + high)
        x = xp.exp(middle)
        R = xp.maximum(xp.sqrt(k2 * k2 + 4.0 * rho * rho * x * (1.0 - x)), 1e-15)
        rises = rho * rho * (xp.i1e(R) / xp.i0e(R) / R) * (1.0 - 2.0 * x) > k1
        return xp.where(rises, middle, low), xp.where(rises, high, middle)

    # 32 halvings leave 1e-8 of x; the rest of the mode's error is in h
    zero = 0.0 * (k1 + k2 + rho)
    low, _ = xp.converge(step, (zero - 30.0, zero - math.log(2.0)), lambda state: state[0] > state[1], 32)
    return xp.where(low > -30.0, 2.0 * xp.arcsin(xp.sqrt(xp.exp(low))), 0.0)


def _reach(xp: Namespace[Array], at: _Centre, begin: _Point, sign: Array, fall: Any, most: Array) -> Array:
    """How far from a point, in the direction `sign`, g falls by `fall`; at most `most`, to 2 %."""

    def step(state: tuple) -> tuple:
        low, high = state
        middle = 0.5 * (low + high)
        fallen = -_log_ratio(xp, at, begin, sign * xp.exp(middle))[0] > fall
        return xp.where(fallen, low, middle), xp.where(fallen, middle, high)

    least = math.log(1e-9) + 0.0 * (begin.t + most)
    start = (least, xp.maximum(xp.log(xp.maximum(most, 1e-30)) + 0.0 * least, least))
    _, high = xp.converge(step, start, lambda state: state[0] > state[1], 10)
    return xp.minimum(xp.exp(high), most)


def _integrate(xp: Namespace[Array], integrand: Callable, span: Array, like: Array) -> Array:
    """int_0^span of a function of the way, in the shape of `like`."""
    rule = tail_rule(NODES_F64 if is_double(xp, like) else NODES_F32)
    (total,) = xp.integrate(lambda u: integrand(span * u), rule.nodes, rule.weights, like=like)
    return span * total


def log_mass(xp: Namespace[Array], k1: Array, k2: Array, rho: Array, *reach: Array) -> Array:
    """log int_0^pi exp(g(t) - g(c)) dt, of the parameters and the frame."""
    c, left, right = (xp.stop_gradient(value) for value in reach)
    at = _centre(xp, c, k1, k2, rho)
    begin, sign = _centre_point(at, c), along_axis(xp, [-1.0, 1.0], c)
    span = xp.where(sign < 0.0, -left, right)
    mass = _integrate(xp, lambda move: xp.exp(_log_ratio(xp, at, begin, move)[0]), span, span)
    return xp.log(xp.sum(sign * mass, axis=0))


def _means(xp: Namespace[Array], at: _Centre[Array], detached: Frame[Array]) -> Array:
    """E of the three scores along a first axis."""
    begin, sign = _centre_point(at, detached.mode), along_axis(xp, [-1.0, 1.0], detached.mode)
    span = xp.where(sign < 0.0, -detached.left, detached.right)
    one, *masks = (along_axis(xp, [float(j == k) for j in range(4)], span) for k in range(4))

    def integrand(move: Array) -> Array:
        log_p, S, sine = _log_ratio(xp, at, begin, move)
        return xp.exp(log_p) * (one + _along(masks, _scores(xp, at, S, sine)))

    total = xp.sum(sign * _integrate(xp, integrand, span, one + 0.0 * span), axis=1)
    return total[1:] / total[0]


def _along(masks: Sequence[Array], values: Sequence[Array]) -> Array:
    """The values along the masks' axis."""
    return sum((mask * value for mask, value in zip(masks[1:], values[1:], strict=True)), masks[0] * values[0])


def partials(xp: Namespace[Array], u: Array, k1: Array, k2: Array, rho: Array, *reach: Array) -> Array:
    """du / dk1, du / dk2 and du / drho at fixed quantile, along a new first axis; `reach` is the frame."""
    detached = Frame(*(xp.stop_gradient(value) for value in reach))
    c = detached.mode
    at = _centre(xp, c, k1, k2, rho)
    mean = _means(xp, at, detached)
    size = xp.abs(u)
    masks = [along_axis(xp, [float(j == k) for j in range(3)], size) for k in range(3)]
    S = _distance(xp, size, c)
    inward = xp.stack(_scores(xp, at, S, xp.sin(size))) < mean
    inward = inward & ((size < 0.5 * math.pi) | (masks[0] > 0.5))
    # one piece from c or u, the farther of the two, to the end, and one from u to c, where c lies on that side
    past = (inward & (size > c)) | (~inward & (size < c))
    outer_t, outer_S = xp.where(past, c, size), xp.where(past, 0.0, S)
    most = xp.where(inward, outer_t, to_pi(xp, outer_t))
    direction = xp.where(inward, -1.0, 1.0 + 0.0 * size)
    is_outer = along_axis(xp, [1.0, 0.0], size) > 0.5
    begin = _point(xp, at, xp.where(is_outer, outer_t[:, None], size), xp.where(is_outer, outer_S[:, None], S))
    still, start = _Centre(*map(xp.stop_gradient, at)), _Point(*(xp.stop_gradient(a)[:, 0] for a in begin))
    cut = _reach(xp, still, start, direction, depth(xp, u), xp.stop_gradient(most))
    span = direction * xp.where(cut < most, cut, most)
    spans = xp.where(is_outer, span[:, None], xp.where(past, c - size, 0.0)[:, None])
    masks, centre = [mask[:, None] for mask in masks], mean[:, None]

    def integrand(move: Array) -> Array:
        log_p, S_t, sine = _log_ratio(xp, at, begin, move)
        return xp.exp(log_p) * (_along(masks, _scores(xp, at, S_t, sine)) - centre)

    pieces = _integrate(xp, integrand, spans, spans)
    here = _log_ratio(xp, at, _centre_point(at, c), size - c)[0]
    total = pieces[:, 1] + pieces[:, 0] * xp.exp(xp.where(past, -here, 0.0))
    scale = xp.stack([-2.0 + 0.0 * size, -k2, rho])
    return xp.where(u < 0.0, -1.0, 1.0) * scale * total


def slopes(xp: Namespace[Array], u: Array, z: Array, k1: Array, k2: Array, rho: Array) -> Array:
    """(du, dv) / d(k1, k2, rho) at fixed quantiles, along two new first axes; v = atan2(rho sin u, k2) + z."""
    by_u = partials(xp, u, k1, k2, rho, *frame(xp, k1, k2, rho))
    sine, side = xp.sin(u), rho * xp.sin(u)
    R = length(xp, k2, side)
    dz = dz_dkappa(xp, z, R)
    cosine_v, sine_v = k2 / R, side / R  # of the location
    by_side, by_k2 = cosine_v / R + dz * sine_v, dz * cosine_v - sine_v / R
    by_v = by_side * rho * xp.cos(u) * by_u + xp.stack([0.0 * u, by_k2, by_side * sine])
    return xp.stack([by_u, by_v])


def log_density(xp: Namespace[Array], u: Array, v: Array, k1: Array, k2: Array, rho: Array, *reach: Array) -> Array:
    """log of the density at (u, v), as p(u) p(v | u): no large numbers are subtracted."""
    c = xp.stop_gradient(reach[0])
    at = _centre(xp, c, k1, k2, rho)
    of_u = _log_ratio(xp, at, _centre_point(at, c), xp.abs(u) - c)[0] - log_mass(xp, k1, k2, rho, *reach)
    side = rho * xp.sin(u)
    R = length(xp, k2, side)
    half = xp.sin(0.5 * (v - xp.arctan2(side, k2)))
    return of_u - 2.0 * R * (half * half) - xp.log(i0e(xp, R)) - math.log(4.0 * math.pi)


def log_normalizer(xp: Namespace[Array], k1: Array, k2: Array, rho: Array, *reach: Array) -> Array:
    """log C"""
    c = xp.stop_gradient(reach[0])
    R = length(xp, k2, rho * xp.sin(c))
    return log_mass(xp, k1, k2, rho, *reach) + k1 * xp.cos(c) + R + xp.log(i0e(xp, R)) + math.log(4.0 * math.pi)


class Envelope(NamedTuple, Generic[Array]):
    """exp(g - g(c)) is at most 1, and beyond `low` and `high`, where it is about 1/e, at most an exponential.

    For g is concave in S, so that the line through (S, g) at c and at `high` lies above it from there on; and S rises
    from `high` on at least as fast as its least secant.
    """

    at: _Centre
    mode: Array
    ends: Array
    """low, high"""
    falls: Array
    """g(c) - g at them"""
    rates: Array
    """of the exponentials outwards"""
    room: Array
    """from low to 0, from high to pi"""


def envelope(xp: Namespace[Array], k1: Array, k2: Array, rho: Array) -> tuple[Envelope, Frame]:
    """For `propose`, with `frame`; values only.  Half of the proposals are accepted or more, at any parameters."""
    k1, k2, rho = (xp.stop_gradient(value) for value in (k1, k2, rho))
    c = _mode(xp, k1, k2, rho)
    at = _centre(xp, c, k1, k2, rho)
    sign = along_axis(xp, [-1.0, 1.0], c)
    near, far = _shoulders(xp, at, c, 1.0, depth(xp, c))
    ends = c + sign * near
    room = xp.maximum(xp.where(sign < 0.0, ends, math.pi - ends), 0.0)
    tiny = float(xp.finfo(c).tiny)
    away = xp.maximum(xp.abs(_distance(xp, ends, c)), tiny)
    falls = xp.maximum(-_log_ratio(xp, at, _centre_point(at, c), ends - c)[0], 0.0)
    half, rest = xp.sin(0.5 * ends), xp.cos(0.5 * ends)
    least = xp.where(sign < 0.0, half * half, rest * rest) / xp.maximum(room, tiny)
    slope = xp.where(sign < 0.0, least, xp.minimum(least, 0.5 * xp.sin(ends)))
    return Envelope(at, c, ends, falls, xp.maximum(falls / away * slope, 1e-6), room), Frame(c, far[0], far[1])


def propose(xp: Namespace[Array], over: Envelope, which: Array, place: Array) -> tuple[Array, Array]:
    """|u| from two uniform numbers, and the logarithm of the probability with which it is to be accepted."""
    (low, high), middle = over.ends, over.ends[1] - over.ends[0]
    reached = [-xp.expm1(-rate * room) for rate, room in zip(over.rates, over.room, strict=True)]
    below, above = (
        xp.exp(-fall) / rate * part for fall, rate, part in zip(over.falls, over.rates, reached, strict=True)
    )
    drawn = which * (middle + below + above)
    inside, under = drawn < middle, drawn < middle + below
    beyond = [
        xp.minimum(-xp.log1p(-place * part) / rate, room)
        for part, rate, room in zip(reached, over.rates, over.room, strict=True)
    ]
    t = xp.where(inside, low + place * middle, xp.where(under, low - beyond[0], high + beyond[1]))
    t = xp.maximum(t, 0.0)
    heights = [fall + rate * away for fall, rate, away in zip(over.falls, over.rates, (low - t, t - high), strict=True)]
    depth_there = xp.where(inside, 0.0, xp.where(under, *heights))
    log_p = _log_ratio(xp, over.at, _centre_point(over.at, over.mode), t - over.mode)[0]
    return t, log_p + depth_there
