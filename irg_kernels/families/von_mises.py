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
from collections.abc import Callable

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics import bessel_ratio
from ..numerics.bessel import bregman_log_i0, deficit, log_i0e, mean_cosine
from ..numerics.charts import Shape, line
from ..numerics.elementary import both_log_tails, compensated, two_sum
from ..numerics.in_two import both_tails, keeps_rests, product, sine_squared
from ..numerics.quadrature import depth, is_double, tail_integral
from ..numerics.roots import halley, logarithm, newton, normal_quantile

# worst error of the slope, at kappa = 9 and 50: 1e-6 and 8e-15
SLOPE_NODES_F32, SLOPE_NODES_F64 = 11, 24


def dz_dkappa(xp: Namespace[Array], z: Array, kappa: Array) -> Array:
    """dz / dkappa at fixed quantile, z in [-pi, pi].

    In tau = tan((t - z)/4) no node needs a sine of its own: sin((t - z)/2) = 2 tau d, d = 1/(1 + tau**2), and
    v(t) - v(z) = sin(z + (t - z)/2) sin((t - z)/2).
    """
    missing = _missing(xp, kappa)
    sign = 1.0 - 2.0 * xp.indicator(z < 0.0, like=z)
    size = sign * z
    sine, cosine = xp.sin(0.5 * size), xp.sin(0.5 * to_pi(xp, size))  # of size / 2
    v_z = sine * sine
    score = missing - 2.0 * v_z
    reach = xp.where(score > 0.0, -sine / (1.0 + cosine), _outward_reach(xp, sine, cosine, kappa))
    sin_z, twice_cos_z, steepness = 2.0 * sine * cosine, 2.0 - 4.0 * v_z, -4.0 * kappa

    def integrand(tau: Array) -> Array:
        d = 1.0 / (1.0 + tau * tau)
        half = tau * d
        rise = half * (sin_z * (2.0 * d - 1.0) + twice_cos_z * half)  # (v(t) - v(z)) / 2
        return (score - 4.0 * rise) * xp.exp(steepness * rise) * d

    nodes = {"nodes_f32": SLOPE_NODES_F32, "nodes_f64": SLOPE_NODES_F64}
    return 4.0 * sign * tail_integral(xp, integrand, reach, **nodes)


def _missing(xp: Namespace[Array], kappa: Array) -> Array:
    """`deficit`; with guard digits 1 - I1/I0 serves, and a rational function is half the work."""
    if xp.has_guard_digits:
        return bessel_ratio.missing(xp, kappa, bessel_ratio.ratio(xp, kappa * kappa))
    return deficit(xp, kappa)


def _outward_reach(xp: Namespace[Array], sine: Array, cosine: Array, kappa: Array) -> Array:
    """tan((end - z)/4), end being pi or where the exponent has grown to `depth`; of sine and cosine of z/2."""
    v_z = sine * sine
    gap = depth(xp, sine) / xp.maximum(2.0 * kappa, float(xp.finfo(sine).tiny))
    v_end = xp.minimum(v_z + gap, 1.0)
    # sin(a - b) = (sin(a)**2 - sin(b)**2) / sin(a + b)
    to_cut = xp.minimum(gap, 1.0) / (xp.sqrt(v_end) * cosine + xp.sqrt(1.0 - v_end) * sine)
    to_cut = xp.stop_gradient(to_cut / (1.0 + xp.sqrt(xp.maximum(1.0 - to_cut * to_cut, 0.0))))
    return xp.where(v_z + gap < 1.0, to_cut, cosine / (1.0 + sine))


# worst error of the mass: 7e-7 and 3e-15
NODES_F32, NODES_F64 = 10, 22


def _outward_span(xp: Namespace[Array], size: Array, v_z: Array, kappa: Array) -> Array:
    """From z >= 0 to pi, or to where the exponent has grown to `depth`."""
    v_end = v_z + depth(xp, size) / xp.maximum(2.0 * kappa, float(xp.finfo(size).tiny))
    v_end = xp.stop_gradient(v_end)
    to_cut = 2.0 * xp.arcsin(xp.sqrt(xp.minimum(v_end, 1.0))) - size
    return xp.where(v_end < 1.0, to_cut, to_pi(xp, size))


def to_pi(xp: Namespace[Array], size: Array) -> Array:
    """pi - size >= 0, to full relative accuracy."""
    # math.pi is rounded twice, to a double and to the dtype: near pi the remainder is most of the interval
    remainder = 1.2246467991473532e-16 if is_double(xp, size) or xp.has_guard_digits else -8.742277657347586e-08
    # (the first maximum changes nothing, but XLA would add the two constants up and lose the remainder)
    return xp.maximum(xp.maximum(math.pi - size, -1.0) + remainder, 0.0)


def _log_density(xp: Namespace[Array], z: Array, kappa: Array) -> Array:
    """log p(z)."""
    half = xp.sin(0.5 * z)
    return -2.0 * kappa * (half * half) - math.log(2.0 * math.pi) - log_i0e(xp, kappa)


def _mass_beyond(xp: Namespace[Array], size: Array, kappa: Array) -> Array:
    """S(size) = P(Z > size), 0 <= size <= pi."""
    half = xp.sin(0.5 * size)
    span = _outward_span(xp, size, half * half, kappa)

    def integrand(step: Array) -> Array:
        return xp.exp(-2.0 * kappa * (xp.sin(size + 0.5 * step) * xp.sin(0.5 * step)))

    return xp.exp(_log_density(xp, size, kappa)) * tail_integral(
        xp, integrand, span, nodes_f32=NODES_F32, nodes_f64=NODES_F64
    )


def _turned(xp: Namespace[Array], angle: Array) -> Array:
    """An angle in [-2 pi, 2 pi] back into [-pi, pi], a value inside left alone."""
    down = xp.maximum(angle - math.pi, 0.0) - math.pi  # in two steps, for 2 pi is no number
    up = xp.minimum(angle + math.pi, 0.0) + math.pi
    return xp.where(angle > math.pi, down, xp.where(angle < -math.pi, up, angle))


def _log_mass(xp: Namespace[Array], start: Array, limit: Array, kappa: Array) -> tuple[Array, Array | None]:
    """(log of the mass from `start`, >= 0 or next to 0, to start + limit, what rounding has left of it): finite
    wherever the log-density is."""
    half = xp.sin(0.5 * start)
    span = xp.minimum(limit, _outward_span(xp, xp.abs(start), half * half, kappa))
    span = xp.where(start < 0.0, limit, span)

    def integrand(step: Array) -> Array:
        return xp.exp(-2.0 * kappa * (xp.sin(start + 0.5 * step) * xp.sin(0.5 * step)))

    mass = tail_integral(xp, integrand, span, nodes_f32=NODES_F32, nodes_f64=NODES_F64)
    if not keeps_rests(xp, start):
        return _log_density(xp, start, kappa) + xp.log(mass), None
    square, rest = sine_squared(xp, 0.5 * start)
    fall, rest = product(xp, square, rest, -2.0 * kappa, 0.0)
    return compensated(xp, fall, rest, xp.log(mass) - math.log(2.0 * math.pi), -log_i0e(xp, kappa))


def _tails(
    xp: Namespace[Array], x: Array, mu: Array, kappa: Array, both: Callable, ends: tuple[float, float]
) -> tuple[Array, Array]:
    """(P(X <= x), P(X > x)) or their logarithms on [-pi, pi], mu in [-pi, pi]: of sums of masses of smaller tails, no
    difference.

    With the location at or above 0: beyond it the mass from x up to pi; where x lies more than pi below it, and is
    nearer to it by way of -pi, that from -pi up to x; between, what lies below x and what is past pi.
    """
    turned = mu < 0.0
    y, location = xp.where(turned, -x, x), xp.abs(mu)
    z, wraps = offset(xp, y, location), y - location < -math.pi
    # next to pi, with the location beyond or hardly below: masses below would add up to almost 1
    upper = (z >= 0.0) | (to_pi(xp, xp.abs(y)) < 1.3 / xp.sqrt(1.0 + kappa))
    upper = upper & (y > 0.0) & ~wraps
    to_rim = to_pi(xp, location)
    start = xp.where(wraps, to_rim, xp.where(upper, z, xp.abs(z)))
    limit = xp.where(wraps | upper, to_pi(xp, xp.abs(y)), to_pi(xp, xp.abs(z)))
    smaller, rest = _log_mass(xp, start, limit, kappa)
    has_rim = (location > 0.0) & ~wraps & ~upper
    rim = xp.where(has_rim, _log_mass(xp, to_rim, location, kappa)[0], -math.inf)
    smaller = xp.where(has_rim, smaller + xp.softplus(xp.where(has_rim, rim - smaller, 0.0)), smaller)
    lower, higher = both(xp, xp.minimum(smaller, 0.0), ~upper, rest)
    lower = xp.where(y <= -math.pi, ends[0], xp.where(y >= math.pi, ends[1], lower))
    higher = xp.where(y <= -math.pi, ends[1], xp.where(y >= math.pi, ends[0], higher))
    return xp.where(turned, higher, lower), xp.where(turned, lower, higher)


def log_tails(xp: Namespace[Array], x: Array, mu: Array, kappa: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x)) on [-pi, pi], mu in [-pi, pi]."""
    return _tails(xp, x, mu, kappa, both_log_tails, (-math.inf, 0.0))


def tails(xp: Namespace[Array], x: Array, mu: Array, kappa: Array) -> tuple[Array, Array]:
    """(P(X <= x), P(X > x)) on [-pi, pi], mu in [-pi, pi]."""
    return _tails(xp, x, mu, kappa, both_tails, (0.0, 1.0))


def _rim_mass(xp: Namespace[Array], location: Array, kappa: Array) -> Array:
    """What of the mass about `location` >= 0 lies past pi, and so comes first."""
    return xp.where(location > 0.0, _mass_beyond(xp, math.pi - location, kappa), 0.0)


def log_density(xp: Namespace[Array], x: Array, mu: Array, kappa: Array) -> Array:
    """log p(x); -inf outside [-pi, pi], of which either end may have been rounded outwards."""
    return xp.where(xp.abs(x) <= math.pi + 1e-7, _log_density(xp, offset(xp, x, mu), kappa), -math.inf)


def offset(xp: Namespace[Array], x: Array, mu: Array) -> Array:
    """x - mu in [-pi, pi], both there themselves, to full relative accuracy also near a whole turn."""
    angle, rest = two_sum(xp, x, -mu)
    # 2 pi in two numbers, the first of so few digits that it is subtracted exactly
    none = 0.0 * angle
    high = xp.where(angle > math.pi, 6.28125 + none, xp.where(angle < -math.pi, -6.28125 + none, none))
    return ((angle - high) - high * (0.001935307179586477 / 6.28125)) + rest


def _inside(xp: Namespace[Array], x: Array, value: Array) -> Array:
    return xp.where(xp.abs(x) <= math.pi + 1e-7, value, 0.0)


def _score_x(xp: Namespace[Array], x: Array, mu: Array, kappa: Array) -> Array:
    return _inside(xp, x, -kappa * xp.sin(offset(xp, x, mu)))


def _score_mu(xp: Namespace[Array], x: Array, mu: Array, kappa: Array) -> Array:
    return _inside(xp, x, kappa * xp.sin(offset(xp, x, mu)))


def _score_kappa(xp: Namespace[Array], x: Array, mu: Array, kappa: Array) -> Array:
    half = xp.sin(0.5 * offset(xp, x, mu))
    return _inside(xp, x, deficit(xp, kappa) - 2.0 * half * half)


def _rim(xp: Namespace[Array], x: Array, mu: Array, kappa: Array) -> Array:
    """p(-pi) / p(x): how far the cut at -pi is felt at x."""
    half_x, half_rim = xp.sin(0.5 * (x - mu)), xp.cos(0.5 * mu)
    return xp.exp(-2.0 * kappa * (half_rim * half_rim - half_x * half_x))


def _slope_mu(xp: Namespace[Array], x: Array, mu: Array, kappa: Array) -> Array:
    return 1.0 - _rim(xp, x, mu, kappa)


def _slope_kappa(xp: Namespace[Array], x: Array, mu: Array, kappa: Array) -> Array:
    at_rim = dz_dkappa(xp, _turned(xp, -math.pi - mu), kappa)
    return dz_dkappa(xp, _turned(xp, x - mu), kappa) - _rim(xp, x, mu, kappa) * at_rim


def _flow_mu(xp: Namespace[Array], log_unit: Array, x: Array, mu: Array, kappa: Array) -> Array:
    here, rim = _densities(xp, log_unit, x, mu, kappa)
    return here - rim


def _flow_kappa(xp: Namespace[Array], log_unit: Array, x: Array, mu: Array, kappa: Array) -> Array:
    here, rim = _densities(xp, log_unit, x, mu, kappa)
    at_rim = dz_dkappa(xp, _turned(xp, -math.pi - mu), kappa)
    return here * dz_dkappa(xp, offset(xp, x, mu), kappa) - rim * at_rim


def _densities(xp: Namespace[Array], log_unit: Array, x: Array, mu: Array, kappa: Array) -> tuple[Array, Array]:
    """p(x) and p(-pi), over exp(log_unit)."""
    half = xp.cos(0.5 * mu)
    at_rim = -2.0 * kappa * (half * half) - math.log(2.0 * math.pi) - log_i0e(xp, kappa)
    return xp.exp(log_density(xp, x, mu, kappa) - log_unit), xp.exp(at_rim - log_unit)


def _quantile(xp: Namespace[Array], q: Array, one_minus_q: Array, mu: Array, kappa: Array) -> Array:
    """x in [-pi, pi] with F(x) = q."""
    turned = mu < 0.0
    location = xp.abs(mu)
    low, high = xp.where(turned, one_minus_q, q), xp.where(turned, q, one_minus_q)
    rim = _rim_mass(xp, location, kappa)
    wraps = low < rim
    # centred, the angle has `below` of the mass under it and `beyond` over it
    beyond = xp.where(wraps, rim - low, high + rim)
    below = xp.where(wraps, low + (1.0 - rim), low - rim)
    size = _upper_quantile(xp, xp.minimum(beyond, below), kappa)
    z = xp.where(below < beyond, -size, size)
    y = xp.where(wraps, (z - math.pi) + (location - math.pi), z + location)
    y = xp.clip(y, -math.pi, math.pi)
    return xp.where(turned, -y, y)


def _upper_quantile(xp: Namespace[Array], s: Array, kappa: Array) -> Array:
    """z >= 0 with S(z) = s <= 1/2, by Newton's method: on log S, or on S, a convex function, where that would leave."""
    log_s = logarithm(xp, s)
    log_peak = -math.log(2.0 * math.pi) - log_i0e(xp, kappa)
    # S(z) lies above its tangent at pi; and a normal distribution with the same peak is near where kappa is large.
    # Where it is not, it may lead past pi, and from there is no way back: the mass is 0, and Newton's step with it
    tangent = math.pi - xp.exp(xp.minimum(log_s + 2.0 * kappa - log_peak, 80.0))
    sigma = xp.exp(-log_peak) / math.sqrt(2.0 * math.pi)
    near = normal_quantile(xp, log_s) * sigma
    start = xp.maximum(tangent, xp.where(near < 3.0, near, 0.0))

    def residual(z: Array) -> tuple[Array, Array]:
        mass = _mass_beyond(xp, z, kappa)
        error = logarithm(xp, mass) - log_s
        scale = mass * xp.exp(-_log_density(xp, z, kappa))
        step = scale * error
        leaves = z + step >= math.pi
        step = halley(xp, step, 1.0 / xp.maximum(scale, float(xp.finfo(s).tiny)) - kappa * xp.sin(z))
        return error, xp.where(leaves, -scale * xp.expm1(-error), step)

    inward, served = _inner_quantile(xp, 0.5 - s, log_peak, kappa)
    return xp.where(served, inward, newton(xp, residual, start, 0.0, math.pi, order=3))


def _inner_quantile(xp: Namespace[Array], mass: Array, log_peak: Array, kappa: Array) -> tuple[Array, Array]:
    """(z with that mass between 0 and z, where it serves): next to 0, of which the tail beyond knows few digits.

    The series of the integral of exp(-kappa (1 - cos t)), turned round; what it leaves out is (kappa y**2)**4 / 100.
    """
    y = mass * xp.exp(-log_peak)
    w = y * y
    served = xp.maximum(kappa, 1.0) * w < (3e-4 if is_double(xp, mass) else 0.03)
    y, w = xp.where(served, y, 0.0), xp.where(served, w, 0.0)
    v = xp.where(served, kappa, 0.0) * w
    grown = v / 6.0 + v * (7.0 * v - w) / 120.0 + v * (127.0 * v * v - 41.0 * v * w + w * w) / 5040.0
    return y + y * grown, served


def shape(xp: Namespace[Array], loc: Array, kappa: Array) -> Shape:
    """On [-pi, pi], `loc` there too."""

    def rise(x: Array, v: Array) -> Array:
        return -2.0 * kappa * (xp.sin(x - loc + 0.5 * v) * xp.sin(0.5 * v))

    turn = xp.where(loc < 0.0, 2.0 * math.pi + 0.0 * loc, -2.0 * math.pi + 0.0 * loc)
    return Shape(line(1.0), rise, loc, (-math.pi, math.pi), (loc + 0.5 * turn, loc + turn))


def entropy(xp: Namespace[Array], mu: Array, kappa: Array) -> Array:
    """log(2 pi I0(kappa)) - kappa I1(kappa)/I0(kappa)."""
    return math.log(2.0 * math.pi) + log_i0e(xp, kappa) + kappa * deficit(xp, kappa) + 0.0 * mu


def divergence(xp: Namespace[Array], mu: Array, kappa: Array, mu_q: Array, kappa_q: Array) -> Array:
    """KL(VonMises(mu, kappa) || VonMises(mu_q, kappa_q)) as a sum of terms >= 0 to full relative accuracy.

    kappa_q (I1/I0)(kappa) (1 - cos(mu_q - mu)) + B(kappa_q, kappa), B the Bregman divergence of log I0.  kappa_q = 0 is
    the uniform distribution on the circle.
    """
    half = xp.sin(0.5 * (mu_q - mu))
    return 2.0 * kappa_q * mean_cosine(xp, kappa) * (half * half) + bregman_log_i0(xp, kappa_q, kappa)


def _of_uniform(xp: Namespace[Array], mu: Array, kappa: Array, low: Array, high: Array) -> Array:
    """Infinite where the interval leaves some of [-pi, pi] out."""
    covers = (low <= -math.pi) & (high >= math.pi)
    width = xp.where(covers, high - low, 1.0) / (2.0 * math.pi)
    return xp.where(covers, divergence(xp, mu, kappa, mu, 0.0 * kappa) + xp.log(width), math.inf)


def _path_mu(xp: Namespace[Array], x: Array, mu: Array, kappa: Array) -> Array:
    return 1.0 + 0.0 * x


def _path_kappa(xp: Namespace[Array], x: Array, mu: Array, kappa: Array) -> Array:
    return dz_dkappa(xp, _turned(xp, x - mu), kappa)


FAMILY = Family(
    about=r"""
    The gradient in the concentration is implicit (Figurnov, Mohamed, Mnih 2018, section 5), with the distribution
    function measured from the location; draws lie in [-pi, pi] and are wrapped there, which leaves derivatives alone.
    `cdf` is the probability of [-pi, value], for -pi <= value <= pi, whatever the location.

    :param loc: mean direction :math:`\mu`, in radians; number or array, broadcast with `concentration`.
    :param concentration: :math:`\kappa > 0`.
    """,
    parameters={"loc": "real", "concentration": "positive"},  # every function takes loc in [-pi, pi]
    support=(-math.pi, math.pi),
    log_density=log_density,
    log_tails=log_tails,
    tails=tails,
    slopes=(_slope_mu, _slope_kappa),
    scores=(_score_x, _score_mu, _score_kappa),
    flows=(_flow_mu, _flow_kappa),
    quantile=Quantile(_quantile, log_density, (_slope_mu, _slope_kappa)),
    path_slopes=(_path_mu, _path_kappa),
    entropy=entropy,
    mean=lambda xp, mu, kappa: mu,
    variance=lambda xp, mu, kappa: deficit(xp, kappa) + 0.0 * mu,  # the circular one
    shape=shape,
    divergences={"VonMises": divergence, "Uniform": _of_uniform},
)
