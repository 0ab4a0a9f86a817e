"""Beta(a, b) in the logit x = log z - log w, w = 1 - z: the derivatives of x in a and b at fixed quantile.

    symbol   meaning
    z, w     the draw and its complement, sigmoid(x) and sigmoid(-x); neither is ever formed as 1 minus the other
    delta    a w - b z, zero at the mean
    k        log z + psi(a + b) - psi(a), the score of a
    y        integration variable, measured outwards from x
    ell      log1p(zeta expm1(-y)), zeta = z on the lower tail, w on the upper one

From the tail integral (Figurnov, Mohamed, Mnih 2018, eq. 4-6; see `quadrature`).  Small shapes put plateaus into both
tails; one integration by parts raises the shape of the tail in use, alpha = a + 1 (lower) or b + 1 (upper), and takes
its plateau out in closed form.  With n = a + b + 1 and E(y) = alpha y + n ell(y), a convex function,

    lower:  dx/da = (z (a + b) int_0^inf (y + ell - k0) exp(-E) dy + 1 / (a + b) - k0) / a,
    upper:  dx/da = (w (a + b) int_0^inf (k0 + 1/a - ell) exp(-E) dy + k) / b.

The other derivative follows from the mirror image, w ~ Beta(b, a): dx/db(x; a, b) = -dx/da(-x; b, a).

The lower tail itself is z**a w**b / (a B(a, b)) (1 + (a + b) z int_0^inf exp(-E) dy) (by parts too, DLMF 8.17.20), the
upper one its mirror image; where a is small and the lower one close to 1, its distance from 1 is formed.
"""

from __future__ import annotations

import math
from typing import Generic, NamedTuple

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics import beta_series, charts
from ..numerics.beta_front import Place, density_in_two, log_density_at
from ..numerics.beta_score import reduced_score, score_parts
from ..numerics.beta_tail import cut_of, outwards
from ..numerics.charts import INTERVAL, Shape, logistic_rise
from ..numerics.elementary import both_log_tails, compensated, finite, log1pmx, tails_between, two_product, two_sum
from ..numerics.gamma_function import (
    bregman_log_gamma,
    digamma,
    log_entropy,
    log_gamma1p,
    log_gamma_step,
)
from ..numerics.in_two import both_tails, keeps_rests, log_mass_in_two
from ..numerics.quadrature import tail_integral
from ..numerics.quantile_starts import beta_start
from ..numerics.roots import halley, logarithm, newton

# worst error over shapes 1e-6..1e6 and quantiles 1e-12..1 - 1e-12: 4e-7 and 4e-14
NODES_F32, NODES_F64 = 15, 40


def dlogit_da(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    """dx/da for sigmoid(x) ~ Beta(a, b) at fixed quantile."""
    found, w, log_z, tail = _by_rule(xp, x, a, b)
    served, level = beta_series.level_slope(xp, w, log_z, a, b, tail)
    return xp.where(served, 1.0 / a + level, found)


def dlogit_da_by_rule(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    """The same for b >= `beta_series.SMALL`."""
    return _by_rule(xp, x, a, b)[0]


def _by_rule(xp: Namespace[Array], x: Array, a: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """(dx/da, w, log z, the tail of its score)"""
    z, w, log_z, total = xp.sigmoid(x), xp.sigmoid(-x), -xp.softplus(-x), a + b
    delta = a * w - b * z
    of = score_parts(xp, z, w, log_z, a, b, delta)
    k0 = of.logarithm + b * of.tail
    k = k0 + b / (a * total)
    # symmetric in the two tails, but the score of the upper one must not be much below zero; where it is a little, the
    # lower tail would have the longer plateau
    is_lower = (delta + 0.5 * (w - z) > 0.0) | (k * (1.0 + a) < -2.0 * b)
    lower = xp.indicator(is_lower, like=x)
    sign = 2.0 * lower - 1.0
    zeta = xp.where(is_lower, z, w)
    complement = xp.where(is_lower, w, z)
    shape, other = xp.where(is_lower, a, b), xp.where(is_lower, b, a)
    c = xp.where(is_lower, -k0, k0 + 1.0 / a)
    slope = sign * delta + complement  # alpha - n zeta

    def integrand(y: Array) -> Array:
        rise, exponent = outwards(xp, y, zeta, complement, lower, shape + 1.0, total + 1.0, slope)
        return (c + rise) * xp.exp(-exponent)

    cut = cut_of(xp, zeta, complement, shape + 1.0, other, slope, xp.where(is_lower, -x, x))
    tail = tail_integral(xp, integrand, cut, nodes_f32=NODES_F32, nodes_f64=NODES_F64)
    return (zeta * total * tail + xp.where(is_lower, 1.0 / total - k0, k)) / shape, w, log_z, of.tail


def dlogit_db(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    """dx/db for sigmoid(x) ~ Beta(a, b) at fixed quantile."""
    return -dlogit_da(xp, -x, b, a)


def dlogit_by_shapes(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    """`dlogit_da` and `dlogit_db` along a new first axis, in one evaluation."""
    found = dlogit_da(xp, xp.stack([x, -x]), xp.stack([a, b]), xp.stack([b, a]))
    return xp.stack([found[0], -found[1]])


def dz_da(xp: Namespace[Array], z: Array, a: Array, b: Array) -> Array:
    """dz/da for z ~ Beta(a, b) at fixed quantile, 0 <= z <= 1."""
    return z * (1.0 - z) * dlogit_da(xp, logit(xp, z), a, b)


def dz_db(xp: Namespace[Array], z: Array, a: Array, b: Array) -> Array:
    """dz/db for z ~ Beta(a, b) at fixed quantile, 0 <= z <= 1."""
    return -z * (1.0 - z) * dlogit_da(xp, -logit(xp, z), b, a)


def logit(xp: Namespace[Array], z: Array) -> Array:
    """Finite at 0 and 1 too, where the derivatives above vanish."""
    tiny = float(xp.finfo(z).tiny)
    return xp.log(xp.maximum(z, tiny)) - xp.log(xp.maximum(1.0 - z, tiny))


def _at_logit(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Place:
    z, w = xp.sigmoid(x), xp.sigmoid(-x)
    return Place(z, w, -xp.softplus(-x), -xp.softplus(x), a * w - b * z)


def _at(xp: Namespace[Array], z: Array, a: Array, b: Array) -> Place:
    """For z outside (0, 1), a point next to the end."""
    tiny = float(xp.finfo(z).tiny)
    z = xp.maximum(z, tiny)
    w = xp.maximum(1.0 - z, tiny)
    z = xp.minimum(z, 1.0)
    near = z < 0.5
    log_w = xp.where(near, xp.log1p(-xp.where(near, z, 0.0)), xp.log(w))
    log_z = xp.where(near, xp.log(z), xp.log1p(-xp.where(near, 0.5, w)))
    w_rest = 0.0 if xp.has_guard_digits else xp.stop_gradient((1.0 - w) - z)
    return Place(z, w, log_z, log_w, *_lean(xp, z, w, a, b), 0.0, w_rest)


def _lean(xp: Namespace[Array], z: Array, w: Array, a: Array, b: Array) -> tuple[Array, Array | float]:
    """a w - b z and what its rounding has left: from z, for w may have been rounded itself, a - (a + b) z."""
    if xp.has_guard_digits:
        return a * w - b * z, 0.0
    total, total_rest = two_sum(xp, a, b)
    product, error = two_product(xp, total, z)
    delta, rest = two_sum(xp, a, -product)
    return two_sum(xp, delta, rest - (error + total_rest * z))


class _Tail(NamedTuple, Generic[Array]):
    """The smaller tail: its place, shapes, and the integral of the module's docstring."""

    is_lower: Array
    log_zeta: Array
    log1mexp: Array
    shape: Array
    other: Array
    mass: Array
    """(a + b) z int exp(-E) dy of the tail"""
    little: Array
    """where the tail's shape is small: its mass times a B(a, b) / z**a is 1 + `change`"""
    few: Array
    """the shape there"""
    change: Array


def _smaller_tail(xp: Namespace[Array], at: Place, a: Array, b: Array) -> _Tail[Array]:
    is_lower = at.delta + 0.5 * (at.w - at.z) > 0.0
    zeta, complement, log_zeta, log1mexp, delta = (
        xp.where(is_lower, here, there) for here, there in zip(at[:5], at.mirrored(), strict=False)
    )
    shape, other = xp.where(is_lower, a, b), xp.where(is_lower, b, a)
    total, slope = shape + other, delta + complement
    little = shape < 0.5
    few = xp.where(little, shape, 0.25)
    one = xp.indicator(zeta >= 0.0, like=zeta)

    def integrand(y: Array) -> Array:
        rise, exponent = outwards(xp, y, zeta, complement, one, shape + 1.0, total + 1.0, slope)
        # at a = 0 the change is 0, so that its integrand is less by that at a = 0
        return xp.exp(-exponent) * xp.where(little, few - other * xp.expm1(few * rise), total)

    grown = xp.where(little, shape, 0.0)  # expm1(a rise) takes so much of the exponent
    alpha, outward = shape - grown + 1.0, log1mexp - log_zeta
    cut = cut_of(xp, zeta, complement, alpha, other, slope - grown * complement, outward)
    mass = zeta * tail_integral(xp, integrand, cut, nodes_f32=MASS_NODES_F32, nodes_f64=MASS_NODES_F64)
    change = xp.where(little, xp.exp(other * log1mexp) * mass, 0.0)
    return _Tail(is_lower, log_zeta, log1mexp, shape, other, xp.where(little, 0.0, mass), little, few, change)


def log_tails_at(xp: Namespace[Array], at: Place, a: Array, b: Array) -> tuple[Array, Array]:
    """(log I_z(a, b), log I_w(b, a)), the smaller to full relative accuracy of its exponential."""
    return both_log_tails(xp, *direct_at(xp, at, a, b))


def direct_at(xp: Namespace[Array], at: Place, a: Array, b: Array) -> tuple[Array, Array, Array | None]:
    """(the logarithm of the smaller tail, whether it is the lower one, what rounding has left of the first)"""
    return _direct(xp, _smaller_tail(xp, at, a, b), *density_in_two(xp, at, a, b))


def _direct(
    xp: Namespace[Array], tail: _Tail[Array], log_density: Array, density_rest: Array | None
) -> tuple[Array, Array, Array | None]:
    plain, rest = compensated(xp, log_density, density_rest, -xp.log(tail.shape), xp.log1p(tail.mass))
    log_change = xp.log1p(tail.change)
    near = log_gamma_step(xp, tail.other, tail.few, tail.log_zeta) - log_gamma1p(xp, tail.few)
    near = near + log_change
    if rest is not None and density_rest is not None:
        # far out the density knows it better than the logarithm
        steps = log_change - xp.log(tail.few) - xp.where(tail.little, tail.other, 0.0) * tail.log1mexp
        left = xp.where(tail.few * tail.log_zeta < -4.0, (log_density - near) + (steps + density_rest), 0.0)
        rest = xp.stop_gradient(xp.where(tail.little, left, rest))
    return xp.where(tail.little, near, plain), tail.is_lower, rest


def hazards(xp: Namespace[Array], z: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """(p / F, p / S), 0 < z < 1: that of the smaller tail from its integral, without the density."""
    at = _at(xp, z, a, b)
    tail, (log_density, rest) = _smaller_tail(xp, at, a, b), density_in_two(xp, at, a, b)
    lower, upper = both_log_tails(xp, *_direct(xp, tail, log_density, rest))
    few = tail.few * xp.exp(xp.where(tail.little, tail.other, 0.0) * tail.log1mexp) / (1.0 + tail.change)
    smaller = xp.where(tail.little, few, tail.shape / (1.0 + tail.mass))
    other = xp.exp(log_density - xp.where(tail.is_lower, upper, lower))
    both = xp.where(tail.is_lower, smaller, other), xp.where(tail.is_lower, other, smaller)
    return both[0] / at.z / at.w, both[1] / at.z / at.w


# as many nodes as the partials have: worst relative error of the smaller tail 1e-6 and 2.6e-13
MASS_NODES_F32, MASS_NODES_F64 = 20, 48


def log_tails(xp: Namespace[Array], z: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """(log P(Z <= z), log P(Z > z))."""
    lower, upper = log_tails_at(xp, _at(xp, z, a, b), a, b)
    return tails_between(xp, z <= 0.0, z >= 1.0, lower, upper)


def tails(xp: Namespace[Array], z: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """(P(Z <= z), P(Z > z))."""
    lower, upper = both_tails(xp, *direct_at(xp, _at(xp, z, a, b), a, b))
    below, above = z <= 0.0, z >= 1.0
    lower = xp.where(below, 0.0, xp.where(above, 1.0, lower))
    return lower, xp.where(below, 1.0, xp.where(above, 0.0, upper))


def log_density(xp: Namespace[Array], z: Array, a: Array, b: Array) -> Array:
    """log p(z); -inf outside [0, 1], and at its ends the limits."""
    at = _at(xp, z, a, b)
    inside = (z > 0.0) & (z < 1.0)
    power = xp.where(z <= 0.0, a, b)  # at an end: its own shape decides; 1 leaves log(other shape)
    end = xp.where(power > 1.0, -math.inf, xp.where(power < 1.0, math.inf, xp.log(xp.where(z <= 0.0, b, a))))
    end = xp.where((z >= 0.0) & (z <= 1.0), end, -math.inf)
    return xp.where(inside, log_density_at(xp, at, a, b, at.z * at.w), end)


def _score_z(xp: Namespace[Array], z: Array, a: Array, b: Array) -> Array:
    """((a - 1) w - (b - 1) z) / (z w)."""
    at, one = _at(xp, z, a, b), 1.0 + 0.0 * a
    # either may be all that counts, and of a large shape the 1 may be lost
    (x, x_rest), (y, y_rest) = two_sum(xp, a, -one), two_sum(xp, b, -one)
    delta, _ = _lean(xp, at.z, at.w, x, y)
    lean = delta + (x_rest * at.w - y_rest * at.z)
    return xp.where((z >= 0.0) & (z <= 1.0), finite(xp, lean / at.z / at.w), 0.0)


def _score_a(xp: Namespace[Array], z: Array, a: Array, b: Array) -> Array:
    """log z + psi(a + b) - psi(a)."""
    return score_at(xp, _at(xp, z, a, b), z, a, b)


def _score_b(xp: Namespace[Array], z: Array, a: Array, b: Array) -> Array:
    return score_at(xp, _at(xp, z, a, b).mirrored(), z, b, a)


def score_at(xp: Namespace[Array], at: Place, z: Array, a: Array, b: Array) -> Array:
    if xp.has_guard_digits:
        score = at.log_z + xp.digamma(a + b) - xp.digamma(a)
    else:
        score = reduced_score(xp, at.z, at.w, at.log_z, a, b, at.delta) + b / a / (a + b)
    return xp.where((z >= 0.0) & (z <= 1.0), score, 0.0)


def logit_quantile(xp: Namespace[Array], q: Array, one_minus_q: Array, a: Array, b: Array) -> Array:
    """x with I_z(a, b) = q and I_w(b, a) = one_minus_q, of which the smaller is used.

    By Newton's method on its logarithm, a concave function of x, so that from the second step on all lie on one side.
    """
    log_q, log_s = logarithm(xp, q), logarithm(xp, one_minus_q)
    is_lower = log_q < log_s

    def residual(x: Array) -> tuple[Array, Array]:
        at = _at_logit(xp, x, a, b)
        log_density, rest = density_in_two(xp, at, a, b)
        lower, upper = both_log_tails(xp, *_direct(xp, _smaller_tail(xp, at, a, b), log_density, rest))
        found = xp.where(is_lower, lower, upper)
        error = xp.where(is_lower, log_q - found, found - log_s)
        scale = xp.exp(found - log_density)
        return error, halley(xp, error * scale, at.delta + xp.where(is_lower, -1.0, 1.0) / scale)

    far = math.sqrt(float(xp.finfo(a).max))
    return newton(xp, residual, beta_start(xp, log_q, log_s, a, b), -far, far, order=3)


def refine_quantile(xp: Namespace[Array], x: Array, q: Array, one_minus_q: Array, a: Array, b: Array) -> Array:
    """z by one more step from a logit x that was rounded: at z = 1e-20 one bit of x is 64 of z."""
    z = xp.sigmoid(x)
    if not keeps_rests(xp, z):
        return z
    at = _at(xp, z, a, b)
    log_density, density_rest = density_in_two(xp, at, a, b)
    direct, is_lower, rest = _direct(xp, _smaller_tail(xp, at, a, b), log_density, density_rest)
    log_q, log_q_rest = log_mass_in_two(xp, xp.where(is_lower, q, one_minus_q), xp.where(is_lower, one_minus_q, q))
    error = (log_q - direct) + (log_q_rest - (rest if rest is not None else 0.0))
    step = xp.where(is_lower, error, -error) * xp.exp(direct - log_density) * at.w
    return xp.where(xp.abs(step) < 0.01, z * (1.0 + step), z)


def logit_density(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    return log_density_at(xp, _at_logit(xp, x, a, b), a, b)


def shape(xp: Namespace[Array], a: Array, b: Array) -> Shape:
    def to_mode(x: Array) -> Array:
        return xp.log(a) - xp.log(b) - charts.logit(xp, x)

    return Shape(INTERVAL, lambda x, v: logistic_rise(xp, a, b, x, 1.0 - x, v), to_mode)


def entropy(xp: Namespace[Array], a: Array, b: Array) -> Array:
    """-E[log p(z)], from the entropies of log z for Gamma's, whose linear terms cancel."""
    total = a + b
    spread = log_entropy(xp, a) + log_entropy(xp, b) - log_entropy(xp, total)
    return spread + digamma(xp, a) + digamma(xp, b) - 2.0 * digamma(xp, total)


def divergence(xp: Namespace[Array], a: Array, b: Array, a_q: Array, b_q: Array) -> Array:
    """KL(Beta(a, b) || Beta(a_q, b_q)), as `dirichlet.divergence`."""
    total, grown = a + b, (a_q - a) + (b_q - b)
    return (
        divergence_term(xp, a, a_q, total, grown)
        + divergence_term(xp, b, b_q, total, grown)
        - bregman_log_gamma(xp, a_q + b_q, total, grown)
    )


def divergence_term(xp: Namespace[Array], a: Array, a_q: Array, total: Array, grown: Array) -> Array:
    """a_q dev(v) + B_f(a_q, a), 1 + v = (a / total) / (a_q / total_q), `grown` is total_q - total; `gamma_function`."""
    total_q = total + grown
    v = (a * grown - total * (a_q - a)) / (a_q * total)
    log_ratio = xp.log(a) - xp.log(a_q) + xp.log(total_q) - xp.log(total)
    return bregman_log_gamma(xp, a_q, a, a_q - a) - a_q * log1pmx(xp, v, log_ratio)


def mean(xp: Namespace[Array], a: Array, b: Array) -> Array:
    return a / (a + b)


def variance(xp: Namespace[Array], a: Array, b: Array) -> Array:
    total = a + b
    return (a / total) * (b / total) / (total + 1.0)


def _of_uniform(xp: Namespace[Array], a: Array, b: Array, low: Array, high: Array) -> Array:
    """Infinite where the interval leaves some of (0, 1) out."""
    one = 1.0 + 0.0 * a
    covers = (low <= 0.0) & (high >= 1.0)
    width = xp.where(covers, high - low, 1.0)
    return xp.where(covers, divergence(xp, a, b, one, one) + xp.log(width), math.inf)


FAMILY = Family(
    about="""
    The gradient is the one-dimensional implicit one (Figurnov, Mohamed, Mnih 2018, eq. 5), never of larger variance
    than that of two normalised Gammas.  A draw that rounds to 0 or 1 is held next to it, with the derivative of its
    logit.

    :param concentration1: :math:`a > 0`; number or array, broadcast with `concentration0`.
    :param concentration0: :math:`b > 0`.
    """,
    parameters={"concentration1": "positive", "concentration0": "positive"},
    support=(0.0, 1.0),
    log_density=log_density,
    log_tails=log_tails,
    tails=tails,
    slopes=(dz_da, dz_db),
    scores=(_score_z, _score_a, _score_b),
    hazards=hazards,
    quantile=Quantile(logit_quantile, logit_density, (dlogit_da, dlogit_db), "logit"),
    entropy=entropy,
    mean=mean,
    variance=variance,
    shape=shape,
    divergences={"Beta": divergence, "Uniform": _of_uniform},
)
