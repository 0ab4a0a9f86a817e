"""Gamma(a, 1): the derivative of log z in the concentration a at fixed quantile.

    symbol   meaning
    a, z     concentration; the draw
    tau      integration variable, t = z exp(tau): negative on the lower tail, positive on the upper one
    c        psi(b) - log z, the zero of the score
    h        exp(tau) - 1 - tau

From the tail integral (Figurnov, Mohamed, Mnih 2018, eq. 4-6; see `quadrature`), upper tail, b = a:

    d log z/da = int_0^inf (tau - c) exp(-E(tau)) dtau,    E(tau) = (z - b) tau + z h(tau).

The lower tail has a plateau of length 1/a when a is small.  One integration by parts raises a to b = a + 1 and takes
the plateau out in closed form:

    d log z/da = (c + z int_0^{-inf} (tau - c) exp(-E(tau)) dtau) / a,

whose integrand falls at least as exp(tau): no series for small z, and z = 0 (an underflow) is as good as any.

The tails themselves, with T = |int_0^{+-inf} exp(-E(tau)) dtau|, are p T above and p (1 + z T) / a below, p the density
of log z (by parts too, DLMF 8.8.5); where a is small and the lower one close to 1, its distance from 1 is formed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, NamedTuple

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, exponential_rise
from ..numerics.elementary import (
    both_log_tails,
    compensated,
    expm1mx,
    finite,
    in_range,
    log1pmx,
    positive,
    tails_inside,
    two_product,
)
from ..numerics.gamma_front import Point, front_in_two, log_front, log_front_times, tamed
from ..numerics.gamma_function import (
    bregman_log_gamma,
    digamma,
    log_entropy,
    log_gamma1p,
    log_gamma_of_next,
)
from ..numerics.gamma_score import cut_of, score_zero
from ..numerics.in_two import both_tails, keeps_rests, log_mass_in_two
from ..numerics.quadrature import tail_integral, tail_of_line
from ..numerics.quantile_starts import gamma_start
from ..numerics.roots import halley, log_survival, logarithm, newton

_MOST = 1e8  # of a, with guard digits: 1e-8 by either way, a tenth of float32's spacing


def dz_da(xp: Namespace[Array], z: Array, a: Array) -> Array:
    """dz / da for z ~ Gamma(a, 1) at fixed quantile, z >= 0."""
    return z * dlogz_da_at(xp, z, xp.log(xp.maximum(z, float(xp.finfo(z).tiny))), a)


def dx_da(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    """dx / da for x = z / rate, z ~ Gamma(a, 1), where neither x nor z leaves the range of its dtype."""
    z = x * rate
    return x * dlogz_da_at(xp, z, xp.log(z), a)


def dx_da_clamped(xp: Namespace[Array], x: Array, a: Array, rate: Array, log_z: Array, clamped: Array) -> Array:
    """The same where some do: `clamped` is 1 where log z must be taken from `log_z`, a constant, and 0 elsewhere."""
    z, a, log_z = place_clamped(xp, x, a, rate, log_z, clamped)
    return x * dlogz_da_at(xp, z, log_z, a)


def place_clamped(
    xp: Namespace[Array], x: Array, a: Array, rate: Array, log_z: Array, clamped: Array
) -> tuple[Array, ...]:
    is_clamped = clamped > 0.5
    z = xp.where(is_clamped, xp.exp(log_z), x * rate)
    return z, a, xp.where(is_clamped, log_z, xp.log(xp.where(is_clamped, 1.0, z)))


def dx_drate(xp: Namespace[Array], x: Array, a: Array, rate: Array, *constants: Array) -> Array:
    """dx / drate for x = z / rate."""
    return -x / rate


def dlogz_da(xp: Namespace[Array], log_z: Array, a: Array) -> Array:
    """d log z / da for z ~ Gamma(a, 1) at fixed quantile; exp(log_z) may underflow."""
    return dlogz_da_at(xp, xp.exp(log_z), log_z, a)


def dlogz_da_at(xp: Namespace[Array], z: Array, log_z: Array, a: Array) -> Array:
    if not xp.has_guard_digits:
        return _dlogz_da(xp, z, log_z, a)
    # the short formulas lose z times the spacing; at larger a, a d log z/da is a function of z / a, to 1 / a of itself
    scale = _MOST / xp.maximum(a, _MOST)
    return scale * _dlogz_da(xp, scale * z, log_z + xp.log(scale), scale * a)


def _dlogz_da(xp: Namespace[Array], z: Array, log_z: Array, a: Array) -> Array:
    lower, c, tail = _slope_parts(xp, z, log_z, a)
    return xp.blend(tail, xp.addcmul(c, z, tail) / a, lower)


def product_slope(xp: Namespace[Array], z: Array, log_z: Array, a: Array) -> Array:
    """a d log z/da + log z, the slope of a log z, without what cancels where a is small."""
    lower, _, tail = _slope_parts(xp, z, log_z, a)
    is_lower = lower > 0.5
    return xp.where(is_lower, digamma(xp, a + 1.0) + z * tail, a * tail + xp.where(is_lower, 0.0, log_z))


def _slope_parts(xp: Namespace[Array], z: Array, log_z: Array, a: Array) -> tuple[Array, Array, Array]:
    """(1 where the lower tail serves, c, the integral)"""
    # exp(psi(a + 1)) > a + 0.4 > exp(psi(a)), so the score keeps its sign on the chosen tail; between 0.4 and 0.5 the
    # upper one needs fewer nodes
    lower = xp.indicator(z < a + 0.4, like=z)
    b = a + lower
    excess = z - b
    c = score_zero(xp, z, log_z, b, excess)

    def weight(tau: Array) -> Array:
        if xp.has_guard_digits:
            return xp.exp(xp.addcmul(xp.addcmul(z, b, tau), z, xp.exp(tau), -1.0))
        return xp.exp(-excess * tau - z * expm1mx(xp, tau))

    # nodes: worst error over a in 1e-6..1e6 and quantiles 1e-12..1 - 1e-12 is 1e-6 with 10 and 1e-14 with 28
    return lower, c, tail_of_line(xp, weight, cut_of(xp, z, b, excess), c, nodes_f32=10, nodes_f64=28)


class _Tail(NamedTuple, Generic[Array]):
    """The smaller tail, from the integral T of the module's docstring."""

    is_lower: Array
    mass: Array
    """T above, and z T below"""
    little: Array
    """where a is small and the tail the lower one: P(a, z) Gamma(a + 1) / z**a is 1 + `change`"""
    change: Array


def _smaller_tail(xp: Namespace[Array], at: Point[Array], a: Array) -> _Tail[Array]:
    z = at.z
    is_lower = z < a + 0.4
    shift = xp.indicator(is_lower, like=z)
    b, excess_z = a + shift, at.excess - shift
    little = is_lower & (a < 0.25)
    few = xp.where(little, a, 0.0)

    def integrand(tau: Array) -> Array:
        weight = xp.exp(-excess_z * tau - z * expm1mx(xp, tau))
        # the change is 0 at a = 0: the integrand at a = 0 is subtracted
        return weight * xp.where(little, xp.expm1(-few * tau), 1.0)

    cut = cut_of(xp, z, b - few, excess_z + few)  # expm1(-a tau) grows as exp(-a tau): the integrand's b is 1 there
    mass = xp.abs(tail_integral(xp, integrand, cut, nodes_f32=NODES_F32, nodes_f64=NODES_F64))
    return _Tail(is_lower, xp.where(is_lower, z * mass, mass), little, xp.where(little, -z * xp.exp(-z) * mass, 0.0))


def log_tails_at(xp: Namespace[Array], at: Point[Array], a: Array) -> tuple[Array, Array]:
    """(log P(a, z), log Q(a, z)), the smaller to full relative accuracy of its exponential, the other to absolute."""
    return both_log_tails(xp, *_direct(xp, at, a, _smaller_tail(xp, at, a), *front_in_two(xp, at, a)))


def _direct(
    xp: Namespace[Array], at: Point[Array], a: Array, tail: _Tail[Array], front: Array, front_rest: Array | None
) -> tuple[Array, Array, Array | None]:
    """(the logarithm of the smaller tail, whether it is the lower one, what rounding has left of the first)"""
    is_lower, mass, little, change = tail
    # beyond z = 1e37 the product may be 0 in float32, and is nothing beside the front
    tiny = float(xp.finfo(a).tiny)
    lower = xp.log1p(xp.where(is_lower, mass, 0.0))
    upper = xp.log(xp.maximum(a * xp.where(is_lower, 1.0, mass), tiny))
    direct, rest = compensated(xp, front, front_rest, xp.where(is_lower, lower, upper))
    near, log_change = xp.where(little, a, 0.25), xp.log1p(change)
    small = near * at.log_z - log_gamma1p(xp, near) + log_change
    if rest is not None and front_rest is not None:
        # which the front knows better than the logarithm
        left = (front - small) + (at.z + log_change + front_rest)
        rest = xp.stop_gradient(xp.where(at.log_z > -math.inf, xp.where(little, left, rest), 0.0))
    return xp.where(little, small, xp.where(at.log_z > -math.inf, direct, at.log_z)), is_lower, rest


def hazards(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> tuple[Array, Array]:
    """(p / F, p / S) of x = z / rate > 0: that of the smaller tail from its integral, without the density."""
    at = _from_x(xp, x, a, rate)
    tail, (front, rest) = _smaller_tail(xp, at, a), front_in_two(xp, at, a)
    is_lower, mass, little, change = tail
    smaller = xp.where(is_lower, a / (1.0 + xp.where(is_lower, mass, 0.0)), 1.0 / xp.where(is_lower, 1.0, mass))
    smaller = xp.where(little, a * xp.exp(-at.z) / (1.0 + change), smaller)
    lower, upper = both_log_tails(xp, *_direct(xp, at, a, tail, front, rest))
    other = a * xp.exp(front - xp.where(is_lower, upper, lower))
    x = positive(xp, x)
    return xp.where(is_lower, smaller, other) / x, xp.where(is_lower, other, smaller) / x


# nodes: worst relative error of the tail, next to z = a + 0.4 at a = 0.25: 9e-7 with 11, 9e-15 with 32
NODES_F32, NODES_F64 = 11, 32


def log_density_at(xp: Namespace[Array], at: Point[Array], a: Array, x: Array) -> Array:
    """log(z**a exp(-z) / Gamma(a) / x), the density of x where z is x to a power of +-1 times a constant."""
    if xp.has_guard_digits:
        return a * at.log_z - at.z - xp.lgamma(a) - xp.log(x)
    limits, factor = xp.finfo(x), xp.where(a < 1.0, a, xp.sqrt(xp.where(a < 1.0, 1.0, a)))
    unit = factor / x
    inside = (unit > float(limits.tiny)) & (unit < float(limits.max))
    away = xp.log(factor) - xp.log(x)
    # which has the derivative: times a tiny density that through the quotient underflows on its way
    apart = xp.where(inside, away - xp.stop_gradient(away), away)
    return log_front_times(xp, at, a, xp.stop_gradient(xp.where(inside, unit, 1.0))) + apart


def _from_x(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Point[Array]:
    """Of z = x rate; for x <= 0 those of a tiny x, and nothing beyond every quantile."""
    x = positive(xp, x)
    if xp.has_guard_digits:
        return tamed(xp, x * rate, None, a)
    z, error = two_product(xp, x, rate)
    return tamed(xp, z, xp.log(x) + xp.log(rate), a, error)


def log_tails(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x)) of x = z / rate."""
    lower, upper = log_tails_at(xp, _from_x(xp, x, a, rate), a)
    return tails_inside(xp, x > 0.0, lower, upper)


def tails(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> tuple[Array, Array]:
    """(P(X <= x), P(X > x)) of x = z / rate."""
    at = _from_x(xp, x, a, rate)
    lower, upper = both_tails(xp, *_direct(xp, at, a, _smaller_tail(xp, at, a), *front_in_two(xp, at, a)))
    return xp.where(x > 0.0, lower, 0.0), xp.where(x > 0.0, upper, 1.0)


def tamed_log(xp: Namespace[Array], log_z: Array, a: Array) -> Point[Array]:
    log_z = xp.minimum(log_z, math.log(float(xp.finfo(log_z).max)) - 3.0)
    z = xp.exp(log_z)
    return Point(z, log_z, z - a, 0.0)


def log_density(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    """log p(x) of x = z / rate; -inf below 0, and at 0 its limit."""
    inside = log_density_at(xp, _from_x(xp, x, a, rate), a, positive(xp, x))
    end = xp.where(a > 1.0, -math.inf, xp.where(a < 1.0, math.inf, xp.log(rate)))
    return xp.where(x > 0.0, inside, xp.where(x < 0.0, -math.inf, end))


def _score_x(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    at = _from_x(xp, x, a, rate)
    if xp.has_guard_digits:
        return xp.where(x >= 0.0, finite(xp, ((a - 1.0) - at.z) / positive(xp, x)), 0.0)
    few = a < 2.0  # there a - 1 is exact, and z may be small beside it
    lean = xp.where(few, (xp.where(few, a, 1.0) - 1.0) - at.z, -(at.excess + 1.0))
    return xp.where(x >= 0.0, finite(xp, lean / positive(xp, x)), 0.0)


def _score_a(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    at = _from_x(xp, x, a, rate)
    return xp.where(x >= 0.0, -score_zero(xp, at.z, at.log_z, a, at.excess), 0.0)


def _score_rate(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    return xp.where(x >= 0.0, -_from_x(xp, x, a, rate).excess / rate, 0.0)


def _slope_a(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    at = _from_x(xp, x, a, rate)
    return x * dlogz_da_at(xp, at.z, at.log_z, a)


def log_quantile(xp: Namespace[Array], q: Array, one_minus_q: Array, a: Array, tails: Callable | None = None) -> Array:
    """log z with P(a, z) = q, by Halley's method on the logarithm of the smaller tail, a concave function of log z.

    :param tails: in place of `_tails_and_front`.
    """
    log_q, log_s = logarithm(xp, q), logarithm(xp, one_minus_q)
    # P(a, z) <= z**a / Gamma(a + 1), and log Q(a, z) < -t where z = b + sqrt(2 b t) + t, b = max(a, 1)
    low = (log_survival(xp, one_minus_q, q) + log_gamma_of_next(xp, a)) / a
    fall, b = 1.0 - log_s, xp.maximum(a, 1.0)
    high = xp.log(b + xp.sqrt(2.0 * b * fall) + fall)

    def residual(log_z: Array) -> tuple[Array, Array]:
        error, step, bend = _newton_step(xp, tamed_log(xp, log_z, a), q, one_minus_q, a, tails)
        # in the upper tail, which falls as exp(-z), the step is taken in z, not in log z
        step = halley(xp, step, bend)
        return error, xp.where(q < one_minus_q, step, xp.log1p(xp.maximum(step, -0.9)))

    return newton(xp, residual, gamma_start(xp, log_q, log_s, a, low), low, high, order=3)


def log_quantile_to_refine(xp: Namespace[Array], q: Array, one_minus_q: Array, a: Array) -> Array:
    """`log_quantile` as `refine_quantile` takes it, without what rounding leaves of a density in every step."""

    def tails(xp: Namespace[Array], at: Point[Array], a: Array) -> tuple[Array, ...]:
        front = log_front(xp, at, a)
        return (*both_log_tails(xp, *_direct(xp, at, a, _smaller_tail(xp, at, a), front, None)), front)

    return log_quantile(xp, q, one_minus_q, a, tails)


def _tails_and_front(xp: Namespace[Array], at: Point[Array], a: Array) -> tuple[Array, ...]:
    front, rest = front_in_two(xp, at, a)
    return (*both_log_tails(xp, *_direct(xp, at, a, _smaller_tail(xp, at, a), front, rest)), front)


def _newton_step(
    xp: Namespace[Array], at: Point[Array], q: Array, one_minus_q: Array, a: Array, tails: Callable | None = None
) -> tuple[Array, ...]:
    """(error of the logarithm of the smaller tail, relative step of z that removes it, for `halley`: f''/f' there)."""
    is_lower = q < one_minus_q
    lower, upper, front = (tails or _tails_and_front)(xp, at, a)
    found = xp.where(is_lower, lower, upper)
    error = xp.where(is_lower, logarithm(xp, q) - found, found - logarithm(xp, one_minus_q))
    scale = xp.exp(found - front) / a
    # f''/f' for f = log P as a function of log z in the lower tail; in the upper one for f = log Q(z), times z
    return error, error * scale, xp.where(is_lower, -at.excess - 1.0 / scale, 1.0 / scale - at.excess - 1.0)


def log_density_of_log_z(xp: Namespace[Array], log_z: Array, a: Array) -> Array:
    return log_density_at(xp, tamed_log(xp, log_z, a), a, 1.0 + 0.0 * a)


def refine_quantile(xp: Namespace[Array], log_z: Array, q: Array, one_minus_q: Array, a: Array) -> Array:
    """z by one more step from a log z that was rounded: near a = 1e6 one bit of log z is 14 of z, and 6000 of q."""
    at = tamed(xp, xp.exp(log_z), log_z, a)
    if keeps_rests(xp, a):
        tail, (front, front_rest) = _smaller_tail(xp, at, a), front_in_two(xp, at, a)
        direct, is_lower, rest = _direct(xp, at, a, tail, front, front_rest)
        # an error in log q is 1 / a times as large in log z
        log_q, log_q_rest = log_mass_in_two(xp, xp.where(is_lower, q, one_minus_q), xp.where(is_lower, one_minus_q, q))
        error = (log_q - direct) + (log_q_rest - (0.0 if rest is None else rest))
        step = xp.where(is_lower, error, -error) * xp.exp(direct - front) / a
    else:
        _, step, _ = _newton_step(xp, at, q, one_minus_q, a)
    # a step that is no correction belongs to a mass of 0 in this dtype
    return xp.where(xp.abs(step) < 0.01, at.z * (1.0 + step), at.z)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, a: Array, rate: Array) -> Array:
    return log_quantile_to_refine(xp, q, one_minus_q, a) - xp.log(rate)


def _refine(xp: Namespace[Array], log_x: Array, q: Array, one_minus_q: Array, a: Array, rate: Array) -> Array:
    z = refine_quantile(xp, log_x + xp.log(rate), q, one_minus_q, a)
    return from_precise(xp, z / rate, log_x, z)


def from_precise(xp: Namespace[Array], x: Array, log_x: Array, z: Array) -> Array:
    """x, from its logarithm where x, or the z that it was formed from, has left the range of its dtype."""
    return xp.where(in_range(xp, z) & in_range(xp, x), x, xp.exp(log_x))


def dlogx_da(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    """dx / da of x = log(z / rate)."""
    at = tamed_log(xp, x + xp.log(rate), a)
    return dlogz_da_at(xp, at.z, at.log_z, a)


def dlogx_drate(xp: Namespace[Array], x: Array, a: Array, rate: Array) -> Array:
    """dx / drate of x = log(z / rate)."""
    return -1.0 / rate


def _density_of_log(xp: Namespace[Array], log_x: Array, a: Array, rate: Array) -> Array:
    return log_density_of_log_z(xp, log_x + xp.log(rate), a)


def shape(xp: Namespace[Array], a: Array, rate: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return exponential_rise(xp, a, rate * x, v, xp.log(rate) + xp.log(x))

    return Shape(HALF_LINE, rise, a / rate)


def entropy(xp: Namespace[Array], a: Array, rate: Array) -> Array:
    """-E[log p(x)]: the entropy of log x, and the mean of the logarithm."""
    return log_entropy(xp, a) + digamma(xp, a) - xp.log(rate)


def divergence(xp: Namespace[Array], a: Array, rate: Array, a_q: Array, rate_q: Array) -> Array:
    """KL(Gamma(a, rate) || Gamma(a_q, rate_q)) as a sum of terms >= 0, each to full relative accuracy.

    a_q dev(v) + B_f(a_q, a), 1 + v = (rate_q / rate) (a / a_q); dev, B and f from `gamma_function` (the
    textbook's formula, Penny 2001, after Stirling's).
    """
    v = ((rate_q - rate) / rate * a - (a_q - a)) / a_q
    log_ratio = xp.log(rate_q) - xp.log(rate) + xp.log(a) - xp.log(a_q)
    return bregman_log_gamma(xp, a_q, a, a_q - a) - a_q * log1pmx(xp, v, log_ratio)


FAMILY = Family(
    about=r"""
    The gradient is implicit (Figurnov, Mohamed, Mnih 2018, eq. 5), exact to about 1e-13 (float64) or 1e-6 (float32).  A
    draw that would underflow is held at the least normal number, with the relative derivative of the true draw, so that
    gradients of expectations of :math:`\log x` are right at any concentration.

    :param concentration: shape :math:`a > 0`; number or array, broadcast with `rate`.
    :param rate: inverse scale :math:`b > 0`.
    """,
    parameters={"concentration": "positive", "rate": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    tails=tails,
    slopes=(_slope_a, dx_drate),
    scores=(_score_x, _score_a, _score_rate),
    hazards=hazards,
    quantile=Quantile(_find, _density_of_log, (dlogx_da, dlogx_drate), "log", _refine),
    entropy=entropy,
    mean=lambda xp, a, rate: a / rate,
    variance=lambda xp, a, rate: a / (rate * rate),
    shape=shape,
    divergences={
        "Gamma": divergence,
        "Exponential": lambda xp, a, r, rate_q: divergence(xp, a, r, 1.0 + 0.0 * r, rate_q),
    },
)
