"""Von Mises with concentration kappa, centred at 0: the derivative of the angle z in kappa at fixed quantile.

    symbol     meaning
    kappa, z   concentration; the draw in [-pi, pi], measured from the location
    v(t)       sin(t/2)**2 = (1 - cos t)/2
    deficit    1 - I1(kappa)/I0(kappa), the mean of 2 v

With the score cos t - I1/I0 = deficit - 2 v(t), the tail integral (Figurnov, Mohamed, Mnih 2018, eq. 4-6) is

    dz/dkappa = int_z^end (deficit - 2 v(t)) exp(-2 kappa (v(t) - v(z))) dt,

inwards (end = 0, odd symmetry) where the score at z is positive and outwards (end = +-pi, or where the exponent has
fallen far enough) where it is negative.  One formula serves every kappa, from the limit -sin z at 0 to -z / (2 kappa).

The mass S(z) beyond z >= 0 is p(z) int_z^pi exp(-2 kappa (v(t) - v(z))) dt.  A distribution function on [-pi, pi] of an
angle x with location mu counts from -pi, wherever mu lies: F(x) = C(x - mu) - C(-pi - mu), C that of the centred angle
continued by C(z + 2 pi) = C(z) + 1.  By the mirror image x -> -x, mu -> -mu only mu >= 0 need be written.
"""

from __future__ import annotations

import math
from functools import cache

from ..generic.family import Law, icdf, logarithm, newton, normal_quantile
from ..namespace import Array, Namespace
from ..numerics.elementary import expm1mx_near_0, horner
from ..numerics.gamma_function import deviance, power_bregman
from ..numerics.quadrature import depth, is_double, tail_integral

# worst error: 7e-7 and 3e-15
NODES_F32, NODES_F64 = 10, 22


def dz_dkappa(xp: Namespace, z: Array, kappa: Array) -> Array:
    """dz / dkappa at fixed quantile, z in [-pi, pi]."""
    missing = deficit(xp, kappa)
    half = xp.sin(0.5 * z)
    v_z = half * half
    inward = 2.0 * v_z < missing
    size = xp.abs(z)
    span = xp.where(inward, -size, _outward_span(xp, size, v_z, kappa))
    span = xp.where(z < 0.0, -span, span)

    def integrand(step: Array) -> Array:
        rise = xp.sin(z + 0.5 * step) * xp.sin(0.5 * step)  # v(t) - v(z)
        return (missing - 2.0 * (v_z + rise)) * xp.exp(-2.0 * kappa * rise)

    return tail_integral(xp, integrand, span, nodes_f32=NODES_F32, nodes_f64=NODES_F64)


def _outward_span(xp: Namespace, size: Array, v_z: Array, kappa: Array) -> Array:
    """From z >= 0 to pi, or to where the exponent has grown to `depth`."""
    v_end = v_z + depth(xp, size) / xp.maximum(2.0 * kappa, float(xp.finfo(size).tiny))
    v_end = xp.stop_gradient(v_end)
    to_cut = 2.0 * xp.arcsin(xp.sqrt(xp.minimum(v_end, 1.0))) - size
    return xp.where(v_end < 1.0, to_cut, to_pi(xp, size))


def to_pi(xp: Namespace, size: Array) -> Array:
    """pi - size >= 0, to full relative accuracy."""
    # math.pi is rounded twice, to a double and to the dtype: near pi the remainder is most of the interval
    remainder = 1.2246467991473532e-16 if is_double(xp, size) or xp.has_guard_digits else -8.742277657347586e-08
    # (the first maximum changes nothing, but XLA would add the two constants up and lose the remainder)
    return xp.maximum(xp.maximum(math.pi - size, -1.0) + remainder, 0.0)


def deficit(xp: Namespace, kappa: Array) -> Array:
    """1 - I1(kappa)/I0(kappa), kappa >= 0, to full relative accuracy.

    Below `start` the midpoint rule for the integrals of DLMF 10.32.1, exponentially accurate on a period; above, the
    asymptotic series.  The native i0e and i1e would lose a factor 2 kappa to cancellation.
    """
    start, rises, terms = _rule(xp, kappa)
    is_small = kappa < start
    small = xp.where(is_small, kappa, 0.0)
    mean, mass = xp.integrate(lambda rise: xp.exp(-small * rise), rises, rises, (1.0,) * len(rises), like=small)
    r = 1.0 / xp.where(is_small, start, kappa)
    return xp.where(is_small, mean / mass, r * horner(r, asymptotic(terms)))


def mean_cosine(xp: Namespace, kappa: Array) -> Array:
    """I1(kappa)/I0(kappa), kappa >= 0, to full relative accuracy: below `start` as kappa E[sin(t)**2], by parts."""
    start, rises, _ = _rule(xp, kappa)
    is_small = kappa < start
    small = xp.where(is_small, kappa, 0.0)
    squares = tuple(rise * (2.0 - rise) for rise in rises)
    square, mass = xp.integrate(lambda rise: xp.exp(-small * rise), rises, squares, (1.0,) * len(rises), like=small)
    return xp.where(is_small, kappa * square / mass, 1.0 - deficit(xp, kappa))


def log_i0e(xp: Namespace, kappa: Array) -> Array:
    """log(exp(-kappa) I0(kappa)), kappa >= 0, by the same two."""
    start, rises, terms = _rule(xp, kappa)
    is_small = kappa < start
    small = xp.where(is_small, kappa, 0.0)
    weight = 1.0 / len(rises)
    lost, mass = xp.integrate(
        lambda rise: xp.expm1(-small * rise), rises, (weight,) * len(rises), (0.0,) * len(rises), like=small
    )
    r = 1.0 / xp.where(is_small, start, kappa)
    e = asymptotic(terms)
    series = r * horner(r, [c / (k + 1.0) for k, c in enumerate(e[1:])])
    return xp.where(is_small, xp.log1p(lost + mass), 0.5 * xp.log(r) - 0.5 * math.log(2.0 * math.pi) + series)


def _rule(xp: Namespace, like: Array) -> tuple[float, tuple[float, ...], int]:
    """(start, 2 v at the nodes of the midpoint rule, terms of the asymptotic series)."""
    start, points, terms = (48.0, 32, 14) if is_double(xp, like) else (16.0, 14, 8)
    return start, tuple(2.0 * math.sin(0.5 * math.pi * (j + 0.5) / points) ** 2 for j in range(points)), terms


@cache
def asymptotic(terms: int) -> tuple[float, ...]:
    """e_k of deficit ~ sum_{k >= 1} e_k / kappa**k, from the Riccati equation of I1/I0 (DLMF 10.29.2)."""
    e = [0.5]
    for k in range(2, terms + 1):
        e.append(0.5 * ((k - 2) * e[-1] + sum(e[i] * e[k - 2 - i] for i in range(k - 1))))
    return tuple(e)


def _log_density(xp: Namespace, z: Array, kappa: Array) -> Array:
    """log p(z)."""
    half = xp.sin(0.5 * z)
    return -2.0 * kappa * (half * half) - math.log(2.0 * math.pi) - log_i0e(xp, kappa)


def _mass_beyond(xp: Namespace, size: Array, kappa: Array) -> Array:
    """S(size) = P(Z > size), 0 <= size <= pi."""
    half = xp.sin(0.5 * size)
    span = _outward_span(xp, size, half * half, kappa)

    def integrand(step: Array) -> Array:
        return xp.exp(-2.0 * kappa * (xp.sin(size + 0.5 * step) * xp.sin(0.5 * step)))

    return xp.exp(_log_density(xp, size, kappa)) * tail_integral(
        xp, integrand, span, nodes_f32=NODES_F32, nodes_f64=NODES_F64
    )


def _turned(xp: Namespace, angle: Array) -> Array:
    """An angle in [-2 pi, 2 pi] back into [-pi, pi], a value inside left alone."""
    down = xp.maximum(angle - math.pi, 0.0) - math.pi  # in two steps, for 2 pi is no number
    up = xp.minimum(angle + math.pi, 0.0) + math.pi
    return xp.where(angle > math.pi, down, xp.where(angle < -math.pi, up, angle))


def _tails(xp: Namespace, x: Array, mu: Array, kappa: Array) -> tuple[Array, Array]:
    """(P(X <= x), P(X > x)) on [-pi, pi], mu in [-pi, pi].  Differences of at most two masses of smaller tails."""
    turned = mu < 0.0
    y, location = xp.where(turned, -x, x), xp.abs(mu)
    z = y - location
    wraps = z < -math.pi
    z = _turned(xp, z)
    mass = _mass_beyond(xp, xp.abs(z), kappa)
    below, beyond = xp.where(z < 0.0, mass, 1.0 - mass), xp.where(z < 0.0, 1.0 - mass, mass)
    rim = _rim_mass(xp, location, kappa)
    lower = xp.maximum(xp.where(wraps, rim - beyond, rim + below), 0.0)
    upper = xp.maximum(xp.where(wraps, beyond + (1.0 - rim), beyond - rim), 0.0)
    lower = xp.where(y <= -math.pi, 0.0, xp.where(y >= math.pi, 1.0, xp.minimum(lower, 1.0)))
    upper = xp.where(y <= -math.pi, 1.0, xp.where(y >= math.pi, 0.0, xp.minimum(upper, 1.0)))
    return xp.where(turned, upper, lower), xp.where(turned, lower, upper)


def _rim_mass(xp: Namespace, location: Array, kappa: Array) -> Array:
    """What of the mass about `location` >= 0 lies past pi, and so comes first."""
    return xp.where(location > 0.0, _mass_beyond(xp, math.pi - location, kappa), 0.0)


def log_tails(xp: Namespace, x: Array, mu: Array, kappa: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x)) on [-pi, pi], mu in [-pi, pi]."""
    lower, upper = _tails(xp, x, mu, kappa)
    return xp.log(lower), xp.log(upper)


def log_density(xp: Namespace, x: Array, mu: Array, kappa: Array) -> Array:
    """log p(x); -inf outside [-pi, pi], of which either end may have been rounded outwards."""
    return xp.where(xp.abs(x) < math.pi + 1e-7, _log_density(xp, x - mu, kappa), -math.inf)


def _rim(xp: Namespace, x: Array, mu: Array, kappa: Array) -> Array:
    """p(-pi) / p(x): how far the cut at -pi is felt at x."""
    half_x, half_rim = xp.sin(0.5 * (x - mu)), xp.cos(0.5 * mu)
    return xp.exp(-2.0 * kappa * (half_rim * half_rim - half_x * half_x))


def _slope_mu(xp: Namespace, x: Array, mu: Array, kappa: Array) -> Array:
    return 1.0 - _rim(xp, x, mu, kappa)


def _slope_kappa(xp: Namespace, x: Array, mu: Array, kappa: Array) -> Array:
    at_rim = dz_dkappa(xp, _turned(xp, -math.pi - mu), kappa)
    return dz_dkappa(xp, _turned(xp, x - mu), kappa) - _rim(xp, x, mu, kappa) * at_rim


LAW = Law(log_tails, log_density, (_slope_mu, _slope_kappa))


def _quantile(xp: Namespace, q: Array, rest: Array, mu: Array, kappa: Array) -> Array:
    """x in [-pi, pi] with F(x) = q."""
    turned = mu < 0.0
    location = xp.abs(mu)
    low, high = xp.where(turned, rest, q), xp.where(turned, q, rest)
    rim = _rim_mass(xp, location, kappa)
    wraps = low < rim
    # centred, the angle has `below` of the mass under it and `beyond` over it
    beyond = xp.where(wraps, rim - low, high + rim)
    below = xp.where(wraps, low + (1.0 - rim), low - rim)
    size = _upper_quantile(xp, xp.minimum(beyond, below), kappa)
    z = xp.where(below < beyond, -size, size)
    y = xp.where(wraps, (z - math.pi) + (location - math.pi), z + location)
    y = xp.minimum(xp.maximum(y, -math.pi), math.pi)
    return xp.where(turned, -y, y)


def _upper_quantile(xp: Namespace, s: Array, kappa: Array) -> Array:
    """z >= 0 with S(z) = s <= 1/2, by Newton's method: on log S, or on S, a convex function, where that would leave."""
    log_s = logarithm(xp, s)
    log_peak = -math.log(2.0 * math.pi) - log_i0e(xp, kappa)
    # S(z) lies above its tangent at pi; and a normal law with the same peak is near where kappa is large.  Where it is
    # not, it may lead past pi, and from there is no way back: the mass is 0, and Newton's step with it
    tangent = math.pi - s * xp.exp(xp.minimum(2.0 * kappa - log_peak, 80.0))
    sigma = xp.exp(-log_peak) / math.sqrt(2.0 * math.pi)
    near = normal_quantile(xp, log_s) * sigma
    start = xp.maximum(tangent, xp.where(near < 3.0, near, 0.0))

    def residual(z: Array) -> tuple[Array, Array]:
        mass = _mass_beyond(xp, z, kappa)
        error = logarithm(xp, mass) - log_s
        scale = mass * xp.exp(-_log_density(xp, z, kappa))
        step = scale * error
        return error, xp.where(z + step < math.pi, step, -scale * xp.expm1(-error))

    return newton(xp, residual, start, 0.0, math.pi)


QUANTILE = icdf(_quantile, log_density, (_slope_mu, _slope_kappa))
"""x of (q, 1 - q, mu, kappa)."""


def entropy(xp: Namespace, kappa: Array) -> Array:
    """log(2 pi I0(kappa)) - kappa I1(kappa)/I0(kappa)."""
    return math.log(2.0 * math.pi) + log_i0e(xp, kappa) + kappa * deficit(xp, kappa)


def divergence(xp: Namespace, kappa: Array, kappa_q: Array, delta: Array) -> Array:
    """KL(VonMises(mu, kappa) || VonMises(mu + delta, kappa_q)) as a sum of terms >= 0 to full relative accuracy.

    kappa_q (I1/I0)(kappa) (1 - cos delta) + B(kappa_q, kappa), B the Bregman divergence of log I0.  kappa_q = 0 is the
    uniform law on the circle.
    """
    half = xp.sin(0.5 * delta)
    return 2.0 * kappa_q * mean_cosine(xp, kappa) * (half * half) + _bregman(xp, kappa_q, kappa)


def _bregman(xp: Namespace, x: Array, y: Array) -> Array:
    """B_f(x, y), f = log I0(kappa) - kappa: by the two formulas of `deficit`, joined at its start s.

    B(x, y) = B(x, s) + B(s, y) + (x - s) (f'(s) - f'(y)); whichever of x and y is the smaller, no term is negative.
    """
    start, rises, terms = _rule(xp, y)
    low_x, low_y = xp.where(x < start, x, start), xp.where(y < start, y, start)
    high_x, high_y = xp.where(x < start, start, x), xp.where(y < start, start, y)
    # f(x) - f(y) - (x - y) f'(y) = log E[exp(-d (2v - E[2v]))] under y
    d, mean = low_x - low_y, deficit(xp, low_y)
    ones = (1.0,) * len(rises)
    (mass,) = xp.integrate(lambda rise: xp.exp(-low_y * rise), rises, ones, like=low_y)
    (spread,) = xp.integrate(
        lambda rise: xp.exp(-low_y * rise) * expm1mx_near_0(xp, -d * (rise - mean)), rises, ones, like=low_y
    )
    small = xp.log1p(spread / mass)
    gap = high_x - high_y
    e = [c / (k + 1.0) for k, c in enumerate(asymptotic(terms)[1:])]
    large = 0.5 * deviance(xp, gap / high_y, xp.log(high_x) - xp.log(high_y))
    large = large + power_bregman(1.0 / high_x, 1.0 / high_y, gap, tuple(e[0::2]), tuple(e[1::2]))
    at_start = deficit(xp, start + 0.0 * y)
    joint = (high_x - start) * (mean - at_start) + (low_x - start) * (deficit(xp, high_y) - at_start)
    return small + large + joint
