"""NormalInverseGaussian: density (alpha / pi) exp(delta gamma + beta (x - mu)) K_1(alpha delta q) / q, delta the scale.

symbol   meaning
c, d     delta (alpha - beta) and delta (alpha + beta)
a, g     (c + d) / 2 and sqrt(c d), which is delta gamma
y, q     (x - mu) / delta and sqrt(1 + y**2)
w, w0    arcsinh(y) and log(d / c) / 2
v        w - w0, so that g + (d - c) y / 2 - a q = -g (cosh(v) - 1)
kappa    log(z exp(z) K_1(z)), z = a q
D        z (1 - K_0(z) / K_1(z)), between 0 and 1/2
P        density of w, exp(kappa - g (cosh(v) - 1)) / (pi q)

The kernels' parameters are c and d, for their scores, 2 d log p / dc = exp(w0) - exp(w) + D / a and
2 d log p / dd = exp(-w0) - exp(-w) + D / a, have one zero each: on the tail beyond it a score keeps its sign, and its
integral cancels nowhere.  The chain rule at the end gives the derivatives in alpha and beta (Barndorff-Nielsen 1997).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Generic, NamedTuple

from ..generic.derived import located, with_parameters
from ..generic.family import Draw, Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.bessel_k import scaled_k1, scaled_k1_rise
from ..numerics.charts import Shape, heavy_line, log_ratio
from ..numerics.elementary import both_log_tails, finite
from ..numerics.quadrature import depth, tail_integral
from ..numerics.roots import logarithm, newton
from . import inverse_gaussian

# worst error of a slope over tail weights of 1e-3..1e3 and skewness up to .999 of them: 9e-7 and 1e-13
NODES = {"nodes_f32": 22, "nodes_f64": 50}
# the search for a cut: the least and the largest distance, and halvings of their ratio, which leave 1 % of it
LEAST, MOST, HALVINGS = 1e-8, 200.0, 12


class _Form(NamedTuple, Generic[Array]):
    """The standardised parameters, by the module's symbols."""

    a: Array
    g: Array
    w0: Array


def _form(xp: Namespace[Array], c: Array, d: Array) -> _Form[Array]:
    return _Form(0.5 * (c + d), xp.sqrt(c) * xp.sqrt(d), 0.5 * (xp.log(d) - xp.log(c)))


def _cosh(xp: Namespace[Array], w: Array) -> Array:
    return 0.5 * (xp.exp(w) + xp.exp(-w))


def _sinh(xp: Namespace[Array], w: Array) -> Array:
    return 0.5 * (xp.expm1(w) - xp.expm1(-w))


def _w(xp: Namespace[Array], y: Array) -> Array:
    most = 0.1 * float(xp.finfo(y).max)
    return xp.arcsinh(xp.clip(y, -most, most))


def _log_p(xp: Namespace[Array], form: _Form[Array], w: Array) -> Array:
    """log P"""
    q, half = _cosh(xp, w), _sinh(xp, 0.5 * (w - form.w0))
    kappa, _ = scaled_k1(xp, finite(xp, form.a * q))
    return kappa - 2.0 * finite(xp, form.g * half * half) - xp.log(math.pi * q)


def log_density(xp: Namespace[Array], y: Array, c: Array, d: Array) -> Array:
    w = _w(xp, y)
    return finite(xp, _log_p(xp, _form(xp, c, d), w) - xp.log(_cosh(xp, w)))


def _score_y(xp: Namespace[Array], y: Array, c: Array, d: Array) -> Array:
    """(tanh(w) (D - 2) - g sinh(v)) / q"""
    form, w = _form(xp, c, d), _w(xp, y)
    q = _cosh(xp, w)
    _, share = scaled_k1(xp, finite(xp, form.a * q))
    return finite(xp, (_sinh(xp, w) / q * (share - 2.0) - form.g * _sinh(xp, w - form.w0)) / q)


def _half_score(xp: Namespace[Array], form: _Form[Array], v: Array, share: Array, sign: float) -> Array:
    """d log p / dc for the sign 1, d log p / dd for -1; `share` is D."""
    return 0.5 * (share / form.a - xp.exp(sign * form.w0) * xp.expm1(sign * v))


def _scale_score(xp: Namespace[Array], form: _Form[Array], q: Array, share: Array) -> Array:
    """delta d log p / d delta of x, alpha and beta: 1 + g - a / q + (D - 2) / q**2."""
    return (1.0 - (2.0 - share) / q / q) + (form.g - form.a / q)


def _score(xp: Namespace[Array], form: _Form[Array], w: Array, sign: float) -> Array:
    _, share = scaled_k1(xp, finite(xp, form.a * _cosh(xp, w)))
    return _half_score(xp, form, w - form.w0, share, sign)


def _score_c(xp: Namespace[Array], y: Array, c: Array, d: Array) -> Array:
    return finite(xp, _score(xp, _form(xp, c, d), _w(xp, y), 1.0))


def _score_d(xp: Namespace[Array], y: Array, c: Array, d: Array) -> Array:
    return finite(xp, _score(xp, _form(xp, c, d), _w(xp, y), -1.0))


def _cut(
    xp: Namespace[Array], form: _Form[Array], w: Array, sign: Array, fall: Array | float, growth: float = 0.0
) -> Array:
    """The distance from w, on the side of `sign`, at which P exp(growth distance) has fallen by exp(-fall), by halving;
    with log(1 + pi z / 2) / 2 for kappa, which is close to it."""
    form, w = _Form(*map(xp.stop_gradient, form)), xp.stop_gradient(w)
    v = w - form.w0

    def height(q: Array) -> Array:
        return xp.log(q) - 0.5 * xp.log1p(0.5 * math.pi * form.a * q)

    top = height(_cosh(xp, w))

    def step(state: tuple) -> tuple:
        near, far = state
        middle = 0.5 * (near + far)
        tau = sign * xp.exp(middle)
        drop = 2.0 * form.g * _sinh(xp, v + 0.5 * tau) * _sinh(xp, 0.5 * tau) + height(_cosh(xp, w + tau)) - top
        fallen = ~(drop - growth * xp.exp(middle) < fall)  # NaN has fallen
        return xp.where(fallen, near, middle), xp.where(fallen, middle, far)

    start = (math.log(LEAST) + 0.0 * w, math.log(MOST) + 0.0 * w)
    return xp.stop_gradient(xp.exp(xp.converge(step, start, lambda state: state[0] > state[1], HALVINGS)[1]))


def _beyond(xp: Namespace[Array], form: _Form[Array], w: Array, sign: Array, score: Callable | None = None) -> Array:
    """The integral of P / P(w) over all that lies beyond w on the side of `sign`; with a score, a function of
    (v, q, D), that of the score times P / P(w)."""
    v, q = w - form.w0, _cosh(xp, w)
    kappa, _ = scaled_k1(xp, finite(xp, form.a * q))

    def integrand(tau: Array) -> Array:
        step = sign * tau
        other = _cosh(xp, w + step)
        top, share = scaled_k1(xp, finite(xp, form.a * other))
        drop = 2.0 * form.g * _sinh(xp, v + 0.5 * step) * _sinh(xp, 0.5 * step)
        weight = xp.exp((top - kappa) - drop) * (q / other)
        return weight if score is None else score(v + step, other, share) * weight

    growth = 0.0 if score is None else 1.0  # a score grows as exp(|w|)
    return tail_integral(xp, integrand, _cut(xp, form, w, sign, depth(xp, w), growth), **NODES)


def _centre(xp: Namespace[Array], form: _Form[Array]) -> Array:
    """A point near the mode of P, the root of g sinh(v) = -3/4 tanh(w), by halving: the slope of kappa - log q is
    between -tanh(w) and -tanh(w) / 2."""
    size = xp.abs(form.w0)

    def step(state: tuple) -> tuple:
        near, far = state
        w = 0.5 * (near + far)
        low = form.g * _sinh(xp, size - w) > 0.75
        return xp.where(low, w, near), xp.where(low, far, w)

    near, _ = xp.converge(step, (0.0 * size, size), lambda state: state[0] > state[1], 8)
    return xp.copysign(near, form.w0)


def _log_tails_at(xp: Namespace[Array], form: _Form[Array], w: Array, lower: Array) -> Array:
    """The logarithm of the lower or of the upper tail."""
    tail = _beyond(xp, form, w, xp.where(lower, -1.0 + 0.0 * w, 1.0))
    return xp.minimum(logarithm(xp, tail) + _log_p(xp, form, w), 0.0)


def log_tails(xp: Namespace[Array], y: Array, c: Array, d: Array) -> tuple[Array, Array]:
    form, w = _form(xp, c, d), _w(xp, y)
    lower = w < _centre(xp, form)
    return both_log_tails(xp, _log_tails_at(xp, form, w, lower), lower)


def _moved(xp: Namespace[Array], y: Array, c: Array, d: Array, sign: float) -> Array:
    """dy/dc < 0 for the sign 1, dy/dd > 0 for the sign -1: by the tail that does not reach the score's zero."""
    form, w = _form(xp, c, d), _w(xp, y)
    side = xp.where(_score(xp, form, w, sign) > 0.0, -sign + 0.0 * w, sign)
    return side * _cosh(xp, w) * _beyond(xp, form, w, side, lambda v, q, share: _half_score(xp, form, v, share, sign))


def _by_c(xp: Namespace[Array], y: Array, c: Array, d: Array) -> Array:
    return _moved(xp, y, c, d, 1.0)


def _by_d(xp: Namespace[Array], y: Array, c: Array, d: Array) -> Array:
    return _moved(xp, y, c, d, -1.0)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, c: Array, d: Array) -> Array:
    """By Newton's method on the logarithm of the tail beyond the mode, which is concave there, from a start farther out
    than the root."""
    form = _form(xp, c, d)
    centre = _centre(xp, form)
    at_centre = _log_tails_at(xp, form, centre, centre > -math.inf)
    lower = logarithm(xp, q) < at_centre
    sign = xp.where(lower, -1.0 + 0.0 * q, 1.0)
    target = logarithm(xp, xp.where(lower, q, one_minus_q))
    start = centre + sign * _cut(xp, form, centre, sign, xp.maximum(-target, 0.0) + 0.5)

    def residual(w: Array) -> tuple[Array, Array]:
        tail = _beyond(xp, form, w, sign)
        error = target - (logarithm(xp, tail) + _log_p(xp, form, w))
        return error, -sign * error * tail

    most = 0.9 * math.log(float(xp.finfo(q).max))
    return _sinh(xp, newton(xp, residual, start, -most, most))


def _into(xp: Namespace[Array], mu: Array, scale: Array, alpha: Array, beta: Array) -> tuple[Array, ...]:
    return scale * (alpha - beta), scale * (alpha + beta), mu, scale


def _jacobian(xp: Namespace[Array], mu: Array, scale: Array, alpha: Array, beta: Array) -> tuple[tuple, ...]:
    return (
        (0.0, 0.0, 1.0, 0.0),
        (alpha - beta, alpha + beta, 0.0, 1.0),
        (scale, scale, 0.0, 0.0),
        (-scale, scale, 0.0, 0.0),
    )


def _draw(
    xp: Namespace[Array],
    first: Array,
    uniform: Array,
    second: Array,
    mu: Array,
    scale: Array,
    alpha: Array,
    beta: Array,
) -> Array:
    """b V + sqrt(V) n, V an inverse Gaussian number of mean 1 / g and concentration 1."""
    c, d, _, _ = _into(xp, mu, scale, alpha, beta)
    mean = 1.0 / (xp.sqrt(c) * xp.sqrt(d))
    known = inverse_gaussian.FAMILY.draw
    assert known is not None
    variance = known.find(xp, first, uniform, mean, 1.0 + 0.0 * mean)
    return mu + scale * (0.5 * (d - c) * variance + xp.sqrt(variance) * second)


def _variance(xp: Namespace[Array], c: Array, d: Array) -> Array:
    """a**2 / g**3"""
    form = _form(xp, c, d)
    return (form.a / form.g) * (form.a / form.g) / form.g


def _standard(xp: Namespace[Array], x: Array, *params: Array) -> tuple[_Form[Array], Array]:
    """The form and w."""
    c, d, mu, scale = _into(xp, *params)
    return _form(xp, c, d), _w(xp, (x - mu) / scale)


def _by_scale(xp: Namespace[Array], x: Array, *params: Array) -> Array:
    """dx / d scale by an integral of its own: the sum of y and of what it changes through c and d cancels far out."""
    form, w = _standard(xp, x, *params)
    side = xp.where(w < _centre(xp, form), -1.0 + 0.0 * w, 1.0)
    tail = _beyond(xp, form, w, side, lambda v, q, share: _scale_score(xp, form, q, share))
    return side * _cosh(xp, w) * tail


def _score_scale(xp: Namespace[Array], x: Array, *params: Array) -> Array:
    form, w = _standard(xp, x, *params)
    q = _cosh(xp, w)
    _, share = scaled_k1(xp, finite(xp, form.a * q))
    return finite(xp, _scale_score(xp, form, q, share) / params[1])


def _tanh(xp: Namespace[Array], s: Array) -> Array:
    """With a derivative that does not cancel far out."""
    sign = xp.where(s < 0.0, -1.0 + 0.0 * s, 1.0)
    fall = xp.expm1(-2.0 * sign * s)
    return -sign * fall / (2.0 + fall)


def _shape(xp: Namespace[Array], mu: Array, scale: Array, alpha: Array, beta: Array) -> Shape:
    """In w, of the mu and scale that are held constant.

    From x to x' the density of x rises by kappa' - kappa - 2 log(Q' / Q) + beta (x' - x) - alpha (Q' - Q), Q = scale q
    and Q' - Q = (x' - x) tanh((w + w') / 2), in which nothing cancels in a derivative; the value of the last two is had
    from v.
    """
    form, still_mu, still_scale = _form(xp, *_into(xp, mu, scale, alpha, beta)[:2]), *map(xp.stop_gradient, (mu, scale))
    centre = xp.stop_gradient(_centre(xp, form))

    def rise(x: Array, t: Array) -> Array:
        still, w = _w(xp, (x - still_mu) / still_scale), _w(xp, (x - mu) / scale)
        half = _sinh(xp, 0.5 * t)
        step = 2.0 * still_scale * _cosh(xp, still + 0.5 * t) * half
        other = _w(xp, (still_scale * _sinh(xp, still + t) + (still_mu - mu)) / scale)
        q, q_other, change = _cosh(xp, w), _cosh(xp, other), step * _tanh(xp, 0.5 * (w + other))
        plain = beta * step - alpha * change
        exact = -2.0 * form.g * _sinh(xp, (w - form.w0) + 0.5 * t) * half
        bends = scaled_k1_rise(xp, finite(xp, form.a * q), alpha * change)
        bends = bends - 2.0 * log_ratio(xp, scale * q, scale * q_other, change)
        unit = log_ratio(xp, _cosh(xp, still), _cosh(xp, still + t), 2.0 * _sinh(xp, still + 0.5 * t) * half)
        return plain + xp.stop_gradient(exact - plain) + bends + unit

    return Shape(heavy_line(xp, mu, scale), rise, lambda x: centre - _w(xp, (x - mu) / scale))


_STANDARD = Family(
    parameters={"c": "positive", "d": "positive"},
    support=(-math.inf, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_c, _by_d),
    scores=(_score_y, _score_c, _score_d),
    quantile=Quantile(_find, log_density, (_by_c, _by_d)),
    mean=lambda xp, c, d: 0.5 * (d - c) / (xp.sqrt(c) * xp.sqrt(d)),
    variance=_variance,
)


def _family() -> Family:
    found = with_parameters(
        located(_STANDARD),
        {"loc": "real", "scale": "positive", "tailweight": "positive", "skewness": "real"},
        _into,
        _jacobian,
    )
    slopes, scores, quantile = found.slopes, found.scores, found.quantile
    assert scores is not None and quantile is not None
    slopes = (slopes[0], _by_scale, *slopes[2:])
    return dataclasses.replace(
        found,
        slopes=slopes,
        scores=(*scores[:2], _score_scale, *scores[3:]),
        quantile=quantile._replace(slopes=slopes),
        draw=Draw(_draw, ("normal", "uniform", "normal")),
        shape=_shape,
    )


FAMILY = dataclasses.replace(
    _family(),
    about=r"""
    That of :math:`\mu + \beta V + \sqrt V Z` with a normal number Z and V ~ `InverseGaussian`
    (:math:`\delta / \gamma, \delta^2`), :math:`\gamma = \sqrt{\alpha^2 - \beta^2}`.  Density
    :math:`\tfrac{\alpha}{\pi} e^{\delta \gamma + \beta (x - \mu)} K_1(\alpha \delta q) / q` with
    :math:`q^2 = 1 + (x - \mu)^2 / \delta^2`.

    The names are TensorFlow Probability's; SciPy's `norminvgauss` has :math:`a = \alpha \delta` and
    :math:`b = \beta \delta`.

    :param loc: :math:`\mu`; number or array, broadcast with the others.
    :param scale: :math:`\delta > 0`.
    :param tailweight: :math:`\alpha > 0`; the lighter the tails, the larger.
    :param skewness: :math:`\beta` between :math:`-\alpha` and :math:`\alpha`.
    :raises ValueError: for parameters outside their constraint, not finite, for a skewness that is not less than the
        tail weight, or shapes that do not broadcast.

    Source: Barndorff-Nielsen 1997.
    """,
    within={"skewness": "tailweight"},
)
