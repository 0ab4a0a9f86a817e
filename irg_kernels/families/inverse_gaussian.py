"""InverseGaussian: the time at which a Brownian motion with drift first reaches a level.

symbol   meaning
m, k     loc, which is the mean, and concentration
r        sqrt(k / x)
a, b     r (x - m) / m and r (x + m) / m
R(c)     Mills' ratio of the normal distribution, int_0^inf exp(-u**2 / 2 - c u) du
K(c)     1 - c R(c) = int_0^inf u exp(-u**2 / 2 - c u) du
G(z)     exp(z) E1(z), E1 the exponential integral

F = phi(a) (R(-a) + R(b)), 1 - F = phi(a) (R(a) - R(b)), since exp(2 k / m) = phi(a) / phi(b)     (Shuster 1968, eq. 4)
dx/dm = 2 (x / m)**2 r R(b), dx/dk = x (m - x + 2 x K(b)) / (k (m + x)), from -(dF / dtheta) / p
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..generic.family import Draw, Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape
from ..numerics.elementary import both_log_tails, expm1mx, finite, log1pmx, log_quotient, positive, tails_inside
from ..numerics.gamma_function import scaled_e1
from ..numerics.quadrature import depth, tail_integral
from ..numerics.roots import logarithm, newton_on_tail, smaller_mass
from . import normal

NODES = {"nodes_f32": 16, "nodes_f64": 36}


def bell_integral(xp: Namespace[Array], c: Array, weight: Callable | None = None) -> Array:
    """int_0^inf weight(u) exp(-u**2 / 2 - c u) du, c >= -0.7."""
    at, fall = xp.stop_gradient(c), depth(xp, c)
    near = xp.minimum(at, 0.1 * math.sqrt(float(xp.finfo(c).max)))  # the square of the others would overflow
    cut = 2.0 * fall / (at + xp.maximum(at, xp.sqrt(near * near + 2.0 * fall)))

    def integrand(u: Array) -> Array:
        bell = xp.exp(-u * (0.5 * u + c))
        return bell if weight is None else weight(u) * bell

    return tail_integral(xp, integrand, cut, **NODES)


def _less(xp: Namespace[Array], x: Array, m: Array) -> Array:
    """(x - m) / m; far below m its derivative in m would cancel in that form."""
    far = x < 0.5 * m
    return xp.where(far, x / m - 1.0, (xp.where(far, m, x) - m) / m)


def _at(xp: Namespace[Array], x: Array, m: Array, k: Array) -> tuple[Array, Array, Array]:
    """(r, a, b); for an infinite x, those of the largest finite number."""
    x = finite(xp, positive(xp, x))
    r = xp.sqrt(k) / xp.sqrt(x)
    return r, r * finite(xp, _less(xp, x, m)), r * finite(xp, x / m + 1.0)


def log_density(xp: Namespace[Array], x: Array, m: Array, k: Array) -> Array:
    _, a, _ = _at(xp, x, m, k)
    at = positive(xp, x)
    return xp.where(x > 0.0, 0.5 * log_quotient(xp, k, at) - xp.log(at) + normal.log_density(xp, a), -math.inf)


def _score_x(xp: Namespace[Array], x: Array, m: Array, k: Array) -> Array:
    _, a, b = _at(xp, x, m, k)
    return xp.where(x > 0.0, finite(xp, -0.5 * (3.0 + a * b) / positive(xp, x)), 0.0)


def _score_m(xp: Namespace[Array], x: Array, m: Array, k: Array) -> Array:
    return xp.where(x > 0.0, finite(xp, (k / m) * (_less(xp, x, m) / m)), 0.0)


def _score_k(xp: Namespace[Array], x: Array, m: Array, k: Array) -> Array:
    _, a, _ = _at(xp, x, m, k)
    return xp.where(x > 0.0, finite(xp, 0.5 * (1.0 - a) * (1.0 + a) / k), 0.0)


def log_tails(xp: Namespace[Array], x: Array, m: Array, k: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x)).

    The tail on the side of x is integrated, the other is its complement.  Where R(a) and R(b) are close, their
    difference is one integral.
    """
    r, a, b = _at(xp, x, m, k)
    below = a < -0.7  # F is at least a quarter beyond
    close = ~below & (2.0 * r < a + 1.0)
    step = xp.where(close, 2.0 * r, 0.0)
    near = bell_integral(xp, xp.where(below, -a, a), lambda u: xp.where(close, -xp.expm1(-step * u), 1.0))
    far = bell_integral(xp, b)
    total = near + xp.where(below, far, xp.where(close, 0.0, -far))
    lower, upper = both_log_tails(xp, normal.log_density(xp, a) + logarithm(xp, total), below)
    return tails_inside(xp, x > 0.0, lower, upper)


def _by_m(xp: Namespace[Array], x: Array, m: Array, k: Array) -> Array:
    r, _, b = _at(xp, x, m, k)
    return 2.0 * (x / m) * ((x / m) * r * bell_integral(xp, b))


def _by_k(xp: Namespace[Array], x: Array, m: Array, k: Array) -> Array:
    _, _, b = _at(xp, x, m, k)
    return x / k * (((m - x) + 2.0 * x * bell_integral(xp, b, lambda u: u)) / (m + x))


def _draw(xp: Namespace[Array], standard: Array, uniform: Array, m: Array, k: Array) -> Array:
    """The square of a normal number has two roots, m exp(+-y)     (Michael, Schucany & Haas 1976)."""
    y = 2.0 * xp.arcsinh(0.5 * xp.abs(standard) * xp.sqrt(m / k))
    return m * xp.exp(xp.where(uniform < xp.sigmoid(y), -y, y))


def _tails_of_y(xp: Namespace[Array], y: Array, m: Array, k: Array) -> tuple[Array, Array]:
    return log_tails(xp, m * xp.exp(y), m, k)


def _density_of_y(xp: Namespace[Array], y: Array, m: Array, k: Array) -> Array:
    x = m * xp.exp(y)
    return log_density(xp, x, m, k) + xp.log(x)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, m: Array, k: Array) -> Array:
    """By Newton's method on the logarithm of the smaller tail, which is concave in y = log(x / m).

    It starts where a = 2 sqrt(k / m) sinh(y / 2) has the tail Phi(a) = q / 2 or Phi(-a) = (1 - q) / 2.  That is beyond
    the root, since F < 2 Phi(a) and 1 - F < Phi(-a), so that every step comes closer.
    """
    lower, target = smaller_mass(xp, q, one_minus_q)
    size = normal.upper_quantile(xp, target - math.log(2.0))
    y = 2.0 * xp.arcsinh(0.5 * xp.where(lower, -size, size) * xp.sqrt(m / k))

    return m * xp.exp(newton_on_tail(xp, _tails_of_y, _density_of_y, lower, target, y, 1e3, m, k))


def entropy(xp: Namespace[Array], m: Array, k: Array) -> Array:
    """-E[log p], E[log x] = log m - G(2 k / m)."""
    return 0.5 * log_quotient(xp, m, k) + xp.log(m) + (normal.HALF_LOG_2PI + 0.5) - 1.5 * scaled_e1(xp, 2.0 * k / m)


def shape(xp: Namespace[Array], m: Array, k: Array) -> Shape:
    """In log x, -y / 2 - k (exp(y) / m**2 + exp(-y)) / 2."""

    def rise(x: Array, v: Array) -> Array:
        up, down = 0.5 * (k / m) * (x / m), 0.5 * k / x
        lean = 0.5 * ((k / x) * -_less(xp, x, m) * (x / m + 1.0) - 1.0)
        near = xp.abs(v) < 0.25
        little, much = xp.where(near, v, 0.0), xp.where(near, 1.0, v)
        curve = up * expm1mx(xp, little) + down * expm1mx(xp, -little)
        return xp.where(near, lean * little - curve, -down * xp.expm1(-much) - up * xp.expm1(much) - 0.5 * much)

    twice = 2.0 * k / m
    return Shape(HALF_LINE, rise, twice * m / (1.0 + xp.sqrt(1.0 + twice * twice)))


def divergence(xp: Namespace[Array], m: Array, k: Array, m_q: Array, k_q: Array) -> Array:
    """Kullback and Leibler's, E[(x - m_q)**2 / x] being (m - m_q)**2 / m + m_q**2 / k."""
    change, apart = (k_q - k) / k, (m - m_q) / m_q
    return 0.5 * ((k_q / m) * apart * apart - log1pmx(xp, change, log_quotient(xp, k_q, k)))


FAMILY = Family(
    about=r"""
    Density :math:`\sqrt{\lambda / (2 \pi x^3)} \exp(-\lambda (x - \mu)^2 / (2 \mu^2 x))`.

    :param loc: mean :math:`\mu > 0`; number or array, broadcast with `concentration`.
    :param concentration: :math:`\lambda > 0`; the variance is :math:`\mu^3 / \lambda`.

    Source: Shuster 1968 for its tails, Michael, Schucany and Haas 1976 for the draws.
    """,
    parameters={"loc": "positive", "concentration": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_m, _by_k),
    scores=(_score_x, _score_m, _score_k),
    quantile=Quantile(_find, log_density, (_by_m, _by_k)),
    draw=Draw(_draw, ("normal", "uniform")),
    entropy=entropy,
    mean=lambda xp, m, k: m + 0.0 * k,
    variance=lambda xp, m, k: m * m * (m / k),
    shape=shape,
    divergences={"InverseGaussian": divergence},
)
