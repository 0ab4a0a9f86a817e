"""Stable(alpha, beta): draws and log-density in Nolan's coordinates S0, smooth through alpha = 1.

    symbol   meaning
    e        1 - alpha
    c, s     cos and sin of pi e / 2, that is sin and cos of pi alpha / 2
    b        beta c / s, of S0's shift: X of the coordinates S is x + b
    V, W     uniform on (-pi/2, pi/2), and exponential
    Q        cos(e V) + b sin(e V)
    P        (e / alpha) log(Q / (W cos V))

The draw (Chambers, Mallows, Stuck 1976; Weron 1996), in which the powers of cos(atan b) cancel, is

    X = (sin(alpha V) + b cos(alpha V)) / cos V exp(P),
    x = sin(alpha V) / cos V exp(P) + b ((cos(alpha V) / cos V - 1) exp(P) + expm1(P)),

where what b multiplies falls off as e does.  A draw of (beta, V) is minus one of (-beta, -V), so that here beta >= 0,
and

    Q = (1 - beta) c cos(e d) + (s**2 + beta c**2) sin(e d) / s,    d = V + pi/2,

without cancellation.  Given V, W is a monotone function of x, so that (Zolotarev 1986, eq. 2.2.18; Nolan
1997, theorem 1)

    p(x) = alpha / (pi |e X|) int W exp(-W) dV,    log W = log(Q / cos V) - (alpha / e) log R,

of which `log_density` has the particulars.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..namespace import Array, Namespace
from ..numerics.elementary import horner
from ..numerics.quadrature import is_double, tail_rule

HALF_PI = 0.5 * math.pi
# sin(y) / y to |y| = pi/2: the last term is 1e-18
_SINC = tuple((-1.0) ** n / math.factorial(2 * n + 1) for n in range(12))
# expm1(y) / y to |y| = 1/2: the last term is 1e-18
_ARCTAN = tuple((-1.0) ** n / (2 * n + 1) for n in range(12))
"""arctan(y) / y, in y**2, to y = 0.2"""
_LOG1P = tuple((-1.0) ** n / (n + 1) for n in range(16))
_EXPREL = tuple(1.0 / math.factorial(n + 1) for n in range(14))


class _Angles(NamedTuple):
    """What alpha and beta give."""

    e: Any
    c: Any
    s: Any
    s_over_e: Any


def _angles(xp: Namespace[Array], e: Array) -> _Angles:
    # by the nearer end of (0, 2): the sine of pi, as it is rounded, is not 0
    near_end = xp.where(e > 0.0, 1.0 - e, 1.0 + e)
    s_over_e = HALF_PI * horner((HALF_PI * e) * (HALF_PI * e), _SINC)
    return _Angles(e, xp.sin(HALF_PI * near_end), e * s_over_e, s_over_e)


def _sine_over_s(xp: Namespace[Array], of: _Angles, d: Array, rest: Array) -> Array:
    """sin(e d) / s, with d = pi - rest in [0, pi]."""
    size = xp.where(of.e < 0.0, -of.e, of.e)
    y = size * d
    beyond = y > HALF_PI
    inner = xp.where(beyond, 0.0, y)
    outer = xp.where(beyond, math.pi * (1.0 - size) + size * rest, HALF_PI)
    return xp.where(beyond, xp.sin(outer) / xp.where(beyond, size, 1.0), d * horner(inner * inner, _SINC)) / of.s_over_e


def _q(xp: Namespace[Array], of: _Angles, beta: Array, d: Array, rest: Array) -> Array:
    """Q, beta >= 0."""
    return (1.0 - beta) * of.c * xp.cos(of.e * d) + (of.s * of.s + beta * of.c * of.c) * _sine_over_s(xp, of, d, rest)


# -------------------------------------------------------------------------------------------------------------- draws


def draw(xp: Namespace[Array], u: Array, w: Array, alpha: Array, beta: Array, scale: Array) -> Array:
    """x of S0, from V = pi (u - 1/2) and W = w; held where scale * x would leave the range, with the relative
    derivative of the true draw."""
    return _draw(xp, u, w, alpha, beta, scale, _of_s0) + _edge(xp, alpha)


def draw_of_s(xp: Namespace[Array], u: Array, w: Array, alpha: Array, beta: Array, scale: Array) -> Array:
    """X of S, which at alpha = 1 is S0."""
    return _draw(xp, u, w, alpha, beta, scale, _of_s) + _edge(xp, alpha)


def _edge(xp: Namespace[Array], alpha: Array) -> Array:
    """0 with an infinite slope at 2, below which there are heavy tails: a right path has infinite variance there."""
    return xp.where(alpha < 2.0, 0.0, xp.sqrt(2.0 - xp.where(alpha < 2.0, 1.0, alpha)))


def _draw(
    xp: Namespace[Array], u: Array, w: Array, alpha: Array, beta: Array, scale: Array, coordinates: Callable
) -> Array:
    sign = xp.where(beta < 0.0, -1.0, 1.0)
    flipped = sign < 0.0
    of, beta = _angles(xp, 1.0 - alpha), sign * beta
    before, after = xp.where(flipped, 1.0 - u, u), xp.where(flipped, u, 1.0 - u)
    d, rest = math.pi * before, math.pi * after
    cosine = xp.sin(xp.minimum(d, rest))  # of V
    tiny = float(xp.finfo(w).tiny)
    log_ratio = xp.log(_q(xp, of, beta, d, rest) / cosine) - xp.log(xp.maximum(w, tiny))
    by_e = log_ratio / alpha
    return sign * coordinates(xp, of, alpha, beta, d, cosine, by_e, scale)


def _of_s0(
    xp: Namespace[Array], of: _Angles, alpha: Array, beta: Array, d: Array, cosine: Array, by_e: Array, scale: Array
) -> Array:
    V = d - HALF_PI
    half = V / math.pi * horner(0.25 * of.e * of.e * V * V, _SINC) / (of.s_over_e / HALF_PI)  # sin(e V / 2) / s
    e_v = of.e * V
    tangent = -xp.cos(d) / cosine
    # (cos(alpha V) / cos V - 1) / s
    moved = 2.0 * half * (xp.cos(0.5 * e_v) * tangent - xp.sin(0.5 * e_v))
    direct = xp.sin(alpha * V) / cosine + beta * of.c * moved
    P, weight = of.e * by_e, beta * of.c / of.s_over_e
    near = xp.abs(P) < 0.5
    # exp(P), clamped; where P is not small, neither is e
    by_b = weight / xp.where(near, 1.0, of.e)
    power = _clamped(xp, P, xp.abs(direct) + xp.where(near, 0.0, xp.abs(by_b)), scale)
    small = by_e * horner(xp.where(near, P, 0.0), _EXPREL) * weight
    return direct * power + xp.where(near, small, by_b * (power - 1.0))


def _of_s(
    xp: Namespace[Array], of: _Angles, alpha: Array, beta: Array, d: Array, cosine: Array, by_e: Array, scale: Array
) -> Array:
    at_one = of.e == 0.0
    s = xp.where(at_one, 1.0, of.s)
    factor = _sine_of_multiple(xp, of, alpha, beta, d, s) / cosine
    far = factor * _clamped(xp, of.e * by_e, xp.abs(factor), scale)
    return xp.where(at_one, _of_s0(xp, of, alpha, beta, d, cosine, by_e, scale), far)


def _sine_of_multiple(xp: Namespace[Array], of: _Angles, alpha: Array, beta: Array, d: Array, s: Array) -> Array:
    """sin(alpha V) + b cos(alpha V)"""
    return xp.sin(alpha * d) * (s + beta * of.c * of.c / s) - (1.0 - beta) * of.c * xp.cos(alpha * d)


def _clamped(xp: Namespace[Array], P: Array, factor: Array, scale: Array) -> Array:
    """exp(P), no larger than leaves scale * factor * exp(P) in range."""
    most = math.log(0.125 / float(xp.finfo(P).tiny))
    over = P - (most - xp.log1p(factor) - xp.maximum(xp.log(scale), 0.0))
    return xp.exp(P - xp.stop_gradient(xp.maximum(over, 0.0)))


# ------------------------------------------------------------------------------------------------------------ density

# Points of one look at an interval: of it 2/17 is left, or 1/17 where a function is monotone.  Of 1,400 there is 1e-9
# left after 13 looks, of 170 1e-5 after 8.
POINTS = 16
LOOKS_F32, LOOKS_F64 = 8, 13
# On either side of the peak, to where the logarithm has fallen so far, which holds the layer of `EDGE`.
FALL_F32, FALL_F64 = 22.0, 37.0
NODES_F32, NODES_F64 = 32, 48
# How near alpha comes to 1, where all is smooth; and beyond which x it stays off, by how much, since W is known to
# eps / e or eps |x|, the lesser.
FAR_F32, FAR_F64 = (1e3, 1e-7, 1e-2), (1e8, 1e-15, 1e-5)  # (x, offset below it, offset beyond)
# How near |beta| comes to 1, but in light tails, and where that leaves nothing of the support.
EDGE_F32, EDGE_F64 = 1e-6, 1e-10
# Next to the Cauchy distribution the integrand is a spike, as narrow as alpha and beta are near: there derivatives
# would lose eps / RADIUS**2, and a series is wrong by RADIUS**3.
RADIUS_F32, RADIUS_F64 = 0.02, 1e-3


class _Chart(NamedTuple):
    """With V = -theta_0 where X changes sign, phi = V + theta_0 = L sigmoid(r) and psi = pi/2 - V = L sigmoid(-r), for
    an X > 0, by the mirror where it is not."""

    of: _Angles
    alpha: Any
    x: Any
    b: Any
    """beta c"""
    size: Any
    """|s|"""
    Y: Any
    """|s| X"""
    L: Any
    before: Any
    """pi - L"""
    after: Any
    """pi - alpha L"""
    h: Any
    """sqrt(s**2 + (beta c)**2)"""
    rest_by_e: Any
    """(`before` or `after`, the one that falls off as e does) / |e|"""
    before_by_e: Any
    """`before` / |e|, where `is_near`"""
    is_near: Any
    """1 where alpha is near 1 and the two ends of V have weight as beta says, and 0 elsewhere"""
    correction: Any
    """of log p"""


def _chart(xp: Namespace[Array], x: Array, alpha: Array, beta: Array) -> _Chart:
    double = is_double(xp, x)
    e = 1.0 - alpha
    far, least, in_tail = FAR_F64 if double else FAR_F32
    at_least = xp.where(xp.abs(x) < far, least, 0.0 * e + in_tail)
    moved = xp.stop_gradient(xp.where(xp.abs(e) < at_least, xp.copysign(at_least, e) - e, 0.0))
    # d log p / d alpha is 1 - gamma - log |x| there
    correction = -moved * (xp.log(xp.maximum(xp.abs(x), 1.0)) - 0.42278433509846714)
    e = e + moved
    of = _angles(xp, e)
    Y = of.s * x + beta * of.c
    below_one = e > 0.0
    sign = xp.where((Y < 0.0) == below_one, -1.0, 1.0)
    side, size = xp.where(below_one, 1.0, -1.0), xp.abs(of.s)
    x, beta = sign * x, sign * beta
    Y = xp.maximum(xp.abs(Y), float(xp.finfo(x).tiny) ** 0.7)
    # next to an end of V a layer as wide as 1 - |beta| has its part in the derivative, unless W is large there
    slow = xp.abs(e) > 1e-3
    by_e = xp.where(slow, xp.log(Y / (1.0 - e)) / xp.where(slow, e, 1.0), HALF_PI * side * x + 1.0)
    over = xp.maximum(xp.abs(beta) - (1.0 - (EDGE_F64 if double else EDGE_F32)), 0.0)
    none = (below_one & (beta < 0.0)) | ((e - 1.0) * by_e > 1.4)
    beta = beta - xp.stop_gradient(xp.where(none, 0.0, xp.copysign(over, beta)))
    b = beta * of.c
    alpha, cs, squares = 1.0 - e, of.c * size, size * size
    L = xp.arctan2(cs * (1.0 + beta), side * (squares - b * of.c)) / alpha
    before = xp.arctan2(cs * (1.0 - beta), side * (squares + b * of.c)) / alpha
    after = xp.arctan2(cs * (1.0 + beta), side * (b * of.c - squares))
    rest = xp.where(below_one, before, after)
    # as a product where it is small, for the quotient's derivative would cancel
    agree, steep = b * side > 0.0, of.c * (1.0 - xp.abs(beta)) / xp.where(b == 0.0, 1.0, squares + xp.abs(b) * of.c)
    small = agree & (size * steep < 0.2)
    tangent = xp.where(small, size * steep, 0.0)
    product = of.s_over_e * steep * horner(tangent * tangent, _ARCTAN) / xp.where(below_one, alpha, 1.0)
    rest_by_e = xp.where(small, product, rest / xp.abs(e))
    by_e = xp.where(small, xp.where(below_one, rest_by_e, (math.pi + rest_by_e) / alpha), 0.0)
    is_near = xp.indicator(small, like=x)
    h = xp.sqrt(squares + b * b)
    return _Chart(of, alpha, x, b, size, Y, L, before, after, h, rest_by_e, by_e, is_near, correction)


def _log_w(xp: Namespace[Array], at: _Chart, r: Array) -> Array:
    """log W of X and V."""
    return _log_w_and_slope(xp, at, r)[0]


def _log_w_and_slope(xp: Namespace[Array], at: _Chart, r: Array) -> tuple[Array, Array]:
    """(log W, its derivative in r); each sine is that of the nearer of its angle and what is left of pi, all sums of
    positive terms."""
    (e, _, _, s_over_e), alpha = at.of, at.alpha
    side, size = xp.copysign(1.0 + 0.0 * e, e), xp.abs(e)
    phi, psi = at.L * xp.sigmoid(r), at.L * xp.sigmoid(-r)
    cosine = xp.sin(xp.minimum(psi, at.before + phi))
    multiple = xp.sin(xp.minimum(alpha * phi, at.after + alpha * psi))
    # sin(psi + alpha phi) / |s|
    rest_by_e = at.rest_by_e + xp.where(e > 0.0, phi, psi)
    rest = size * rest_by_e
    small = rest < 0.5
    near = rest_by_e * horner(xp.where(small, rest * rest, 0.0), _SINC)
    by_e = xp.where(small, near, xp.sin(xp.minimum(psi + alpha * phi, rest)) / size)
    excess, is_exact = _excess(xp, at, phi, psi, cosine, multiple)
    q, ratio = e * excess, at.Y * cosine / (at.h * multiple)
    close = (xp.abs(ratio - 1.0) < 0.5) & (xp.abs(q) < 0.7) & (is_exact | (size < at.h * multiple))
    near = excess * _log1p_over(xp, xp.where(close, q, 0.0))
    log_ratio = xp.where(close, near, xp.log(xp.where(close, 1.0, ratio)) / e)
    log_w = xp.log(at.h * by_e / (s_over_e * cosine)) - alpha * log_ratio
    along = side * xp.cos(rest) / by_e + (xp.cos(psi) + alpha * side * by_e / multiple) / cosine
    along = along - alpha * xp.cos(alpha * phi) / multiple
    return log_w, along * phi * xp.sigmoid(-r)


def _excess(
    xp: Namespace[Array], at: _Chart, phi: Array, psi: Array, cosine: Array, multiple: Array
) -> tuple[Array, Array]:
    """((R - 1) / e, whether relative digits are left next to phi = 0)"""
    (e, _, _, s_over_e), size = at.of, xp.abs(at.of.e)
    side = xp.copysign(1.0 + 0.0 * e, e)
    V = HALF_PI - psi
    moved = -xp.sin(V - 0.5 * e * V) * V * horner(0.25 * e * e * V * V, _SINC)
    plain = side * (s_over_e * (at.x * cosine - xp.sin(V - e * V)) + at.b * moved)
    # Y sin(before + phi) - h sin(phi - e phi), about phi = 0
    is_exact = (at.is_near > 0.5) & (phi < psi)
    t, start = xp.where(is_exact, phi, 0.0), size * at.before_by_e
    turned = e * t
    sine = horner(0.25 * turned * turned, _SINC) * 0.5 * t  # of e t / 2, by e
    half = 0.5 * start
    of_half = horner(half * half, _SINC) * 0.5 * at.before_by_e
    slow = s_over_e * at.x - size * s_over_e * s_over_e / (xp.abs(at.b) + at.h)
    slow = slow + 2.0 * size * (at.h * sine * sine - at.Y * of_half * of_half)
    fast = at.Y * 2.0 * of_half * xp.cos(half) * xp.cos(t)
    about = side * (fast + xp.sin(t) * slow) + at.h * xp.cos(t) * 2.0 * sine * xp.cos(0.5 * turned)
    return xp.where(is_exact, about, plain) / (at.h * multiple), is_exact


def _log1p_over(xp: Namespace[Array], q: Array) -> Array:
    """log1p(q) / q"""
    small = xp.abs(q) < 0.1
    near, far = xp.where(small, q, 0.0), xp.where(small, 0.5, q)
    return xp.where(small, horner(near, _LOG1P), xp.log1p(far) / far)


def _log_integrand(xp: Namespace[Array], at: _Chart, r: Array) -> Array:
    """log of W exp(-W) dphi/dr / L"""
    log_w = _log_w(xp, at, r)
    most, limit = (600.0, 1e40) if is_double(xp, r) else (60.0, 1e10)  # beyond, a growth that does not overflow
    log_w = xp.minimum(log_w, limit)
    w = xp.exp(xp.minimum(log_w, most)) * xp.maximum(log_w - (most - 1.0), 1.0)
    return log_w - w - xp.softplus(r) - xp.softplus(-r)


def log_density(xp: Namespace[Array], x: Array, alpha: Array, beta: Array) -> Array:
    """log p(x) in S0."""
    radius = RADIUS_F64 if is_double(xp, x) else RADIUS_F32
    close = (xp.abs(1.0 - alpha) < radius) & (xp.abs(beta) < radius)
    series = _next_to_cauchy(xp, x, xp.where(close, alpha, 1.0), xp.where(close, beta, 0.0))
    return xp.where(close, series, _by_integral(xp, x, xp.where(close, 0.5, alpha), beta))


def log_density_of_s(xp: Namespace[Array], x: Array, alpha: Array, beta: Array) -> Array:
    """log p(X) in S, which at alpha = 1 is S0."""
    of = _angles(xp, 1.0 - alpha)
    at_one = of.s == 0.0
    return log_density(xp, x - xp.where(at_one, 0.0, beta * of.c / xp.where(at_one, 1.0, of.s)), alpha, beta)


def _by_integral(xp: Namespace[Array], x: Array, alpha: Array, beta: Array) -> Array:
    """The nodes are held, so that every derivative is that of the integral."""
    at, inside = _inside(xp, _chart(xp, x, alpha, beta))
    still = _values(xp, at)
    peak, left, right, top = _window(xp, still)
    # a steep W moves fast under the parameters: the nodes move with it
    level, slope = _log_w_and_slope(xp, still, peak)
    steep = xp.abs(slope) > 2.0
    follows = xp.where(steep, (_log_w(xp, at, peak) - level) / xp.where(steep, slope, 1.0), 0.0)
    centre = peak - follows
    nodes, weights, _ = tail_rule(NODES_F64 if is_double(xp, x) else NODES_F32)
    both, twice = (*(-u for u in reversed(nodes)), *nodes), (*reversed(weights), *weights)

    def mass(u: Array) -> Array:
        width = xp.where(u < 0.0, left, right)
        h = _log_integrand(xp, at, centre + u * width)
        # (of a far tail h is rounded by more than 1)
        return width * xp.exp(h - top - xp.stop_gradient(xp.maximum(h - top - 30.0, 0.0)))

    (total,) = xp.integrate(mass, both, twice, like=x)
    total = xp.maximum(total, float(xp.finfo(x).tiny))
    density = top + xp.log(total * at.L * at.alpha * at.of.s_over_e / (math.pi * at.Y)) + at.correction
    return xp.where(inside, density, -math.inf)


def _inside(xp: Namespace[Array], at: _Chart) -> tuple[_Chart, Array]:
    """The chart, and whether x lies in the support: where alpha < 1 and beta = +-1 that is a half-line."""
    inside = at.L > 0.0
    return at._replace(L=xp.where(inside, at.L, 1.0), before=xp.where(inside, at.before, math.pi - 1.0)), inside


def _values(xp: Namespace[Array], at: _Chart) -> _Chart:
    return _Chart(_Angles(*map(xp.stop_gradient, at.of)), *map(xp.stop_gradient, at[1:]))


def _search(
    xp: Namespace[Array],
    looks: int,
    count: Callable[[Array], tuple[Array, float]],
    enough: Callable[[Array, Array], Array],
    low: Array,
    high: Array,
) -> Array:
    """A place between `low` and `high`: `count` gives how many of the points lie below it, and how wide it is."""
    shares = xp.constant([(i + 1.0) / (POINTS + 1.0) for i in range(POINTS)], like=low)
    shares = shares.reshape((POINTS,) + (1,) * low.ndim)

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        low, high = state
        below, width = count(low + (high - low) * shares)
        unit = (high - low) / (POINTS + 1.0)
        return low + below * unit, low + (below + width) * unit

    low, high = xp.converge(step, (low, high), lambda state: enough(*state), looks)
    return 0.5 * (low + high)


def _window(xp: Namespace[Array], at: _Chart) -> tuple[Array, Array, Array, Array]:
    """(peak, distances to where the integrand is negligible below and above, its logarithm there); values only."""
    looks, end, fall = (LOOKS_F64, 700.0, FALL_F64) if is_double(xp, at.x) else (LOOKS_F32, 80.0, FALL_F32)
    far = 0.0 * at.x + end

    def is_place(low: Array, high: Array) -> Array:
        """To a tenth of the integrand's width, about 1 / d log W / dr."""
        slope = _log_w_and_slope(xp, at, 0.5 * (low + high))[1]
        return ~((high - low) * (1.0 + xp.abs(slope)) > 0.1)

    def is_distance(low: Array, high: Array) -> Array:
        return ~(high - low > 0.05 * high)

    def before(condition: Array) -> tuple[Array, float]:
        return xp.sum(xp.indicator(condition, like=at.x), axis=0), 1.0

    # W = 1; the peak lies between there and r = 0, since log W is monotone
    rising = xp.where(at.of.e > 0.0, 1.0, -1.0)
    level = _search(xp, looks, lambda r: before(rising * _log_w(xp, at, r) < 0.0), is_place, -far, far)

    def ascents(r: Array) -> tuple[Array, float]:
        h = _log_integrand(xp, at, r)
        return xp.sum(xp.indicator(h[1:] > h[:-1], like=at.x), axis=0), 2.0

    peak = _search(xp, looks, ascents, is_place, xp.minimum(level, 0.0), xp.maximum(level, 0.0))
    top = _log_integrand(xp, at, peak)
    sides = xp.stack([-1.0 + 0.0 * peak, 1.0 + 0.0 * peak])
    inside = lambda u: before(_log_integrand(xp, at, peak + sides * u) > top - fall)  # noqa: E731
    found = _search(xp, looks, inside, is_distance, 0.0 * sides, far + 0.0 * sides)
    return peak, found[0], found[1], top


# digamma and trigamma at 2 and 3
_PSI2, _PSI3 = 1.0 - 0.57721566490153286, 1.5 - 0.57721566490153286
_TRIGAMMA2, _TRIGAMMA3 = math.pi**2 / 6.0 - 1.0, math.pi**2 / 6.0 - 1.25


def _next_to_cauchy(xp: Namespace[Array], x: Array, alpha: Array, beta: Array) -> Array:
    """log p to second order in n = alpha - 1 and beta: with z = 1 + ix, k = n + 2i beta / pi, g_m = psi(m) - log z,

        pi p = Re(1/z - k g_2 / z**2 - n k (g_2**2 + psi'(2)) / (2 z**2) + k**2 (g_3**2 + psi'(3)) / z**3),

    from int t**m log(t)**j exp(-z t) dt, and the characteristic function.  In logarithms, since in the tail log p is
    nearly linear in alpha."""
    n, tilt = alpha - 1.0, 2.0 / math.pi * beta
    far = xp.abs(x) > 1.0
    near, y = xp.where(far, 0.0, x), 1.0 / xp.where(far, x, 1.0)
    inner, outer = 1.0 / (1.0 + near * near), 1.0 / (1.0 + y * y)
    # conj(z) / z, 1/z and log z
    imaginary = -xp.where(far, y * outer, near * inner)
    turn = xp.where(far, (y * y - 1.0) * outer, (1.0 - near * near) * inner), 2.0 * imaginary
    inverse = xp.where(far, y * y * outer, inner), imaginary
    log_square = xp.where(far, xp.log1p(y * y) - 2.0 * xp.log(xp.abs(y)), xp.log1p(near * near))
    argument = xp.arctan2(x, 1.0 + 0.0 * x)
    g2, g3 = (_PSI2 - 0.5 * log_square, -argument), (_PSI3 - 0.5 * log_square, -argument)
    k = (n, tilt)
    first = _times(turn, _times(k, g2))[0]
    square2, square3 = _times(g2, g2), _times(g3, g3)
    slow = _times(turn, _times(k, (square2[0] + _TRIGAMMA2, square2[1])))[0]
    fast = _times(_times(turn, inverse), _times(_times(k, k), (square3[0] + _TRIGAMMA3, square3[1])))[0]
    return -math.log(math.pi) - log_square - first - 0.5 * n * slow + fast - 0.5 * first * first


def _times(p: tuple[Array, Array], q: tuple[Array, Array]) -> tuple[Array, Array]:
    """The product of complex numbers."""
    return p[0] * q[0] - p[1] * q[1], p[0] * q[1] + p[1] * q[0]
