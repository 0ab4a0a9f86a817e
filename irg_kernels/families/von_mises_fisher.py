"""VonMisesFisher: density proportional to exp(kappa mu . x) on the unit sphere of d >= 2 dimensions.

    symbol   meaning
    w        mu . x, the cosine of the angle between them
    s, y     (1 - w) / 2, the squared sine of half of it, and its logit
    a        (d - 1) / 2
    g(y)     a log s + a log(1 - s) - 2 kappa s, the log-density of y but for a constant
    R        g(y) - g(y + v), the fall of the log-density at a displacement v
    m        E[s]

Given w the rest of x is uniform, so that y alone moves with kappa.  With the score 2 (m - s), from either tail,

    dy/dkappa = -2 int_0^inf (|s - m| + |s(y + v) - s|) exp(-R) d|v|        (Figurnov, Mohamed, Mnih 2018, eq. 4-6)

over v < 0 where s < m and over v > 0 elsewhere: no term is of the other sign.  The normalizer and m are integrals of
the same kind, from the mode to both sides.  In two dimensions the angle is a von Mises variable, with that one's rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from ..generic.family import Function
from ..namespace import Array, Namespace
from ..numerics.bessel import cosine_variance, deficit, log_i0e
from ..numerics.charts import logistic_rise
from ..numerics.elementary import along_axis, log1pmx, log_area_of_sphere
from ..numerics.quadrature import depth, is_double, tail_rule
from .von_mises import dz_dkappa

# worst error of dy/dkappa and of m over d = 3..500, kappa = 1e-4..1e6 and quantiles down to 1e-12: 1e-6 with the first
# number of nodes, 3e-14 with the second; it is met at d = 3, kappa near 6, elsewhere 48 do
NODES_F32, NODES_F64 = 20, 60


def _moved(xp: Namespace[Array], s: Array, q: Array, kappa: Array, a: float, v: Array) -> tuple[Array, Array]:
    """(s(y + v) - s, R)"""
    if is_double(xp, s) or xp.has_guard_digits:
        # the terms are of size sqrt(a) where the integrand is, of which an eps does no harm
        rise = xp.expm1(xp.minimum(v, 700.0))
        shift = s * q * rise / (1.0 + s * rise)
        return shift, 2.0 * (kappa * shift) + a * (2.0 * xp.log1p(s * rise) - v)
    up = v > 0.0
    fall = -xp.expm1(-xp.abs(v))  # exponentials that do not overflow
    size = s * q * fall / (xp.where(up, s, q) + xp.where(up, q, s) * (1.0 - fall))
    shift, shape = xp.where(up, size, -size), a + 0.0 * s
    return shift, 2.0 * (kappa * shift) - logistic_rise(xp, shape, shape, s, q, v)


def _cut(xp: Namespace[Array], s: Array, q: Array, kappa: Array, a: float, sign: Array) -> Array:
    """|v| where the integrand is negligible."""
    full = depth(xp, s)

    def step(state: tuple) -> tuple:
        low, high = state
        middle = 0.5 * (low + high)
        short = _moved(xp, s, q, kappa, a, sign * xp.exp(middle))[1] < full
        return xp.where(short, middle, low), xp.where(short, high, middle)

    # R rises by a + kappa / 2 at most per unit, and in the end by a; eight halvings leave a tenth of the distance
    most = full / a + xp.where(sign > 0.0, -2.0 * xp.log(s), 2.0 * (kappa * s) / a - 2.0 * xp.log(q))
    start = (math.log(full) - xp.log(a + 0.5 * kappa), xp.log(most))
    return xp.stop_gradient(xp.exp(xp.converge(step, start, lambda state: state[0] > state[1], 8)[1]))


def _integral(
    xp: Namespace[Array], s: Array, q: Array, kappa: Array, a: float, sign: Array, cut: Array, weight: Callable
) -> Array:
    """int_0^cut weight(s(y + v) - s) exp(-R(v)) d|v| over v of that sign."""
    rule = tail_rule(NODES_F64 if is_double(xp, s) else NODES_F32)

    def integrand(u: Array) -> Array:
        shift, fall = _moved(xp, s, q, kappa, a, sign * (cut * u))
        return weight(shift) * xp.exp(-fall)

    (total,) = xp.integrate(integrand, rule.nodes, rule.weights, like=cut)
    return cut * total


def _within(xp: Namespace[Array], kappa: Array) -> tuple[Array, Array]:
    """kappa held below the end of its range, and the quotient: beyond, kappa s is all that matters."""
    most = float(xp.finfo(kappa).max) ** 0.8
    beyond = kappa > most
    return xp.where(beyond, most, kappa), most / xp.where(beyond, kappa, most)


def dlogit_dkappa(xp: Namespace[Array], y: Array, kappa: Array, mean: Array, a: float) -> Array:
    """dy/dkappa, given m."""
    kappa, share = _within(xp, kappa)
    y, mean = y - xp.log(share), mean / share
    s, q = xp.sigmoid(y), xp.sigmoid(-y)
    if a == 0.5:
        return share * (dz_dkappa(xp, 2.0 * xp.arctan2(xp.sqrt(s), xp.sqrt(q)), kappa) / xp.sqrt(s * q))
    off = xp.abs(s - mean)
    sign = 1.0 - 2.0 * xp.indicator(s < mean, like=s)
    cut = _cut(xp, s, q, kappa, a, sign)
    total = _integral(xp, s, q, kappa, a, sign, cut, lambda shift: off + xp.abs(shift))
    return -2.0 * share * total


def _from_mode(xp: Namespace[Array], kappa: Array, a: float, weights: list[Callable]) -> tuple[Array, list[Array]]:
    """s at the mode, and integrals from there to both sides, weight(s(y + v) - s, s)."""
    more = xp.maximum(kappa, a)
    k, b = kappa / more, a / more
    length = xp.sqrt(k * k + b * b)
    width = k + b + length
    s, q = xp.stop_gradient(b / width), xp.stop_gradient((k + length) / width)
    sign = along_axis(xp, [-1.0, 1.0], kappa)
    s2, q2, kappa2 = (0.0 * sign + p for p in (s, q, kappa))
    sign = sign + 0.0 * s2
    cut = _cut(xp, s2, q2, kappa2, a, sign)

    def total(weight: Callable) -> Array:
        both = _integral(xp, s2, q2, kappa2, a, sign, cut, lambda shift: weight(shift, s2))
        return xp.sum(both, axis=0)

    return s, [total(weight) for weight in weights]


def _log_mass(xp: Namespace[Array], kappa: Array, a: float) -> Array:
    """log int exp(g) dy."""
    kappa, share = _within(xp, kappa)
    if a == 0.5:
        return math.log(math.pi) + log_i0e(xp, kappa) + 0.5 * xp.log(share)
    s, (mass,) = _from_mode(xp, kappa, a, [lambda shift, s: 1.0 + 0.0 * shift])
    # log(1 - s) of s <= 1 / 2
    return a * (xp.log(s) + xp.log1p(-s) + xp.log(share)) - 2.0 * (kappa * s) + xp.log(mass)


def _mean(xp: Namespace[Array], kappa: Array, a: float) -> Array:
    """m"""
    kappa, share = _within(xp, kappa)
    if a == 0.5:
        return 0.5 * share * deficit(xp, kappa)
    mass, total = _from_mode(xp, kappa, a, [lambda shift, s: 1.0 + 0.0 * shift, lambda shift, s: s + shift])[1]
    return share * (total / mass)


def _mean_slope(xp: Namespace[Array], mean: Array, kappa: Array, a: float) -> Array:
    """dm/dkappa, minus twice the variance of s."""
    kappa, share = _within(xp, kappa)
    if a == 0.5:
        return -0.5 * share * (share * cosine_variance(xp, kappa))
    centre = mean / share
    weights = [lambda shift, s: 1.0 + 0.0 * shift, lambda shift, s: (s + shift - centre) * (s + shift - centre)]
    mass, total = _from_mode(xp, kappa, a, weights)[1]
    return -2.0 * (share * (share * (total / mass)))


@cache
def mean_of(a: float) -> Function:
    """m of kappa."""
    return Function(lambda xp, kappa: _mean(xp, kappa, a), (lambda xp, mean, kappa: _mean_slope(xp, mean, kappa, a),))


@cache
def log_mass_of(a: float) -> Function:
    """log int exp(g) dy of (kappa, m), of which m gives the derivative."""
    return Function(
        lambda xp, kappa, mean: _log_mass(xp, kappa, a), (lambda xp, result, kappa, mean: -2.0 * mean, None)
    )


@cache
def slope_of(a: float) -> Callable:
    """(xp, y, kappa, m) -> dy/dkappa"""
    return lambda xp, y, kappa, mean: dlogit_dkappa(xp, y, kappa, mean, a)


def log_constant(a: float) -> float:
    """log of the area of the sphere of a dimension less, and of the jacobian 2**(d - 2)."""
    return log_area_of_sphere(2.0 * a) + (2.0 * a - 1.0) * math.log(2.0)


def propose(xp: Namespace[Array], u: Array, angle: Array, kappa: Array, a: float) -> tuple[Array, Array]:
    """(y, log of the chance that it is accepted) of u uniform on (0, 1) and an angle uniform on (0, pi).

    Wood's (1994) envelope, y = logit z + log b with z ~ Beta(a, a), b = sqrt(1 + (1/r)**2) - 1/r, r = a / kappa.  The
    chance is exp((d - 1) (log(1 + t) - t)), t = (s - s*) / r, s* = b / (1 + b).  2 z - 1 is the first coordinate of a
    uniform point of the sphere, radius cos(angle) with radius**2 = 1 - u**(1 / (a - 1/2)).
    """
    most = float(xp.finfo(kappa).max)
    r = xp.minimum(a / kappa, most**0.4)
    near = r < 1.0
    ratio = xp.where(near, r, 1.0 / r)
    root = xp.sqrt(1.0 + ratio * ratio)
    log_b = xp.where(near, xp.log(ratio), 0.0 * r) - xp.log(xp.where(near, 1.0 + root, ratio + root))
    if a == 0.5:
        rest = 0.0 * u
    else:
        rest = xp.exp(xp.log(u) / (a - 0.5))
        rest = rest / (1.0 + xp.sqrt(1.0 - rest))
    low, high = xp.cos(0.5 * angle), xp.sin(0.5 * angle)
    above = rest + 2.0 * (1.0 - rest) * (low * low)
    below = rest + 2.0 * (1.0 - rest) * (high * high)
    y = xp.log(above) - xp.log(below) + log_b
    log_s, log_best = -xp.softplus(-y), -xp.softplus(-log_b)
    t = xp.exp(log_s - xp.log(r)) - xp.exp(log_best - xp.log(r))
    return y, 2.0 * a * log1pmx(xp, t, xp.log1p(t))


def mean_cosine(xp: Namespace[Array], kappa: Array, mean: Array, a: float) -> Array:
    """E[w] = 1 - 2 m; by its series where that would cancel."""
    d = 2.0 * a + 1.0
    small = kappa < (0.01 if is_double(xp, kappa) else 0.05) * d
    k = xp.where(small, kappa, 0.0)
    series = k / d * (1.0 - k * k / (d * (d + 2.0)) * (1.0 - 2.0 * (k * k) / (d * (d + 4.0))))
    return xp.where(small, series, 1.0 - 2.0 * mean)
