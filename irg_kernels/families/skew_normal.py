"""SkewNormal: density 2 phi(y) Phi(alpha y), y = (x - loc) / scale      (Azzalini 1985).

symbol   meaning
alpha    skewness
k, t     |alpha|, and y with the sign of alpha taken out of it
h        |t|
L        (1 / pi) int_k^inf exp(-h**2 (1 + s**2) / 2) / (1 + s**2) ds, with s = sinh(v)

By Owen's function T(h, k) = Phi(-h) / 2 - L / 2, of which no difference is formed (Owen 1956):
below 0, P(T <= t) = L; above, P(T <= t) = erf(h / sqrt(2)) + L and P(T > t) = 2 Phi(-h) - L, L at most Phi(-h).
dy / dalpha = phi(alpha y) / Phi(alpha y) / (1 + alpha**2), from dT / dk.
"""

from __future__ import annotations

import math

from ..generic.derived import located
from ..generic.family import Draw, Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, line
from ..numerics.elementary import both_log_tails, finite, log1mexp
from ..numerics.normal_tail import dlog_ndtr_dx, log_ndtr_rise
from ..numerics.quadrature import depth, tail_integral
from ..numerics.roots import logarithm, newton_on_tail, smaller_mass
from . import normal

# worst error of the integral over k in 0..1e4 and h in 0..40: 1e-6 and 1e-13
NODES_F32, NODES_F64 = 20, 52


def log_density(xp: Namespace[Array], y: Array, alpha: Array) -> Array:
    return normal.log_density(xp, y) + xp.log_ndtr(alpha * y) + math.log(2.0)


def _score_y(xp: Namespace[Array], y: Array, alpha: Array) -> Array:
    return alpha * dlog_ndtr_dx(xp, alpha * y) - y


def _score_alpha(xp: Namespace[Array], y: Array, alpha: Array) -> Array:
    return y * dlog_ndtr_dx(xp, alpha * y)


def _dy_dalpha(xp: Namespace[Array], y: Array, alpha: Array) -> Array:
    return dlog_ndtr_dx(xp, alpha * y) / (1.0 + alpha * alpha)


def _log_l(xp: Namespace[Array], h: Array, k: Array) -> Array:
    """log L: with v from arcsinh(k) on, the integrand falls as exp(-h**2 cosh(v)**2 / 2) / cosh(v), log-concave."""
    cosh = xp.sqrt(1.0 + k * k)
    h = xp.minimum(h, 0.1 * math.sqrt(float(xp.finfo(h).max)) / cosh)
    tanh = k / cosh
    rest = 0.5 / (1.0 + tanh) / cosh / cosh  # (1 - tanh) / 2
    steep, bend = h * h * k * cosh, 0.5 * h * h * (1.0 + 2.0 * k * k)
    fall = depth(xp, h)
    a, b = xp.stop_gradient(steep), xp.stop_gradient(bend)
    wall = 2.0 * fall / xp.maximum(a + xp.sqrt(a * a + 4.0 * fall * b), 1e-20)
    cut = xp.minimum(xp.arcsinh(wall), fall + math.log(2.0))

    def integrand(u: Array) -> Array:
        down = xp.exp(-u)
        up = 1.0 / down
        sinh, cosh_u = 0.5 * (xp.expm1(u) - xp.expm1(-u)), 0.5 * (up + down)
        exponent = sinh * finite(xp, steep * cosh_u + bend * sinh)
        return xp.exp(-exponent) * down / ((1.0 - rest) + rest * down * down)

    total = tail_integral(xp, integrand, cut, nodes_f32=NODES_F32, nodes_f64=NODES_F64)
    return xp.log(total / cosh) - 0.5 * (h * cosh) * (h * cosh) - math.log(math.pi)


def _tails_of_t(xp: Namespace[Array], t: Array, k: Array) -> tuple[Array, Array]:
    h = xp.minimum(xp.abs(t), 0.1 * math.sqrt(float(xp.finfo(t).max)))
    log_l = _log_l(xp, h, k)
    log_outside = xp.log_ndtr(-h) + math.log(2.0)
    upper = log_outside + log1mexp(xp, xp.minimum(log_l - log_outside, -math.log(2.0)))
    inside = xp.erf(math.sqrt(0.5) * h) + xp.exp(log_l)
    below = t < 0.0
    direct = xp.where(below, log_l, xp.where(upper > -math.log(2.0), logarithm(xp, inside), upper))
    return both_log_tails(xp, direct, below | (upper > -math.log(2.0)))


def log_tails(xp: Namespace[Array], y: Array, alpha: Array) -> tuple[Array, Array]:
    mirrored = alpha < 0.0
    lower, upper = _tails_of_t(xp, xp.where(mirrored, -y, y), xp.abs(alpha))
    return xp.where(mirrored, upper, lower), xp.where(mirrored, lower, upper)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, alpha: Array) -> Array:
    """By Newton's method on the logarithm of the smaller tail of t, which is concave, from outside of the root: the
    lower tail is less than Phi(t), and than erf(t / sqrt(2)) + L at 0; the upper one less than 2 Phi(-t)."""
    mirrored, k = alpha < 0.0, xp.abs(alpha)
    low, high = xp.where(mirrored, one_minus_q, q), xp.where(mirrored, q, one_minus_q)
    is_lower, target = smaller_mass(xp, low, high)
    beyond = low - xp.arctan2(1.0 + 0.0 * k, k) / math.pi  # of the mass of the half-line above 0
    inner = xp.log1p(-xp.clip(beyond, 0.0, 0.5))
    size = normal.upper_quantile(xp, xp.where(is_lower, inner, target) - math.log(2.0))
    first = normal.quantile(xp, low, high)
    start = xp.where(is_lower, xp.maximum(first, xp.where(beyond > 0.0, size, first)), size)
    t = newton_on_tail(xp, _tails_of_t, log_density, is_lower, target, start, 1e4, k)
    return xp.where(mirrored, -t, t)


def _draw(xp: Namespace[Array], first: Array, second: Array, alpha: Array) -> Array:
    return (alpha * xp.abs(first) + second) / xp.sqrt(1.0 + alpha * alpha)


def _variance(xp: Namespace[Array], alpha: Array) -> Array:
    """1 - 2 delta**2 / pi"""
    square = alpha * alpha
    return (1.0 + (1.0 - 2.0 / math.pi) * square) / (1.0 + square)


def _shape(xp: Namespace[Array], alpha: Array, loc: Array, scale: Array) -> Shape:
    square, k = 1.0 + alpha * alpha, xp.stop_gradient(xp.abs(alpha))

    def rise(x: Array, v: Array) -> Array:
        y, w = (x - loc) / scale, v / scale
        bell = -w * (y + 0.5 * w)
        return log_ndtr_rise(xp, alpha * y, alpha * w, bell, square * bell)

    # z = k times the mode: log z = 2 log k + log (phi / Phi)(z), by Newton's method from beyond; below k = 1 some 0.8 k
    some = xp.maximum(k, 1.0)
    z = xp.sqrt(1.0 + 4.0 * xp.log(some))
    for _ in range(5):
        hazard = dlog_ndtr_dx(xp, z)
        z = z + (2.0 * xp.log(some) + xp.log(hazard / z)) / (z + hazard + 1.0 / z)
    away = xp.stop_gradient(xp.where(k > 1.0, z / some, 0.8 * k / (1.0 + 0.58 * k)))
    chart = line(xp.stop_gradient(scale) / xp.sqrt(1.0 + k * k))
    mode = loc + scale * xp.copysign(away, alpha)
    return Shape(chart, rise, mode, located=(1, xp.stop_gradient(scale)))


FAMILY = located(
    Family(
        about=r"""
        Density :math:`2 \phi(y) \Phi(\alpha y) / \sigma` with :math:`y = (x - \mu) / \sigma`.

        :param loc: :math:`\mu`; number or array, broadcast with the others.
        :param scale: :math:`\sigma > 0`.
        :param skewness: :math:`\alpha`; positive for a longer tail to the right.

        Source: Azzalini 1985.
        """,
        parameters={"skewness": "real"},
        support=(-math.inf, math.inf),
        log_density=log_density,
        log_tails=log_tails,
        slopes=(_dy_dalpha,),
        scores=(_score_y, _score_alpha),
        quantile=Quantile(_find, log_density, (_dy_dalpha,)),
        draw=Draw(_draw, ("normal", "normal")),
        mean=lambda xp, alpha: math.sqrt(2.0 / math.pi) * alpha / xp.sqrt(1.0 + alpha * alpha),
        variance=_variance,
    ),
    _shape,
)
