"""BetaPrime: the odds x = z / (1 - z) of a beta number z; see `beta`.

symbol   meaning
a, b     concentration1, concentration0
z, w     x / (1 + x) and 1 / (1 + x)
"""

from __future__ import annotations

import math

from ..generic.family import Draw, Family, Noise, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import HALF_LINE, Shape, logistic_rise
from ..numerics.elementary import finite, positive, tails_inside, two_product, two_sum
from ..numerics.gamma_function import digamma
from . import beta


def _lean(xp: Namespace[Array], x: Array, w: Array, a: Array, b: Array) -> tuple[Array, Array | float]:
    """a w - b z = (a - b x) w, and what its rounding has left."""
    huge = x > 1e16  # where b x may overflow, and w is 1 / x
    product, error = two_product(xp, b, xp.where(huge, 0.0, x))
    delta, rest = two_sum(xp, a, -product)
    delta, rest = two_sum(xp, delta * w, (rest - error) * w)
    return xp.where(huge, a * w - b, delta), rest


def _place(xp: Namespace[Array], x: Array, a: Array, b: Array) -> beta.Place:
    x = finite(xp, positive(xp, x))
    z, w, log_z, log_w = place_of_odds(xp, x)
    return beta.Place(z, w, log_z, log_w, *_lean(xp, x, w, a, b))


def place_of_odds(xp: Namespace[Array], x: Array, log_x: Array | None = None) -> tuple[Array, Array, Array, Array]:
    """(z, w, log z, log w)

    :param log_x: given where x was held in the range of its dtype.
    """
    above = x > 1.0
    ratio = xp.where(above, 1.0 / x, x)
    less, more = ratio / (1.0 + ratio), 1.0 / (1.0 + ratio)
    log_more = -xp.log1p(ratio)
    log_less = log_more - xp.abs(xp.log(x) if log_x is None else log_x)
    z, log_z = xp.where(above, more, less), xp.where(above, log_more, log_less)
    w, log_w = xp.where(above, less, more), xp.where(above, log_less, log_more)
    return z, w, log_z, log_w


def log_density(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    at = positive(xp, x)
    near = (at > 1e-20) & (at < 1e20)  # where a unit of x leaves nothing out of range
    unit, apart = xp.where(near, at, 1.0), xp.where(near, 0.0, xp.log(at))
    return xp.where(x > 0.0, beta.log_density_at(xp, _place(xp, x, a, b), a, b, unit) - apart, -math.inf)


def _score_x(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    """((a - 1) w - (b + 1) z) / x"""
    at, one = _place(xp, x, a, b), 1.0 + 0.0 * a
    (less, less_rest), (more, more_rest) = two_sum(xp, a, -one), two_sum(xp, b, one)
    delta, rest = _lean(xp, finite(xp, positive(xp, x)), at.w, less, more)
    lean = delta + (rest + less_rest * at.w - more_rest * at.z)
    return xp.where(x > 0.0, finite(xp, lean / positive(xp, x)), 0.0)


def _score_a(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    at = _place(xp, x, a, b)
    return xp.where(x > 0.0, beta.score_at(xp, at, at.z, a, b), 0.0)


def _score_b(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    at = _place(xp, x, a, b).mirrored()
    return xp.where(x > 0.0, beta.score_at(xp, at, at.z, b, a), 0.0)


def log_tails(xp: Namespace[Array], x: Array, a: Array, b: Array) -> tuple[Array, Array]:
    lower, upper = beta.log_tails_at(xp, _place(xp, x, a, b), a, b)
    return tails_inside(xp, x > 0.0, lower, upper)


def _by_a(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    return x * beta.dlogit_da(xp, xp.log(positive(xp, x)), a, b)


def _by_b(xp: Namespace[Array], x: Array, a: Array, b: Array) -> Array:
    return x * beta.dlogit_db(xp, xp.log(positive(xp, x)), a, b)


def entropy(xp: Namespace[Array], a: Array, b: Array) -> Array:
    """-E[log p(z)] + E[log dx/dz], dx/dz = 1 / w**2."""
    return beta.entropy(xp, a, b) + 2.0 * (digamma(xp, a + b) - digamma(xp, b))


def shape(xp: Namespace[Array], a: Array, b: Array) -> Shape:
    """In log x, z**a w**b."""

    def rise(x: Array, v: Array) -> Array:
        z, w, _, _ = place_of_odds(xp, positive(xp, x))
        return logistic_rise(xp, a, b, z, w, v)

    return Shape(HALF_LINE, rise, a / b)


def _mean(xp: Namespace[Array], a: Array, b: Array) -> Array:
    """Infinite up to b = 1."""
    has_mean = b > 1.0
    return xp.where(has_mean, a / (xp.where(has_mean, b, 2.0) - 1.0), math.inf)


def _variance(xp: Namespace[Array], a: Array, b: Array) -> Array:
    """Infinite up to b = 2."""
    has_variance = b > 2.0
    many = xp.where(has_variance, b, 3.0)
    return xp.where(has_variance, a * (a + many - 1.0) / ((many - 2.0) * (many - 1.0) * (many - 1.0)), math.inf)


FAMILY = Family(
    about="""
    Density :math:`x^{a-1} (1 + x)^{-a-b} / B(a, b)` for x > 0.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param concentration1: :math:`a > 0`; number or array, broadcast with the others.
    :param concentration0: :math:`b > 0`.
    """,
    parameters={"concentration1": "positive", "concentration0": "positive"},
    support=(0.0, math.inf),
    log_density=log_density,
    log_tails=log_tails,
    slopes=(_by_a, _by_b),
    scores=(_score_x, _score_a, _score_b),
    quantile=Quantile(beta.logit_quantile, beta.logit_density, (beta.dlogit_da, beta.dlogit_db), "log"),
    draw=Draw(lambda xp, logit, a, b: logit, (Noise("logit beta", lambda xp, a, b: (a, b)),)),
    entropy=entropy,
    mean=_mean,
    variance=_variance,
    shape=shape,
)
