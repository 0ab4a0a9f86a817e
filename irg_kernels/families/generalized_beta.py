"""GeneralizedBeta: x = s z**(1 / p), z ~ Beta(a, b)      (McDonald 1984, of the first kind); see `beta`.

symbol   meaning
a, b     concentration1, concentration0
s, p     scale and power
z, w     (x / s)**p and 1 - z
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..generic.family import Draw, Family, Noise, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Chart, Shape, in_exponent, log_ratio, logistic_rise
from ..numerics.elementary import (
    expm1mx,
    finite,
    log1mexp,
    log_expm1,
    log_split,
    positive,
    tails_between,
    two_product,
    two_sum,
)
from ..numerics.gamma_function import beta_bend, digamma, log_gamma_rise
from . import beta
from .weibull import log_power


def _place_of_log(xp: Namespace[Array], log_z: Array, rest: Array | float, a: Array, b: Array) -> beta.Place:
    """Of log z and what its rounding has left; z and its distance from 1 are known beyond their own rounding."""
    limits = xp.finfo(a)
    log_z = xp.minimum(log_z, -float(limits.tiny))
    z, w = positive(xp, xp.exp(log_z)), positive(xp, -xp.expm1(log_z))
    log_w = log1mexp(xp, log_z)
    if xp.has_guard_digits:
        return beta.Place(z, w, log_z, log_w, a * w - b * z)
    known, error = log_split(xp, z)
    inside = log_z > math.log(float(limits.tiny))
    z_rest = xp.stop_gradient(xp.where(inside, z * ((log_z - known) + (rest - error)), 0.0))
    whole, left = two_sum(xp, 1.0 + 0.0 * z, -z)
    at = beta.Place(z, w, log_z + rest, log_w - rest * xp.minimum(z / w, 1e10), z, 0.0, z_rest)
    at = at._replace(w_rest=xp.stop_gradient(((whole - w) + left) - z_rest))
    delta, delta_rest = _lean(xp, at, a, b)
    return at._replace(delta=delta, rest=xp.stop_gradient(0.0 * delta + delta_rest))


def _lean(xp: Namespace[Array], at: beta.Place, a: Array, b: Array) -> tuple[Array, Array | float]:
    """a w - b z, and what its rounding has left."""
    if xp.has_guard_digits:
        return a * at.w - b * at.z, 0.0
    total, total_rest = two_sum(xp, a, b)
    product, error = two_product(xp, total, at.z)
    delta, rest = two_sum(xp, a, -product)
    return two_sum(xp, delta, rest - (error + total_rest * at.z) - total * at.z_rest)


def _at(xp: Namespace[Array], x: Array, a: Array, b: Array, s: Array, p: Array) -> beta.Place:
    log_z, rest = log_power(xp, xp.minimum(x, s), s, p)
    return _place_of_log(xp, log_z, rest, a, b)


def _inside(x: Array, s: Array) -> Array:
    return (x > 0.0) & (x < s)


def log_density(xp: Namespace[Array], x: Array, a: Array, b: Array, s: Array, p: Array) -> Array:
    at, x_inside = _at(xp, x, a, b, s, p), positive(xp, x)
    unit = x_inside * (at.w / p)
    near = (unit > 1e-20) & (unit < 1e20)  # where it leaves nothing out of range
    apart = xp.where(near, 0.0, xp.log(x_inside) + at.log_w - xp.log(p))
    log_p = beta.log_density_at(xp, at, a, b, xp.where(near, unit, 1.0)) - apart
    return xp.where(_inside(x, s), log_p, -math.inf)


def _score_x(xp: Namespace[Array], x: Array, a: Array, b: Array, s: Array, p: Array) -> Array:
    """((a p - 1) w - (b - 1) p z) / (x w)"""
    at, (product, error) = _at(xp, x, a, b, s, p), two_product(xp, a, p)
    less, rest = two_sum(xp, product, -1.0 + 0.0 * a)
    lean, lean_rest = _lean(xp, at, less, (b - 1.0) * p)
    found = (lean + (lean_rest + (rest + error) * at.w)) / at.w
    return xp.where(_inside(x, s), finite(xp, found / positive(xp, x)), 0.0)


def _score_a(xp: Namespace[Array], x: Array, a: Array, b: Array, s: Array, p: Array) -> Array:
    at = _at(xp, x, a, b, s, p)
    return xp.where(_inside(x, s), finite(xp, beta.score_at(xp, at, at.z, a, b)), 0.0)


def _score_b(xp: Namespace[Array], x: Array, a: Array, b: Array, s: Array, p: Array) -> Array:
    at = _at(xp, x, a, b, s, p).mirrored()
    return xp.where(_inside(x, s), finite(xp, beta.score_at(xp, at, at.z, b, a)), 0.0)


def _by_log_z(xp: Namespace[Array], at: beta.Place, a: Array, b: Array) -> Array:
    """(a w - (b - 1) z) / w, the derivative in log z of z**a w**(b - 1)."""
    lean, rest = _lean(xp, at, a, b - 1.0)
    return (lean + rest) / at.w


def _score_p(xp: Namespace[Array], x: Array, a: Array, b: Array, s: Array, p: Array) -> Array:
    """(1 + z log z / w - (a w - b z) log z / w) / p, of which the first two are nothing next to z = 1."""
    at = _at(xp, x, a, b, s, p)
    t = -at.log_z
    few = xp.minimum(t, 80.0)
    lean = (at.delta + at.rest) / at.w
    return xp.where(_inside(x, s), finite(xp, (expm1mx(xp, few) / xp.expm1(few) - t * lean) / p), 0.0)


def _score_s(xp: Namespace[Array], x: Array, a: Array, b: Array, s: Array, p: Array) -> Array:
    at = _at(xp, x, a, b, s, p)
    return xp.where(_inside(x, s), finite(xp, -p * _by_log_z(xp, at, a, b) / s), 0.0)


def log_tails(xp: Namespace[Array], x: Array, a: Array, b: Array, s: Array, p: Array) -> tuple[Array, Array]:
    lower, upper = beta.log_tails_at(xp, _at(xp, x, a, b, s, p), a, b)
    return tails_between(xp, x <= 0.0, x >= s, lower, upper)


def _slope_of_log(i: int, xp: Namespace[Array], at: beta.Place, a: Array, b: Array, s: Array, p: Array) -> Array:
    """Of log x, in the i-th parameter."""
    if i == 2:
        return 1.0 / s
    if i == 3:
        return -at.log_z / p / p
    of_logit = beta.dlogit_da if i == 0 else beta.dlogit_db
    return at.w * of_logit(xp, at.log_z - at.log_w, a, b) / p


def _of_x(i: int) -> Callable:
    def slope(xp: Namespace[Array], x: Array, *params: Array) -> Array:
        return x * _slope_of_log(i, xp, _at(xp, x, *params), *params)

    return slope


def _of_log_x(i: int) -> Callable:
    def slope(xp: Namespace[Array], log_x: Array, *params: Array) -> Array:
        return _slope_of_log(i, xp, _at_log(xp, log_x, *params), *params)

    return slope


def _at_log(xp: Namespace[Array], log_x: Array, a: Array, b: Array, s: Array, p: Array) -> beta.Place:
    return _place_of_log(xp, p * (log_x - xp.log(s)), 0.0, a, b)


def _draw(xp: Namespace[Array], y: Array, a: Array, b: Array, s: Array, p: Array) -> Array:
    """log x, of the logit of z."""
    return xp.log(s) - xp.softplus(-y) / p


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, a: Array, b: Array, s: Array, p: Array) -> Array:
    return _draw(xp, beta.logit_quantile(xp, q, one_minus_q, a, b), a, b, s, p)


def _density_of_log(xp: Namespace[Array], log_x: Array, a: Array, b: Array, s: Array, p: Array) -> Array:
    at = _at_log(xp, log_x, a, b, s, p)
    return beta.log_density_at(xp, at, a, b) + xp.log(p) - at.log_w


def _entropy(xp: Namespace[Array], a: Array, b: Array, s: Array, p: Array) -> Array:
    """-E[log p(z)] + E[log dx/dz], dx/dz = x / (p z)."""
    mean_log = digamma(xp, a) - digamma(xp, a + b)
    return beta.entropy(xp, a, b) + (1.0 / p - 1.0) * mean_log - xp.log(p) + xp.log(s)


def _mean(xp: Namespace[Array], a: Array, b: Array, s: Array, p: Array) -> Array:
    """s Gamma(a + r) Gamma(a + b) / (Gamma(a) Gamma(a + b + r)), r = 1 / p."""
    r = 1.0 / p
    return s * xp.exp(log_gamma_rise(xp, a, r) - log_gamma_rise(xp, a + b, r) - r * xp.log1p(b / a))


def shape(xp: Namespace[Array], a: Array, b: Array, s: Array, p: Array) -> Shape:
    """In logit z, z**a w**b."""
    tiny = float(xp.finfo(a).tiny)

    def of_z(x: Array) -> tuple[Array, Array, Array]:
        """(log z, z, w)"""
        log_z = xp.minimum(p * log_ratio(xp, s, x), -tiny)
        return log_z, positive(xp, xp.exp(log_z)), -xp.expm1(log_z)

    def displacement(xp: Namespace[Array], x: Array, end: Array) -> Array:
        (_, z, w), (_, _, w_end) = of_z(x), of_z(end)
        rise = p * log_ratio(xp, x, end)
        change = -z * xp.expm1(in_exponent(xp, rise)) / w
        near = xp.abs(change) < 0.5
        far = xp.log(xp.where(near, 1.0, w_end)) - xp.log(xp.where(near, 1.0, w))
        return rise - xp.where(near, xp.log1p(xp.where(near, change, 0.0)), far)

    def unit(xp: Namespace[Array], x: Array) -> Array:
        return x * (of_z(x)[2] / p)

    def nearing(xp: Namespace[Array], x: Array, side: int) -> tuple[Array, Array | float]:
        _, z, w = of_z(x)
        return (x * xp.exp(-xp.log(w) / p), 1.0 / p) if side == 0 else (s * (w / z / p), 1.0)

    def rise(x: Array, v: Array) -> Array:
        log_z, z, w = of_z(x)
        return logistic_rise(xp, a, b, z, w, v, log_z - xp.log(w))

    def to_mode(x: Array) -> Array:
        log_z, _, w = of_z(x)
        return xp.log(a) - xp.log(b) - (log_z - xp.log(w))

    return Shape(Chart(displacement, unit, (0.0, s), nearing=nearing), rise, to_mode)


def _variance(xp: Namespace[Array], a: Array, b: Array, s: Array, p: Array) -> Array:
    """E[x]**2 (exp(D) - 1), D = log E[x**2] - 2 log E[x]."""
    mean, d = _mean(xp, a, b, s, p), beta_bend(xp, a, b, 1.0 / p)
    large = d > 1.0
    far = xp.exp(2.0 * xp.log(mean) + log_expm1(xp, xp.where(large, d, 1.0)))
    return xp.where(large, far, mean * (mean * xp.expm1(xp.where(large, 0.0, d))))


FAMILY = Family(
    about="""
    The distribution of :math:`s z^{1/p}`, z ~ Beta(a, b), on (0, s): McDonald's of the first kind.

    A draw that leaves the range of its dtype, or rounds to the upper end, is held inside, with the derivative of the
    true draw.

    :param concentration1: :math:`a > 0`; number or array, broadcast with the others.
    :param concentration0: :math:`b > 0`.
    :param scale: :math:`s > 0`.
    :param power: :math:`p > 0`.

    Source: McDonald 1984.
    """,
    parameters={"concentration1": "positive", "concentration0": "positive", "scale": "positive", "power": "positive"},
    support=(0.0, lambda xp, a, b, s, p: s),
    log_density=log_density,
    log_tails=log_tails,
    slopes=tuple(map(_of_x, range(4))),
    scores=(_score_x, _score_a, _score_b, _score_s, _score_p),
    quantile=Quantile(_find, _density_of_log, tuple(map(_of_log_x, range(4))), "log"),
    draw=Draw(_draw, (Noise("logit beta", lambda xp, a, b, s, p: (a, b)),)),
    entropy=_entropy,
    mean=_mean,
    variance=_variance,
    shape=shape,
)
