"""ExponentiallyModifiedGaussian: x = loc + scale n + e / rate, n a normal number and e an exponential one.

symbol   meaning
y        (x - loc) / scale
k        rate scale
b        k - y
R, K     Mills' ratio and 1 - b R(b), as in `inverse_gaussian`
H        K(b) / R(b) = phi(b) / Phi(-b) - b
G        phi(y) R(b) = exp(k (k / 2 - y)) Phi(y - k)

1 - F = Phi(-y) + G, F = phi(y) (R(-y) - R(b)), p = k G, by which dy/dk = -H / k at fixed quantile.
"""

from __future__ import annotations

import math

from ..generic.family import Draw, Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Shape, line
from ..numerics.elementary import both_log_tails, log_sum
from ..numerics.masses import rule
from ..numerics.normal_tail import dlog_ndtr_dx, log_ndtr_rise
from ..numerics.roots import logarithm, newton_on_tail, smaller_mass
from . import normal
from .inverse_gaussian import bell_integral

# of int_0^k exp(y s - s**2 / 2) ds, k < 1, where y is at most 40: beyond, exp(-y**2 / 2) leaves nothing of it
NODES = 24
MOST = 1e10
"""a c whose square is more than all of float64's digits"""


def _at(xp: Namespace[Array], x: Array, loc: Array, scale: Array, rate: Array) -> tuple[Array, Array, Array]:
    """(y, k, b), of a finite x in the range of its dtype."""
    most = 0.25 * float(xp.finfo(x).max)
    y, k = xp.clip((x - loc) / scale, -most, most), rate * scale
    return y, k, k - y


def _parts(xp: Namespace[Array], b: Array) -> tuple[Array, Array, Array, Array]:
    """(b > 0, log R(b) there, 1 / R(b) elsewhere, H)"""
    far = b > 0.0
    c, d = xp.where(far, b, 1.0), xp.where(far, 0.0, b)
    # beyond MOST both fall as 1 / c, of which powers would underflow
    most = xp.minimum(c, MOST)
    mills, ratio = bell_integral(xp, most), most / c
    inverse = xp.exp(normal.log_density(xp, d) - xp.log_ndtr(-d))
    h = ratio * (bell_integral(xp, most, lambda u: u) / mills)
    return far, xp.log(mills) + xp.log(ratio), inverse, xp.where(far, h, inverse - d)


def _log_g(xp: Namespace[Array], y: Array, k: Array, b: Array) -> Array:
    far, log_mills, _, _ = _parts(xp, b)
    return xp.where(far, normal.log_density(xp, y) + log_mills, k * (0.5 * k - y) + xp.log_ndtr(-xp.where(far, 0.0, b)))


def log_density(xp: Namespace[Array], x: Array, loc: Array, scale: Array, rate: Array) -> Array:
    return xp.log(rate) + _log_g(xp, *_at(xp, x, loc, scale, rate))


def _lean(xp: Namespace[Array], x: Array, loc: Array, scale: Array, rate: Array) -> tuple[Array, Array, Array]:
    """(y, dx / dscale = y - H = k - 1 / R(b), H)"""
    y, k, b = _at(xp, x, loc, scale, rate)
    far, _, inverse, h = _parts(xp, b)
    return y, xp.where(far, y - h, k - inverse), h


def _by_scale(xp: Namespace[Array], x: Array, loc: Array, scale: Array, rate: Array) -> Array:
    return _lean(xp, x, loc, scale, rate)[1]


def _by_rate(xp: Namespace[Array], x: Array, loc: Array, scale: Array, rate: Array) -> Array:
    return -scale / rate * _lean(xp, x, loc, scale, rate)[2]


def _score_x(xp: Namespace[Array], x: Array, loc: Array, scale: Array, rate: Array) -> Array:
    return -_lean(xp, x, loc, scale, rate)[1] / scale


def _score_loc(xp: Namespace[Array], x: Array, loc: Array, scale: Array, rate: Array) -> Array:
    return _lean(xp, x, loc, scale, rate)[1] / scale


def _score_scale(xp: Namespace[Array], x: Array, loc: Array, scale: Array, rate: Array) -> Array:
    """(y (y - H) - k H) / scale = (k**2 - (y + k) / R(b)) / scale."""
    y, k, b = _at(xp, x, loc, scale, rate)
    far, _, inverse, h = _parts(xp, b)
    return xp.where(far, y * (y - h) - k * h, k * k - (y + k) * inverse) / scale


def _score_rate(xp: Namespace[Array], x: Array, loc: Array, scale: Array, rate: Array) -> Array:
    """scale (1 / k - H), where H is nearly 1 / b as scale (M / R - y / k) / b,

    M = R (1 - b H) = int_0^inf u**2 exp(-u**2 / 2 - b u) du.
    """
    y, k, b = _at(xp, x, loc, scale, rate)
    far, log_mills, _, h = _parts(xp, b)
    c = xp.where(far, b, 1.0)
    close = (bell_integral(xp, c, lambda u: u * u) * xp.exp(-log_mills) - y / k) / c
    return scale * xp.where(far, close, 1.0 / k - h)


def _tails(xp: Namespace[Array], y: Array, k: Array) -> tuple[Array, Array]:
    """Where y is small F is the difference of Mills' ratios, one integral where they are close; where k is small too,

    F = phi(y) int_0^k exp(y s - s**2 / 2) ds - Phi(y - k) (exp(-k (y - k / 2)) - 1)

    adds what no difference has; else 1 - F is a sum.
    """
    upper = log_sum(xp, xp.log_ndtr(-y), _log_g(xp, y, k, k - y))
    below = y < 0.7
    a = xp.where(below, -y, 0.0)
    close = k < a + 1.0
    step = xp.where(close, k, 0.0)
    ratios = bell_integral(xp, a, lambda u: xp.where(close, -xp.expm1(-step * u), 1.0))
    ratios = ratios - xp.where(close, 0.0, bell_integral(xp, k + a))
    little = ~below & (k < 1.0) & (upper > -math.log(2.0))
    at, few = xp.where(little, y, 1.0), xp.where(little, k, 0.5)
    nodes, weights = rule(NODES)
    near = xp.minimum(at, 40.0)
    (bell,) = xp.integrate(lambda u: xp.exp(few * u * (near - 0.5 * few * u)), nodes, weights, like=few)
    added = xp.exp(normal.log_density(xp, near)) * few * bell
    added = added - xp.exp(xp.log_ndtr(at - few)) * xp.expm1(-few * (at - 0.5 * few))
    lower = xp.where(below, normal.log_density(xp, a) + logarithm(xp, ratios), logarithm(xp, added))
    is_lower = below | little
    return both_log_tails(xp, xp.where(is_lower, lower, upper), is_lower)


def log_tails(xp: Namespace[Array], x: Array, loc: Array, scale: Array, rate: Array) -> tuple[Array, Array]:
    y, k, _ = _at(xp, x, loc, scale, rate)
    return _tails(xp, y, k)


def _density_of_y(xp: Namespace[Array], y: Array, k: Array) -> Array:
    return xp.log(k) + _log_g(xp, y, k, k - y)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, loc: Array, scale: Array, rate: Array) -> Array:
    """By Newton's method on the logarithm of the smaller tail, which is concave; from the normal quantile, to the left
    of the root."""
    start, most = normal.quantile(xp, q, one_minus_q), 0.01 * float(xp.finfo(q).max)
    return loc + scale * newton_on_tail(
        xp, _tails, _density_of_y, *smaller_mass(xp, q, one_minus_q), start, most, rate * scale
    )


def rise(xp: Namespace[Array], x: Array, v: Array, scale: Array, rate: Array) -> Array:
    """log p(x + v) - log p(x) for loc = 0; far above, -rate v alone, in which no derivative in scale cancels."""
    y, w = x / scale, v / scale
    return log_ndtr_rise(xp, y - rate * scale, w, -rate * v, -w * (y + 0.5 * w))


def mode(xp: Namespace[Array], k: Array) -> Array:
    """Of y, value only: phi(y - k) / Phi(y - k) = k, by Newton's method on the logarithm, which is concave."""
    k = xp.stop_gradient(k)
    z = xp.where(k < 0.4, xp.sqrt(xp.maximum(-2.0 * xp.log(xp.minimum(k, 0.4)) - math.log(2.0 * math.pi), 0.0)), -k)
    for _ in range(4):
        hazard = dlog_ndtr_dx(xp, z)
        z = z + xp.log(hazard / k) / (z + hazard)
    return xp.stop_gradient(z + k)


def _shape(xp: Namespace[Array], loc: Array, scale: Array, rate: Array) -> Shape:
    def rise_at(x: Array, v: Array) -> Array:
        return rise(xp, x - loc, v, scale, rate)

    still = xp.stop_gradient(scale)
    return Shape(line(still), rise_at, loc + scale * mode(xp, rate * scale), located=(0, still))


def _draw(xp: Namespace[Array], standard: Array, uniform: Array, loc: Array, scale: Array, rate: Array) -> Array:
    return loc + (scale * standard - xp.log(uniform) / rate)


_SLOPES = (lambda xp, x, loc, scale, rate: 1.0 + 0.0 * x, _by_scale, _by_rate)

FAMILY = Family(
    about=r"""
    That of the sum of a normal number and an exponential one.  Density
    :math:`\lambda e^{k (k / 2 - y)} \Phi(y - k)` with :math:`y = (x - \mu) / \sigma` and :math:`k = \lambda \sigma`.

    :param loc: :math:`\mu`, the mean of the normal number; number or array, broadcast with the others.
    :param scale: :math:`\sigma > 0`, its standard deviation.
    :param rate: :math:`\lambda > 0`, of the exponential number.
    """,
    parameters={"loc": "real", "scale": "positive", "rate": "positive"},
    support=(-math.inf, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=_SLOPES,
    scores=(_score_x, _score_loc, _score_scale, _score_rate),
    quantile=Quantile(_find, log_density, _SLOPES),
    draw=Draw(_draw, ("normal", "uniform")),
    mean=lambda xp, loc, scale, rate: loc + 1.0 / rate + 0.0 * scale,
    variance=lambda xp, loc, scale, rate: scale * scale + 1.0 / rate / rate + 0.0 * loc,
    shape=_shape,
)
