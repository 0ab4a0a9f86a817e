"""FisherSnedecor: the quotient x of two mean squares, of df1 and of df2 degrees of freedom; see `beta_prime`.

symbol   meaning
a, b     df1 / 2 and df2 / 2
y        x a / b, the odds of a beta number z ~ Beta(a, b); w = 1 - z
delta    a w - b z = a (1 - x) w
"""

from __future__ import annotations

import math

from ..generic.family import Draw, Family, Noise, Quantile
from ..namespace import Array, Namespace
from ..numerics import beta_series, beta_tail
from ..numerics.beta_score import level_score, level_score_at, score_parts
from ..numerics.charts import HALF_LINE, Shape, logistic_rise
from ..numerics.elementary import expm1mx, finite, in_range, log1pmx, log_quotient, positive, tails_inside, two_sum
from ..numerics.quadrature import tail_integral
from . import beta, beta_prime


def _place(xp: Namespace[Array], x: Array, df1: Array, df2: Array) -> beta.Place:
    x = finite(xp, positive(xp, x))
    odds = finite(xp, positive(xp, x * (df1 / df2)))
    inside = in_range(xp, odds)
    log_odds = xp.where(inside, xp.log(odds), _log_odds(xp, xp.log(x), df1, df2))
    z, w, log_z, log_w = beta_prime.place_of_odds(xp, odds, log_odds)
    a, b = 0.5 * df1, 0.5 * df2
    huge = x > 1e16  # where a x may overflow, and x w is z b / a
    less, rest = two_sum(xp, 1.0 + 0.0 * x, -xp.where(huge, 0.0, x))
    return beta.Place(z, w, log_z, log_w, xp.where(huge, a * w - b * z, a * less * w), rest * a * w)


def log_density(xp: Namespace[Array], x: Array, df1: Array, df2: Array) -> Array:
    at = positive(xp, x)
    near = (at > 1e-20) & (at < 1e20)  # where a unit of x leaves nothing out of range
    unit, apart = xp.where(near, at, 1.0), xp.where(near, 0.0, xp.log(at))
    inside = beta.log_density_at(xp, _place(xp, x, df1, df2), 0.5 * df1, 0.5 * df2, unit) - apart
    return xp.where(x > 0.0, inside, -math.inf)


def _score_x(xp: Namespace[Array], x: Array, df1: Array, df2: Array) -> Array:
    """(delta - 1) / x, of which (a - 1) w - (b + 1) z has the digits where a is small."""
    at = _place(xp, x, df1, df2)
    few = df1 < 4.0
    a, b = xp.where(few, 0.5 * df1, 1.0), 0.5 * df2
    lean = xp.where(few, (a - 1.0) * at.w - (b * at.z + at.z), at.delta - 1.0)
    return xp.where(x > 0.0, finite(xp, lean / positive(xp, x)), 0.0)


def _score_df1(xp: Namespace[Array], x: Array, df1: Array, df2: Array) -> Array:
    return _score(xp, x, _place(xp, x, df1, df2), df1, df2)


def _score_df2(xp: Namespace[Array], x: Array, df1: Array, df2: Array) -> Array:
    return _score(xp, x, _place(xp, x, df1, df2).mirrored(), df2, df1)


def _score(xp: Namespace[Array], x: Array, at: beta.Place, df: Array, other: Array) -> Array:
    score = level_score(xp, at.z, at.w, at.log_z, 0.5 * df, 0.5 * other, at.delta)
    return xp.where(x > 0.0, 0.5 * score, 0.0)


def log_tails(xp: Namespace[Array], x: Array, df1: Array, df2: Array) -> tuple[Array, Array]:
    lower, upper = beta.log_tails_at(xp, _place(xp, x, df1, df2), 0.5 * df1, 0.5 * df2)
    return tails_inside(xp, x > 0.0, lower, upper)


def _log_odds(xp: Namespace[Array], log_x: Array, df1: Array, df2: Array) -> Array:
    return log_x + log_quotient(xp, df1, df2)


def dlogx_ddf1(xp: Namespace[Array], log_x: Array, df1: Array, df2: Array) -> Array:
    """(d log y / da - 1 / a) / 2, 1 / a taken under the integral of `beta.dlogit_da` as int E'(t) exp(-E(t)) dt / a.

    With s = k + delta / a, of which the first order cancels, at t: I = int ((a + b + 1) s - k) exp(-E) dt,

    a (d log y / da - 1 / a) = 1 / a - s - z I of the lower tail, b (d log y / da - 1 / a) = s + w I of the upper one.

    Of a small a, s and k are about 1 / a: their term b / (a (a + b)) is taken out and joins the others by hand.  So is
    -b z / a of the lower tail, which int E'(t) exp(-E) dt = 1 cancels, E' = a + 1 - (a + b + 1) z: b / a becomes -b.
    """
    a, b, total = 0.5 * df1, 0.5 * df2, 0.5 * (df1 + df2)
    log_odds = _log_odds(xp, log_x, df1, df2)
    z, w, log_z = xp.sigmoid(log_odds), xp.sigmoid(-log_odds), -xp.softplus(-log_odds)
    less = log_x < 0.0
    delta = -a * w * xp.expm1(xp.where(less, log_x, 0.0)) + b * z * xp.expm1(-xp.where(less, 0.0, log_x))
    of = score_parts(xp, z, w, log_z, a, b, delta)
    apart = b / a / total
    k = of.logarithm + b * of.tail + apart
    is_lower = (delta + 0.5 * (w - z) > 0.0) | (k * (1.0 + a) < -2.0 * b)
    lower = xp.indicator(is_lower, like=log_x)
    zeta, complement = xp.where(is_lower, z, w), xp.where(is_lower, w, z)
    shape, other = xp.where(is_lower, a, b), xp.where(is_lower, b, a)
    slope = (2.0 * lower - 1.0) * delta + complement
    is_small = is_lower & (a < 1.0)
    constant = b * xp.where(is_small, -1.0, 1.0 / a)

    def integrand(t: Array) -> Array:
        rise, exponent = beta_tail.outwards(xp, t, zeta, complement, lower, shape + 1.0, total + 1.0, slope)
        log_ratio = of.logarithm + xp.where(is_lower, -rise, rise)
        score = level_score_at(xp, log_ratio, of.tail, a, b, is_small)
        return ((total + 1.0) * score - (log_ratio + b * of.tail) + constant) * xp.exp(-exponent)

    outward = xp.where(is_lower, -log_odds, log_odds)
    cut = beta_tail.cut_of(xp, zeta, complement, shape + 1.0, other, slope, outward)
    tail = zeta * tail_integral(xp, integrand, cut, nodes_f32=beta.NODES_F32, nodes_f64=beta.NODES_F64)
    score = level_score_at(xp, of.logarithm, of.tail, a, b, is_small)
    found = xp.where(is_lower, 1.0 / total - score - tail, apart + score + tail) / shape
    served, level = beta_series.level_slope(xp, w, log_z, a, b, of.tail)
    return 0.5 * xp.where(served, level, found)


def dlogx_ddf2(xp: Namespace[Array], log_x: Array, df1: Array, df2: Array) -> Array:
    """1 / x has the degrees of freedom exchanged."""
    return -dlogx_ddf1(xp, -log_x, df2, df1)


def _by_df1(xp: Namespace[Array], x: Array, df1: Array, df2: Array) -> Array:
    return x * dlogx_ddf1(xp, xp.log(positive(xp, x)), df1, df2)


def _by_df2(xp: Namespace[Array], x: Array, df1: Array, df2: Array) -> Array:
    return x * dlogx_ddf2(xp, xp.log(positive(xp, x)), df1, df2)


def _draw(xp: Namespace[Array], logit: Array, df1: Array, df2: Array) -> Array:
    return logit + xp.log(df2 / df1)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, df1: Array, df2: Array) -> Array:
    """log x"""
    return beta.logit_quantile(xp, q, one_minus_q, 0.5 * df1, 0.5 * df2) - log_quotient(xp, df1, df2)


def _density_of_log(xp: Namespace[Array], log_x: Array, df1: Array, df2: Array) -> Array:
    return beta.logit_density(xp, _log_odds(xp, log_x, df1, df2), 0.5 * df1, 0.5 * df2)


def _entropy(xp: Namespace[Array], df1: Array, df2: Array) -> Array:
    return beta_prime.entropy(xp, 0.5 * df1, 0.5 * df2) - log_quotient(xp, df1, df2)


def _mean(xp: Namespace[Array], df1: Array, df2: Array) -> Array:
    """Infinite up to df2 = 2."""
    has_mean = df2 > 2.0
    many = xp.where(has_mean, df2, 3.0)
    return xp.where(has_mean, many / (many - 2.0), math.inf) + 0.0 * df1


def _variance(xp: Namespace[Array], df1: Array, df2: Array) -> Array:
    """Infinite up to df2 = 4."""
    has_variance = df2 > 4.0
    many = xp.where(has_variance, df2, 5.0)
    mean = many / (many - 2.0)
    return xp.where(has_variance, 2.0 * mean * mean * (df1 + many - 2.0) / (df1 * (many - 4.0)), math.inf)


def _shape(xp: Namespace[Array], df1: Array, df2: Array) -> Shape:
    """In log x, z**a w**b.

    With E = e**v - 1 and q = z E it is a v - (a + b) log1p(q) = -a h(v) - a (x - 1) w E - (a + b) log1pmx(q), h(v) =
    E - v, where q is small: the derivatives of no term are larger than those of the sum.
    """

    def rise(x: Array, v: Array) -> Array:
        at = _place(xp, x, df1, df2)
        a, b = 0.5 * df1, 0.5 * df2
        plain = logistic_rise(xp, a, b, at.z, at.w, v)
        little = xp.where(xp.abs(v) < 1.0, v, 0.0)
        grown = xp.expm1(little)
        small = (xp.abs(v) < 1.0) & (xp.abs(at.z * grown) < 0.5)
        q = xp.where(small, at.z * grown, 0.0)
        lean = xp.where(small, (x - 1.0) * at.w * grown, 0.0)
        near = -a * (expm1mx(xp, little) + lean) - (a + b) * log1pmx(xp, q, xp.log1p(q))
        return xp.where(small, near, plain)

    return Shape(HALF_LINE, rise, 1.0 + 0.0 * df1)


FAMILY = Family(
    about="""
    :math:`x = (s_1 / d_1) / (s_2 / d_2)`, with s chi-squared numbers of d degrees of freedom.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param df1: :math:`d_1 > 0`; number or array, broadcast with the others.
    :param df2: :math:`d_2 > 0`.
    """,
    parameters={"df1": "positive", "df2": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_df1, _by_df2),
    scores=(_score_x, _score_df1, _score_df2),
    quantile=Quantile(_find, _density_of_log, (dlogx_ddf1, dlogx_ddf2), "log"),
    draw=Draw(_draw, (Noise("logit beta", lambda xp, df1, df2: (0.5 * df1, 0.5 * df2)),)),
    entropy=_entropy,
    mean=_mean,
    variance=_variance,
    shape=_shape,
)
