"""GeneralizedInverseGaussian: density y**(p - 1) exp(-b (y + 1 / y) / 2) / (2 K_p(b)), y = x / scale.

symbol   meaning
R        sqrt(p**2 + b**2)
alpha    (R + p) / 2; beta = (R - p) / 2; their product is b**2 / 4
u        log y less its mode, log(2 alpha / b)
h(u)     exp(u) - 1 - u
E(u)     alpha h(u) + beta h(-u), so that the density of u is exp(-E) / J
J        int exp(-E) du = 2 K_p(b) exp(R) (2 alpha / b)**-p, of either side of the mode one integral
w        alpha (exp(u) - 1) + beta (exp(-u) - 1), which is b cosh(log y) - R

d log p / dp = u - <u> and b d log p / db = <w> - w, <> the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, NamedTuple

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape
from ..numerics.elementary import both_log_tails, expm1mx, finite, log_quotient, positive, tails_inside
from ..numerics.quadrature import depth, tail_integral
from ..numerics.roots import logarithm, newton

# worst error of a tail and of a slope over p in -30..100 and b in 1e-3..1e3: 5e-7 and 1e-13
NODES = {"nodes_f32": 22, "nodes_f64": 50}
# the search for a cut: the least and the largest distance, and halvings of their ratio, which leave 1 % of it
LEAST, MOST, HALVINGS = 1e-10, 1e4, 12


class _Form(NamedTuple, Generic[Array]):
    """What is left of p and b about the mode: the exponent E of the density of u."""

    alpha: Array
    beta: Array

    def exponent(self, xp: Namespace[Array], u: Array) -> Array:
        return self.alpha * expm1mx(xp, u) + self.beta * expm1mx(xp, -u)

    def lean(self, xp: Namespace[Array], u: Array) -> Array:
        """dE / du"""
        return self.alpha * xp.expm1(u) - self.beta * xp.expm1(-u)

    def growth(self, xp: Namespace[Array], u: Array) -> Array:
        """w"""
        return self.alpha * xp.expm1(u) + self.beta * xp.expm1(-u)


def _itself(xp: Namespace[Array], u: Array) -> Array:
    return u


def _form(xp: Namespace[Array], p: Array, b: Array) -> tuple[_Form[Array], Array]:
    """alpha and beta, and the mode of log y.

    The larger of the two is (R + |p|) / 2; the other follows from their product, for R - |p| would cancel.
    """
    size = xp.abs(p)
    large = 0.5 * (xp.sqrt(p * p + b * b) + size)
    small = 0.5 * b * (0.5 * b / large)
    up = p > 0.0
    return _Form(xp.where(up, large, small), xp.where(up, small, large)), xp.arcsinh(p / b)


def _at(xp: Namespace[Array], x: Array, p: Array, b: Array, scale: Array) -> tuple[_Form[Array], Array]:
    """The form, and u as the logarithm of one quotient: log y and the mode may be far larger than their difference."""
    form, mode = _form(xp, p, b)
    x, limits = positive(xp, finite(xp, x)), xp.finfo(x)
    unit = scale * xp.where(p > 0.0, 2.0 * (form.alpha / b), 0.5 * (b / form.beta))
    usual = (unit > float(limits.tiny)) & (unit < float(limits.max))
    return form, xp.where(usual, log_quotient(xp, x, xp.where(usual, unit, 1.0)), log_quotient(xp, x, scale) - mode)


def _cut(xp: Namespace[Array], form: _Form[Array], u: Array, sign: Array | float, fall: Array | float) -> Array:
    """The distance from u, on the side of `sign`, at which exp(-E) has fallen by the factor exp(-fall), by halving; the
    fall counts from the mode where that lies ahead."""
    form, u = _Form(*map(xp.stop_gradient, form)), xp.stop_gradient(u)
    enough = fall + xp.where(sign * u > 0.0, form.exponent(xp, u), 0.0)

    def step(state: tuple) -> tuple:
        near, far = state
        middle = 0.5 * (near + far)
        fallen = ~(form.exponent(xp, u + sign * xp.exp(middle)) < enough)  # NaN has fallen
        return xp.where(fallen, near, middle), xp.where(fallen, middle, far)

    start = (math.log(LEAST) + 0.0 * u, math.log(MOST) + 0.0 * u)
    return xp.stop_gradient(xp.exp(xp.converge(step, start, lambda state: state[0] > state[1], HALVINGS)[1]))


def _beyond(
    xp: Namespace[Array], form: _Form[Array], u: Array, sign: Array | float, weights: tuple[Callable | None, ...]
) -> list[Array]:
    """For each weight the integral of weight(v) exp(E(u) - E(v)) over all v beyond u on the side of `sign`; None stands
    for the weight 1."""
    cut = _cut(xp, form, u, sign, depth(xp, u))
    lean, up, down = form.lean(xp, u), form.alpha * xp.exp(u), form.beta * xp.exp(-u)

    def integrand(weight: Callable | None) -> Callable:
        def of(tau: Array) -> Array:
            v = sign * tau
            density = xp.exp(-lean * v - (up * expm1mx(xp, v) + down * expm1mx(xp, -v)))
            return density if weight is None else weight(xp, u + v) * density

        return of

    return [tail_integral(xp, integrand(weight), cut, **NODES) for weight in weights]


def _moments(xp: Namespace[Array], form: _Form[Array], *weights: Callable) -> list[Array]:
    """The part of J below the mode, that above it, and the mean of each weight, a function of (xp, u)."""
    zero = 0.0 * form.alpha
    below, above = (_beyond(xp, form, zero, sign, (None, *weights)) for sign in (-1.0, 1.0))
    means = [(low + high) / (below[0] + above[0]) for low, high in zip(below[1:], above[1:], strict=True)]
    return [below[0], above[0], *means]


def _density_of_u(xp: Namespace[Array], form: _Form[Array], u: Array) -> Array:
    below, above = _moments(xp, form)
    return -form.exponent(xp, u) - xp.log(below + above)


def log_density(xp: Namespace[Array], x: Array, p: Array, b: Array, scale: Array) -> Array:
    form, u = _at(xp, x, p, b, scale)
    return xp.where(x > 0.0, finite(xp, _density_of_u(xp, form, u)) - xp.log(positive(xp, x)), -math.inf)


def _score_x(xp: Namespace[Array], x: Array, p: Array, b: Array, scale: Array) -> Array:
    form, u = _at(xp, x, p, b, scale)
    return xp.where(x > 0.0, finite(xp, -(1.0 + form.lean(xp, u)) / positive(xp, x)), 0.0)


def _score_p(xp: Namespace[Array], x: Array, p: Array, b: Array, scale: Array) -> Array:
    form, u = _at(xp, x, p, b, scale)
    return xp.where(x > 0.0, u - _moments(xp, form, _itself)[2], 0.0)


def _score_b(xp: Namespace[Array], x: Array, p: Array, b: Array, scale: Array) -> Array:
    form, u = _at(xp, x, p, b, scale)
    return xp.where(x > 0.0, finite(xp, (_moments(xp, form, form.growth)[2] - form.growth(xp, u)) / b), 0.0)


def _score_scale(xp: Namespace[Array], x: Array, p: Array, b: Array, scale: Array) -> Array:
    form, u = _at(xp, x, p, b, scale)
    return xp.where(x > 0.0, finite(xp, form.lean(xp, u) / scale), 0.0)


def _log_tails_at(xp: Namespace[Array], form: _Form[Array], u: Array) -> tuple[Array, Array]:
    below, above = _moments(xp, form)
    lower = u < 0.0
    sign = xp.where(lower, -1.0 + 0.0 * u, 1.0)
    (tail,) = _beyond(xp, form, u, sign, (None,))
    direct = logarithm(xp, tail) - form.exponent(xp, u) - xp.log(below + above)
    return both_log_tails(xp, xp.minimum(direct, 0.0), lower)


def log_tails(xp: Namespace[Array], x: Array, p: Array, b: Array, scale: Array) -> tuple[Array, Array]:
    lower, upper = _log_tails_at(xp, *_at(xp, x, p, b, scale))
    return tails_inside(xp, x > 0.0, lower, upper)


def _moved(xp: Namespace[Array], form: _Form[Array], u: Array, weight: Callable, crossing: bool) -> Array:
    """How log y moves at fixed quantile with the parameter whose score is the weight less its mean.

    It is an integral of the score over either tail.  With `crossing`, of a score with one zero, that tail is taken on
    which the score keeps its sign; else that on the side of the mode on which u lies.
    """
    mean = _moments(xp, form, weight)[2]
    lower = weight(xp, u) < mean if crossing else u < 0.0
    sign = xp.where(lower, -1.0 + 0.0 * u, 1.0)
    (tail,) = _beyond(xp, form, u, sign, (lambda xp, v: weight(xp, v) - mean,))
    return sign * tail


def _by_p(xp: Namespace[Array], form: _Form[Array], u: Array, b: Array) -> Array:
    return _moved(xp, form, u, _itself, True)


def _by_b(xp: Namespace[Array], form: _Form[Array], u: Array, b: Array) -> Array:
    return _moved(xp, form, u, form.growth, False) / -b


def _of_log(slope: Callable) -> Callable:
    def of(xp: Namespace[Array], log_x: Array, p: Array, b: Array, scale: Array) -> Array:
        form, mode = _form(xp, p, b)
        return slope(xp, form, (log_x - xp.log(scale)) - mode, b)

    return of


def _of_x(slope: Callable) -> Callable:
    def of(xp: Namespace[Array], x: Array, p: Array, b: Array, scale: Array) -> Array:
        return x * slope(xp, *_at(xp, x, p, b, scale), b)

    return of


def _density_of_log(xp: Namespace[Array], log_x: Array, p: Array, b: Array, scale: Array) -> Array:
    form, mode = _form(xp, p, b)
    return _density_of_u(xp, form, (log_x - xp.log(scale)) - mode)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, p: Array, b: Array, scale: Array) -> Array:
    """log x, by Newton's method on the logarithm of the tail on the side of the mode on which the root lies.

    That is concave, so that from a start farther out than the root every step falls short of it.  The tail is at most
    exp(-E) times what it is at the mode: where that bound is the wanted mass, is such a start.
    """
    form, mode = _form(xp, p, b)
    below, above = _moments(xp, form)
    log_total = xp.log(below + above)
    lower = q * (below + above) < below
    sign = xp.where(lower, -1.0 + 0.0 * q, 1.0)
    target = logarithm(xp, xp.where(lower, q, one_minus_q)) + log_total
    most = xp.log(xp.where(lower, below, above))
    start = sign * _cut(xp, form, 0.0 * q, sign, xp.maximum(most - target, 0.0))

    def residual(u: Array) -> tuple[Array, Array]:
        (tail,) = _beyond(xp, form, u, sign, (None,))
        error = (target - logarithm(xp, tail)) + form.exponent(xp, u)
        return error, -sign * error * tail

    return newton(xp, residual, start, -MOST, MOST) + mode + xp.log(scale)


def _raised(xp: Namespace[Array], p: Array, b: Array, n: int) -> Array:
    """E[exp(n u)] = K_{p + n} / K_p over that of the mode: the quotient of two J, times the larger exponent between
    both modes.  Under the density itself most of it may lie beyond the cut, where the upper tail is a power."""
    (form, _), (other, _) = _form(xp, p, b), _form(xp, p + float(n), b)
    sizes = (form.alpha + form.beta) + (other.alpha + other.beta)
    u = xp.log1p(float(n) * (form.alpha + other.alpha) / (form.alpha * sizes))
    (below, above), (below_n, above_n) = _moments(xp, form), _moments(xp, other)
    return xp.exp(float(n) * u - form.exponent(xp, u)) * ((below_n + above_n) / (below + above))


# from this R on, the tails fall fast enough for a moment of the second order to be that within the cut
_FALLS = 8.0


def _mean(xp: Namespace[Array], p: Array, b: Array, scale: Array) -> Array:
    return scale * xp.exp(_form(xp, p, b)[1]) * _raised(xp, p, b, 1)


def _variance(xp: Namespace[Array], p: Array, b: Array, scale: Array) -> Array:
    form, mode = _form(xp, p, b)
    mean, square = (_raised(xp, p, b, n) for n in (1, 2))
    narrow = _moments(xp, form, lambda xp, u: (xp.exp(u) - mean) * (xp.exp(u) - mean))[2]
    unit = scale * xp.exp(mode)
    return unit * unit * xp.where(form.alpha + form.beta > _FALLS, narrow, square - mean * mean)


def _entropy(xp: Namespace[Array], p: Array, b: Array, scale: Array) -> Array:
    form, mode = _form(xp, p, b)
    below, above, exponent, at = _moments(xp, form, lambda xp, u: form.exponent(xp, u), _itself)
    return xp.log(below + above) + exponent + at + mode + xp.log(scale)


def shape(xp: Namespace[Array], p: Array, b: Array, scale: Array) -> Shape:
    form, mode = _form(xp, p, b)

    def rise(x: Array, v: Array) -> Array:
        _, u = _at(xp, x, p, b, scale)
        up, down = form.alpha * xp.exp(u), form.beta * xp.exp(-u)
        return -form.lean(xp, u) * v - (up * expm1mx(xp, v) + down * expm1mx(xp, -v))

    return Shape(HALF_LINE, rise, scale * xp.exp(mode))


LOG_SLOPES = (_of_log(_by_p), _of_log(_by_b), lambda xp, log_x, p, b, scale: 1.0 / scale)

FAMILY = Family(
    about=r"""
    Density :math:`y^{p - 1} e^{-b (y + 1/y) / 2} / (2 s K_p(b))` with y = x / s > 0.

    The names are those of SciPy's `geninvgauss`.  Of the density as :math:`x^{p - 1} e^{-(a x + c / x) / 2}` they are
    :math:`b = \sqrt{a c}` and :math:`s = \sqrt{c / a}`; :math:`p = -1/2` is `InverseGaussian`.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param p: any number; number or array, broadcast with the others.
    :param b: concentration about `scale`, positive.
    :param scale: :math:`s > 0`.
    """,
    parameters={"p": "real", "b": "positive", "scale": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_of_x(_by_p), _of_x(_by_b), lambda xp, x, p, b, scale: x / scale),
    scores=(_score_x, _score_p, _score_b, _score_scale),
    quantile=Quantile(_find, _density_of_log, LOG_SLOPES, "log"),
    entropy=_entropy,
    mean=_mean,
    variance=_variance,
    shape=shape,
)
