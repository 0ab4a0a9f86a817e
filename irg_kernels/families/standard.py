"""The families in closed form: Cauchy, HalfCauchy, HalfNormal, Logistic, Gumbel, LogNormal, Exponential, Uniform.

symbol   meaning
y        standardised value, (x - loc) / scale or x / scale
e        the exponential number -log P(X > x)
"""

from __future__ import annotations

import math

from ..generic.derived import located
from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, exponential_rise, line, logistic_rise, logistic_shares, odds_shares
from ..numerics.elementary import finite, finite_exp, log1mexp, log_quotient, log_split, positive, tails_inside
from ..numerics.roots import log_survival, logarithm
from . import gamma, normal, student_t

EULER = 0.5772156649015329


# --------------------------------------------------------------------------------------------------------------- Cauchy


def _cauchy_log_density(xp: Namespace[Array], y: Array) -> Array:
    far = xp.abs(y) > 1e9  # where y**2 would overflow, and 1 is nothing beside it
    log_far = 2.0 * xp.log(xp.abs(xp.where(far, y, 1.0)))
    near = xp.where(far, 0.0, y)
    return -xp.where(far, log_far, xp.log1p(near * near)) - math.log(math.pi)


def _cauchy_log_tails(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    return _log_angle(xp, -y) - math.log(math.pi), _log_angle(xp, y) - math.log(math.pi)


def _log_angle(xp: Namespace[Array], y: Array) -> Array:
    """log of the angle beyond y, which has all its digits where it is small: 1 / y far out, where y**2 overflows."""
    far = y > 1e9
    near = xp.where(far, 1.0, y)
    return xp.where(far, -xp.log(xp.where(far, y, 1.0)), xp.log(xp.arctan2(1.0 + 0.0 * near, near)))


def _cauchy_quantile(xp: Namespace[Array], q: Array, one_minus_q: Array) -> Array:
    angle = math.pi * xp.minimum(q, one_minus_q)
    return xp.copysign(xp.cos(angle) / xp.sin(angle), q - one_minus_q)


def _cauchy_shape(xp: Namespace[Array], loc: Array, scale: Array) -> Shape:
    return student_t.shape(xp, 1.0 + 0.0 * scale, loc, scale)


CAUCHY = located(
    Family(
        parameters={},
        support=(-math.inf, math.inf),
        log_density=_cauchy_log_density,
        log_tails=_cauchy_log_tails,
        slopes=(),
        tails_are_closed=True,
        quantile=Quantile(_cauchy_quantile, _cauchy_log_density, ()),
        entropy=lambda xp: math.log(4.0 * math.pi),
        mean=lambda xp: math.nan,
        variance=lambda xp: math.nan,
    ),
    _cauchy_shape,
)


def _half_cauchy_log_tails(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    inside, y = _above_0(xp, y)
    log_unit, far = math.log(2.0 / math.pi), y > 1.0
    near, beyond = xp.where(far, 1.0, y), _log_angle(xp, y) + log_unit
    lower = xp.where(far, log1mexp(xp, xp.where(far, beyond, -1.0)), xp.log(xp.arctan2(near, 1.0 + 0.0 * y)) + log_unit)
    return tails_inside(xp, inside, lower, beyond)


def _above_0(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    """(whether y > 0, y there); of a NaN too, which stays"""
    outside = y <= 0.0
    return ~outside, xp.where(outside, 1.0, y)


def _half_cauchy_log_density(xp: Namespace[Array], y: Array) -> Array:
    return xp.where(y >= 0.0, _cauchy_log_density(xp, y) + math.log(2.0), -math.inf)


def _half_cauchy_quantile(xp: Namespace[Array], q: Array, one_minus_q: Array) -> Array:
    lower = q < one_minus_q
    angle = (0.5 * math.pi) * xp.where(lower, q, one_minus_q)
    ratio = xp.sin(angle) / xp.cos(angle)
    return xp.where(lower, ratio, 1.0 / ratio)


def _half_cauchy_shape(xp: Namespace[Array], scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        half, above = 0.5 + 0.0 * x, x > scale
        ratio = xp.where(above, scale, x) / xp.where(above, x, scale)
        p, q = odds_shares(xp, above, ratio * ratio)
        return logistic_rise(xp, half, half, p, q, 2.0 * v)

    return Shape(HALF_LINE, rise, scale)


HALF_CAUCHY = located(
    Family(
        parameters={},
        support=(0.0, math.inf),
        log_density=_half_cauchy_log_density,
        log_tails=_half_cauchy_log_tails,
        slopes=(),
        tails_are_closed=True,
        quantile=Quantile(_half_cauchy_quantile, _half_cauchy_log_density, ()),
        entropy=lambda xp: math.log(2.0 * math.pi),
        mean=lambda xp: math.inf,
        variance=lambda xp: math.inf,
    ),
    _half_cauchy_shape,
    has_loc=False,
)

# ---------------------------------------------------------------------------------------------------------- HalfNormal


def half_normal_log_tails(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    inside, y = _above_0(xp, y)
    lower, upper = xp.log(xp.erf(math.sqrt(0.5) * y)), math.log(2.0) + xp.log_ndtr(-y)
    return tails_inside(xp, inside, lower, upper)


def _half_normal_log_density(xp: Namespace[Array], y: Array) -> Array:
    return xp.where(y >= 0.0, normal.log_density(xp, y) + math.log(2.0), -math.inf)


def half_normal_quantile(xp: Namespace[Array], q: Array, one_minus_q: Array) -> Array:
    """By Newton's method on the survival function's logarithm, or near 0 on the distribution function itself."""
    start = normal.upper_quantile(xp, log_survival(xp, q, one_minus_q) - math.log(2.0))
    # of a small q the tail above has lost the digits: one step of x - (F(x) - q) / p(x) there
    change = (xp.erf(math.sqrt(0.5) * start) - q) * math.sqrt(0.5 * math.pi)
    return xp.where(q < 0.1, start - change * xp.exp(0.5 * start * start), start)


def _half_normal_shape(xp: Namespace[Array], scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return exponential_rise(xp, 0.5 + 0.0 * x, 0.5 * (x / scale) * (x / scale), 2.0 * v)

    return Shape(HALF_LINE, rise, scale)


HALF_NORMAL = located(
    Family(
        parameters={},
        support=(0.0, math.inf),
        log_density=_half_normal_log_density,
        log_tails=half_normal_log_tails,
        slopes=(),
        tails_are_closed=True,
        quantile=Quantile(half_normal_quantile, _half_normal_log_density, ()),
        entropy=lambda xp: 0.5 * math.log(0.5 * math.pi) + 0.5,
        mean=lambda xp: math.sqrt(2.0 / math.pi),
        variance=lambda xp: 1.0 - 2.0 / math.pi,
    ),
    _half_normal_shape,
    has_loc=False,
)

# ------------------------------------------------------------------------------------------------------------ Logistic


def logistic_log_density(xp: Namespace[Array], y: Array) -> Array:
    return -xp.softplus(y) - xp.softplus(-y)


def logistic_log_tails(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    return -xp.softplus(-y), -xp.softplus(y)


def logistic_quantile(xp: Namespace[Array], q: Array, one_minus_q: Array) -> Array:
    return logarithm(xp, q) - logarithm(xp, one_minus_q)


def _logistic_shape(xp: Namespace[Array], loc: Array, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        y, one = (x - loc) / scale, 1.0 + 0.0 * x
        p, q = logistic_shares(xp, y)
        return logistic_rise(xp, one, one, p, q, v / scale)

    return Shape(line(scale), rise, loc)


LOGISTIC = located(
    Family(
        parameters={},
        support=(-math.inf, math.inf),
        log_density=logistic_log_density,
        log_tails=logistic_log_tails,
        slopes=(),
        tails_are_closed=True,
        quantile=Quantile(logistic_quantile, logistic_log_density, ()),
        entropy=lambda xp: 2.0,
        mean=lambda xp: 0.0,
        variance=lambda xp: math.pi**2 / 3.0,
    ),
    _logistic_shape,
)

# -------------------------------------------------------------------------------------------------------------- Gumbel


def _gumbel_log_density(xp: Namespace[Array], y: Array) -> Array:
    return -xp.maximum(y, -1e4) - finite_exp(xp, -y)  # left of -1e4 the second term is all there is


def gumbel_log_tails(xp: Namespace[Array], y: Array) -> tuple[Array, Array]:
    # log(1 - exp(-e)), e = exp(-y): beyond y = 60 it is -y, and e underflows
    far = y > 60.0
    log_lower = -finite_exp(xp, -y)
    return log_lower, xp.where(far, -y, log1mexp(xp, xp.where(far, -1.0, log_lower)))


def gumbel_quantile(xp: Namespace[Array], q: Array, one_minus_q: Array) -> Array:
    return -xp.log(-log_survival(xp, one_minus_q, q))


def _gumbel_shape(xp: Namespace[Array], loc: Array, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        log_b = -(x - loc) / scale
        return exponential_rise(xp, 1.0 + 0.0 * x, xp.exp(log_b), -v / scale, log_b)

    return Shape(line(scale), rise, loc)


GUMBEL = located(
    Family(
        parameters={},
        support=(-math.inf, math.inf),
        log_density=_gumbel_log_density,
        log_tails=gumbel_log_tails,
        slopes=(),
        tails_are_closed=True,
        quantile=Quantile(gumbel_quantile, _gumbel_log_density, ()),
        entropy=lambda xp: 1.0 + EULER,
        mean=lambda xp: EULER,
        variance=lambda xp: math.pi**2 / 6.0,
    ),
    _gumbel_shape,
)

# ----------------------------------------------------------------------------------------------------------- LogNormal


def _log_normal_y(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    """(log x - loc) / scale: a small scale wants more digits of log x than its dtype has."""
    log_x, rest = log_split(xp, positive(xp, x))
    return ((log_x - loc) + rest) / scale


def _log_normal_log_density(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    y, at = _log_normal_y(xp, x, loc, scale), positive(xp, x)
    return xp.where(x > 0.0, log_quotient(xp, 1.0 / scale, at) + normal.log_density(xp, y), -math.inf)


def _log_normal_score_x(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    y = _log_normal_y(xp, x, loc, scale)
    return xp.where(x > 0.0, finite(xp, -(y / scale + 1.0) / positive(xp, x)), 0.0)


def _log_normal_score_loc(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    return xp.where(x > 0.0, _log_normal_y(xp, x, loc, scale) / scale, 0.0)


def _log_normal_score_scale(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    y = _log_normal_y(xp, x, loc, scale)
    return xp.where(x > 0.0, (y - 1.0) * (y + 1.0) / scale, 0.0)


def _log_normal_log_tails(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> tuple[Array, Array]:
    lower, upper = normal.log_tails(xp, _log_normal_y(xp, x, loc, scale))
    return tails_inside(xp, x > 0.0, lower, upper)


def _log_normal_by_loc(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    return x


def _log_normal_by_scale(xp: Namespace[Array], x: Array, loc: Array, scale: Array) -> Array:
    return x * _log_normal_y(xp, x, loc, scale)


def _log_normal_entropy(xp: Namespace[Array], loc: Array, scale: Array) -> Array:
    return loc + xp.log(scale) + (normal.HALF_LOG_2PI + 0.5)


def _log_normal_mean(xp: Namespace[Array], loc: Array, scale: Array) -> Array:
    return xp.exp(loc + 0.5 * scale * scale)


def _log_normal_variance(xp: Namespace[Array], loc: Array, scale: Array) -> Array:
    square = scale * scale
    return xp.expm1(square) * xp.exp(2.0 * loc + square)


def _log_normal_shape(xp: Namespace[Array], loc: Array, scale: Array) -> Shape:
    def rise(x: Array, v: Array) -> Array:
        return -0.5 * (v / scale) * (v / scale + 2.0 * _log_normal_y(xp, x, loc, scale))

    return Shape(HALF_LINE, rise, lambda x: loc - xp.log(x))


LOG_NORMAL = Family(
    parameters={"loc": "real", "scale": "positive"},
    support=(0.0, math.inf),
    log_density=_log_normal_log_density,
    log_tails=_log_normal_log_tails,
    slopes=(_log_normal_by_loc, _log_normal_by_scale),
    scores=(_log_normal_score_x, _log_normal_score_loc, _log_normal_score_scale),
    tails_are_closed=True,
    quantile=normal.FAMILY.quantile and normal.FAMILY.quantile._replace(coordinate="log"),
    entropy=_log_normal_entropy,
    mean=_log_normal_mean,
    variance=_log_normal_variance,
    shape=_log_normal_shape,
)

# --------------------------------------------------------------------------------------------------------- Exponential


def _exponential_log_density(xp: Namespace[Array], x: Array, rate: Array) -> Array:
    return xp.where(x >= 0.0, xp.log(rate) - rate * x, -math.inf)


def _exponential_log_tails(xp: Namespace[Array], x: Array, rate: Array) -> tuple[Array, Array]:
    inside, x = _above_0(xp, x)
    e = rate * x
    return tails_inside(xp, inside, log1mexp(xp, -e), -e)


def _exponential_quantile(xp: Namespace[Array], q: Array, one_minus_q: Array, rate: Array) -> Array:
    return -log_survival(xp, q, one_minus_q) / rate


def _exponential_shape(xp: Namespace[Array], rate: Array) -> Shape:
    return Shape(HALF_LINE, lambda x, v: exponential_rise(xp, 1.0 + 0.0 * x, rate * x, v), 1.0 / rate)


def _exponential_over_gamma(xp: Namespace[Array], rate: Array, a_q: Array, rate_q: Array) -> Array:
    return gamma.divergence(xp, 1.0 + 0.0 * rate, rate, a_q, rate_q)


EXPONENTIAL = Family(
    parameters={"rate": "positive"},
    support=(0.0, math.inf),
    log_density=_exponential_log_density,
    log_tails=_exponential_log_tails,
    slopes=(lambda xp, x, rate: -x / rate,),
    tails_are_closed=True,
    quantile=Quantile(_exponential_quantile, _exponential_log_density, (lambda xp, x, rate: -x / rate,)),
    entropy=lambda xp, rate: 1.0 - xp.log(rate),
    mean=lambda xp, rate: 1.0 / rate,
    variance=lambda xp, rate: 1.0 / (rate * rate),
    shape=_exponential_shape,
    divergences={"Gamma": _exponential_over_gamma},
)

# ------------------------------------------------------------------------------------------------------------- Uniform


def _uniform_log_density(xp: Namespace[Array], x: Array, low: Array, high: Array) -> Array:
    return xp.where((x >= low) & (x <= high), -xp.log(high - low), -math.inf)


def _uniform_log_tails(xp: Namespace[Array], x: Array, low: Array, high: Array) -> tuple[Array, Array]:
    width, (above, from_low), (below, to_high) = xp.log(high - low), _above_0(xp, x - low), _above_0(xp, high - x)
    lower, upper = xp.log(from_low) - width, xp.log(to_high) - width
    return (
        xp.where(above, xp.where(below, lower, 0.0), -math.inf),
        xp.where(below, xp.where(above, upper, 0.0), -math.inf),
    )


def _uniform_quantile(xp: Namespace[Array], q: Array, one_minus_q: Array, low: Array, high: Array) -> Array:
    return xp.where(q < one_minus_q, low + q * (high - low), high - one_minus_q * (high - low))


_UNIFORM_SLOPES = (
    lambda xp, x, low, high: (high - x) / (high - low),
    lambda xp, x, low, high: (x - low) / (high - low),
)


def _uniform_shape(xp: Namespace[Array], low: Array, high: Array) -> Shape:
    return Shape(line(high - low), lambda x, v: 0.0 * (x + v), 0.5 * (low + high), ends=(low, high))


UNIFORM = Family(
    parameters={"low": "real", "high": "real"},
    support=(lambda xp, low, high: low, lambda xp, low, high: high),
    log_density=_uniform_log_density,
    log_tails=_uniform_log_tails,
    slopes=_UNIFORM_SLOPES,
    tails_are_closed=True,
    quantile=Quantile(_uniform_quantile, _uniform_log_density, _UNIFORM_SLOPES),
    entropy=lambda xp, low, high: xp.log(high - low),
    mean=lambda xp, low, high: 0.5 * (low + high),
    variance=lambda xp, low, high: (high - low) * (high - low) / 12.0,
    shape=_uniform_shape,
)
