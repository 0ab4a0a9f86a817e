"""Rice: the distance from the origin of a point of the plane whose coordinates are normal numbers.

symbol   meaning
nu, s    the distance of their mean from the origin, and their standard deviation
y, m     x / s and nu / s
d        (x - nu) / s
A, C     I1(m y) / I0(m y), and 1 - A

The density is (y / s) exp(-d**2 / 2) exp(-m y) I0(m y).  By dF/dnu = -p A (from DLMF 10.29.3), at fixed quantile
dx/dnu = A; and since x, nu and s scale together, dx/ds = y - m A.
"""

from __future__ import annotations

import math

from ..generic.family import Draw, Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.bessel import deficit, log_i0_rise, log_i0e, mean_cosine
from ..numerics.charts import HALF_LINE, Shape
from ..numerics.elementary import both_log_tails, finite, horner, log_quotient, positive, tails_inside
from ..numerics.quadrature import depth, is_double, tail_integral
from ..numerics.roots import newton_on_tail, smaller_mass
from . import normal

# worst error of a tail over m in 0..1e6: 2e-7 and 1e-13
NODES = {"nodes_f32": 16, "nodes_f64": 36}


def _at(xp: Namespace[Array], x: Array, nu: Array, s: Array) -> tuple[Array, Array, Array]:
    """(y, m, d)"""
    x = finite(xp, positive(xp, x))
    return finite(xp, positive(xp, x / s)), nu / s, finite(xp, (x - nu) / s)


def log_density(xp: Namespace[Array], x: Array, nu: Array, s: Array) -> Array:
    y, m, d = _at(xp, x, nu, s)
    log_y = log_quotient(xp, finite(xp, positive(xp, x)), s)
    inside = log_y - xp.log(s) + (log_i0e(xp, finite(xp, m * y)) - 0.5 * d * d)
    return xp.where(x > 0.0, inside, -math.inf)


def _turned(xp: Namespace[Array], y: Array, m: Array, d: Array) -> tuple[Array, Array]:
    """(y - m A, y A - m): from d and C where m y is large, so that neither cancels."""
    z = finite(xp, m * y)
    far = z > 4.0
    missing, cosine = deficit(xp, xp.where(far, z, 4.0)), mean_cosine(xp, xp.where(far, 4.0, z))
    return xp.where(far, d + m * missing, y - m * cosine), xp.where(far, d - y * missing, y * cosine - m)


def _score_x(xp: Namespace[Array], x: Array, nu: Array, s: Array) -> Array:
    y, m, d = _at(xp, x, nu, s)
    return xp.where(x > 0.0, finite(xp, 1.0 / positive(xp, x) - _turned(xp, y, m, d)[0] / s), 0.0)


def _score_nu(xp: Namespace[Array], x: Array, nu: Array, s: Array) -> Array:
    return xp.where(x > 0.0, finite(xp, _turned(xp, *_at(xp, x, nu, s))[1] / s), 0.0)


def _score_s(xp: Namespace[Array], x: Array, nu: Array, s: Array) -> Array:
    """(d**2 + 2 m y C - 2) / s"""
    y, m, d = _at(xp, x, nu, s)
    z = finite(xp, m * y)
    return xp.where(x > 0.0, finite(xp, (d * d + (2.0 * z * deficit(xp, z) - 2.0)) / s), 0.0)


def _by_nu(xp: Namespace[Array], x: Array, nu: Array, s: Array) -> Array:
    y, m, _ = _at(xp, x, nu, s)
    return mean_cosine(xp, finite(xp, m * y))


def _by_s(xp: Namespace[Array], x: Array, nu: Array, s: Array) -> Array:
    return _turned(xp, *_at(xp, x, nu, s))[0]


def log_tails(xp: Namespace[Array], x: Array, nu: Array, s: Array) -> tuple[Array, Array]:
    """(log P(X <= x), log P(X > x)).

    The smaller is p(x) s times the integral of p(x +- s t) / p(x) over t > 0, which falls at least as fast as
    exp(-t (t / 2 +- d)), but for a factor 1 + t / y < 9 above the median.
    """
    y, m, d = _at(xp, x, nu, s)
    lower = finite(xp, d * (y + m)) < 1.2  # below the median, where d (y + m) is 1.39 at m = 0 and 1 at m = infinity
    sign = xp.where(lower, -1.0 + 0.0 * y, 1.0)
    lean = sign * xp.clip(d, -_most(xp, y), _most(xp, y))
    fall = 2.0 * (depth(xp, y) + 2.5)
    root = xp.sqrt(lean * lean + fall)
    cut = xp.where(lean > 0.0, fall / (xp.abs(lean) + root), root - lean)
    cut = xp.minimum(cut, xp.where(lower, y, cut))
    z = finite(xp, m * y)

    def integrand(t: Array) -> Array:
        at = xp.maximum(y + sign * t, 0.0)
        return (at / y) * xp.i0e(m * at) * xp.exp(-t * (0.5 * t + lean))

    tail = xp.log(tail_integral(xp, integrand, cut, **NODES)) - xp.log(xp.i0e(z))
    tails = both_log_tails(xp, xp.minimum(tail + log_density(xp, x, nu, s) + xp.log(s), 0.0), lower)
    return tails_inside(xp, x > 0.0, tails[0], tails[1])


def _most(xp: Namespace[Array], like: Array) -> float:
    return 0.1 * math.sqrt(float(xp.finfo(like).max))


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, nu: Array, s: Array) -> Array:
    """By Newton's method on the logarithm of the smaller tail.

    That is concave in x, so that from a start farther out than the root every step falls short of it.  Such starts are
    the quantiles of what bounds the tails: F is less than Rayleigh's F and than Phi(d), and 1 - F less than
    exp(-d**2 / 2).
    """
    m, one = nu / s, 1.0 + 0.0 * s
    lower, target = smaller_mass(xp, q, one_minus_q)
    rayleigh = xp.sqrt(-2.0 * xp.log1p(-xp.where(lower, q, 0.5)))
    below = xp.maximum(rayleigh, m + normal.quantile(xp, q, one_minus_q))
    start = xp.where(lower, below, m + xp.sqrt(-2.0 * target))
    return s * newton_on_tail(xp, log_tails, log_density, lower, target, start, _most(xp, q), m, one)


def _draw(xp: Namespace[Array], first: Array, second: Array, nu: Array, s: Array) -> Array:
    """The distance of (nu + s first, s second) from the origin, without the square of a large number."""
    along, across = xp.abs(nu + s * first), xp.abs(s * second)
    longer, shorter = xp.maximum(along, across), xp.minimum(along, across)
    return positive(xp, longer * xp.sqrt(1.0 + (shorter / longer) * (shorter / longer)))


def _excess(xp: Namespace[Array], m: Array) -> tuple[Array, Array]:
    """(E[x] / s, E[x] / nu - 1 where m is large and 0 elsewhere).

    E[x] / s = sqrt(pi / 2) 1F1(-1/2; 1; -m**2 / 2), by Bessel functions where m is small and by the series in 2 / m**2
    where it is large (DLMF 13.6.9, 13.7.2).
    """
    start, terms = (8.0, 20) if is_double(xp, m) else (5.0, 8)
    large = m > start
    half = 0.25 * xp.where(large, start, m) * xp.where(large, start, m)
    mean = xp.exp(log_i0e(xp, half)) * (1.0 + 2.0 * half * (1.0 + mean_cosine(xp, half)))
    r = math.sqrt(2.0) / xp.where(large, m, start)
    coefficients = [0.25]
    for k in range(1, terms):
        coefficients.append(coefficients[-1] * (k - 0.5) * (k - 0.5) / (k + 1.0))
    share = r * r * horner(r * r, coefficients)
    return xp.where(large, m * (1.0 + share), math.sqrt(0.5 * math.pi) * mean), xp.where(large, share, 0.0)


def _mean(xp: Namespace[Array], nu: Array, s: Array) -> Array:
    return s * _excess(xp, nu / s)[0]


def _variance(xp: Namespace[Array], nu: Array, s: Array) -> Array:
    """s**2 (2 + m**2) - E[x]**2, of which m**2 is taken out where it is large."""
    m = nu / s
    mean, share = _excess(xp, m)
    series = share > 0.0
    near = xp.where(series, 0.0, m)
    apart = xp.where(series, m * (m * share * (2.0 + share)), mean * mean)
    return s * s * ((2.0 - apart) + near * near)


def shape(xp: Namespace[Array], nu: Array, s: Array) -> Shape:
    """In log x.  The mode is the root of y (y - m) = 2 - z C, which falls from 2 to 3/2."""
    m = nu / s

    def rise(x: Array, v: Array) -> Array:
        y, m, d = _at(xp, x, nu, s)
        h = y * xp.expm1(v)
        of_bessel, whole = log_i0_rise(xp, m * y, v)
        return (2.0 * v + of_bessel) - h * (xp.where(whole, y, d) + 0.5 * h)

    return Shape(HALF_LINE, rise, 0.5 * s * (m + xp.sqrt(m * m + (6.0 + 2.0 / (1.0 + m)))))


_SLOPES = (_by_nu, _by_s)

FAMILY = Family(
    about=r"""
    Density :math:`x \sigma^{-2} e^{-(x^2 + \nu^2) / (2 \sigma^2)} I_0(x \nu / \sigma^2)` for x > 0.

    The names are TensorFlow Probability's; SciPy's `rice` has :math:`b = \nu / \sigma`.

    :param nu: :math:`\nu \ge 0`, the length of the vector's mean; number or array, broadcast with `sigma`.
    :param sigma: :math:`\sigma > 0`, the standard deviation of either coordinate.
    """,
    parameters={"nu": "nonnegative", "sigma": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=_SLOPES,
    scores=(_score_x, _score_nu, _score_s),
    quantile=Quantile(_find, log_density, _SLOPES),
    draw=Draw(_draw, ("normal", "normal")),
    mean=_mean,
    variance=_variance,
    shape=shape,
)
