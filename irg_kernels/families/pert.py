"""PERT: a beta distribution between low and high whose mode is peak, of shapes that add up to 2 + temperature.

symbol   meaning
l, r     shares of the width that lie below the peak and above it
a, b     1 + t l and 1 + t r, t the temperature
z, w     shares that lie below x and above it
"""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.charts import Along, Shape, interval, interval_rise, takes_along
from ..numerics.elementary import finite, positive, tails_between
from . import beta


def concentration1(xp: Namespace[Array], low: Array, peak: Array, high: Array, t: Array) -> Array:
    return 1.0 + t * ((peak - low) / (high - low))


def concentration0(xp: Namespace[Array], low: Array, peak: Array, high: Array, t: Array) -> Array:
    return 1.0 + t * ((high - peak) / (high - low))


def _shapes(xp: Namespace[Array], *params: Array) -> tuple[Array, Array]:
    return concentration1(xp, *params), concentration0(xp, *params)


def _place(xp: Namespace[Array], x: Array, *params: Array) -> beta.Place:
    """Outside the support, a point next to its end."""
    low, _, high, _ = params
    a, b = _shapes(xp, *params)
    z, w = (positive(xp, share / (high - low)) for share in (x - low, high - x))
    near = z < w
    log_z = xp.where(near, xp.log(z), xp.log1p(-xp.where(near, 0.5, w)))
    log_w = xp.where(near, xp.log1p(-xp.where(near, z, 0.5)), xp.log(w))
    return beta.Place(z, w, log_z, log_w, a * w - b * z)


def log_density(xp: Namespace[Array], x: Array, *params: Array) -> Array:
    low, peak, high, _ = params
    at = _place(xp, x, *params)
    inside = beta.log_density_at(xp, at, *_shapes(xp, *params), at.z * at.w) - xp.log(high - low)
    end = xp.where(xp.abs(x - peak) > 0.0, -math.inf, xp.log((1.0 + params[3]) / (high - low)))
    return xp.where((x > low) & (x < high), inside, xp.where((x < low) | (x > high), -math.inf, end))


def log_tails(xp: Namespace[Array], x: Array, *params: Array) -> tuple[Array, Array]:
    low, _, high, _ = params
    lower, upper = beta.log_tails_at(xp, _place(xp, x, *params), *_shapes(xp, *params))
    return tails_between(xp, x <= low, x >= high, lower, upper)


def _scores(xp: Namespace[Array], x: Array, *params: Array) -> list[Array]:
    """In x, low, peak, high and t: (a - 1) w - (b - 1) z is t (peak - x) / width."""
    low, peak, high, t = params
    width, at, (a, b) = high - low, _place(xp, x, *params), _shapes(xp, *params)
    lean = t * ((peak - x) / width)
    turned = at.mirrored()
    by_a, by_b = beta.score_at(xp, at, at.z, a, b), beta.score_at(xp, turned, turned.z, b, a)
    left, right, apart = (peak - low) / width, (high - peak) / width, t * (by_b - by_a)
    found = [
        lean / at.z / at.w / width,
        (1.0 - lean / at.z + right * apart) / width,
        -apart / width,
        (left * apart - 1.0 - lean / at.w) / width,
        left * by_a + right * by_b,
    ]
    return [xp.where((x >= low) & (x <= high), finite(xp, score), 0.0) for score in found]


def _moved(xp: Namespace[Array], x: Array, *params: Array) -> list[Array]:
    """dx / d each parameter at fixed quantile."""
    low, peak, high, t = params
    width, at, (a, b) = high - low, _place(xp, x, *params), _shapes(xp, *params)
    logit = at.log_z - at.log_w
    by_a, by_b = (at.z * at.w * of(xp, logit, a, b) for of in (beta.dlogit_da, beta.dlogit_db))
    left, right, apart = (peak - low) / width, (high - peak) / width, t * (by_b - by_a)
    return [at.w + right * apart, -apart, at.z + left * apart, width * (left * by_a + right * by_b)]


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, *params: Array) -> Array:
    low, _, high, _ = params
    logit = beta.logit_quantile(xp, q, one_minus_q, *_shapes(xp, *params))
    share = (high - low) * xp.sigmoid(-xp.abs(logit))
    return xp.where(logit < 0.0, low + share, high - share)


def _entropy(xp: Namespace[Array], *params: Array) -> Array:
    return beta.entropy(xp, *_shapes(xp, *params)) + xp.log(params[2] - params[0])


def _mean(xp: Namespace[Array], low: Array, peak: Array, high: Array, t: Array) -> Array:
    return peak + ((low - peak) + (high - peak)) / (2.0 + t)


def _variance(xp: Namespace[Array], *params: Array) -> Array:
    width = params[2] - params[0]
    return width * width * beta.variance(xp, *_shapes(xp, *params))


def _shape(xp: Namespace[Array], *params: Array) -> Shape:
    """In the logit of z, z**a w**b."""
    (low, _, high, t), (a, b) = params, _shapes(xp, *params)

    def shares(x: Array) -> tuple[Array, Array]:
        return _place(xp, x, *params)[:2]

    def of(along: Along[Array]) -> Shape:
        rise = interval_rise(xp, a, b, low, high, shares, along=along)
        return Shape(interval(xp, low, high, along=along), rise, low + (high - low) * (a / (2.0 + t)))

    return of((1.0, 1.0))._replace(between=lambda x, bounds: of(takes_along(xp, x, (low, high), bounds)))


_SLOPES = tuple(lambda xp, *args, i=i: _moved(xp, *args)[i] for i in range(4))

FAMILY = Family(
    about="""
    :math:`l + (h - l) y` with y ~ Beta(:math:`1 + t (m - l)/(h - l)`, :math:`1 + t (h - m)/(h - l)`).

    A draw that rounds to an end is held next to it, with the derivative of the true draw.

    :param low: lower end :math:`l`; number or array, broadcast with the others.
    :param peak: mode :math:`m`, between them.
    :param high: upper end :math:`h > l`.
    :param temperature: how firmly the distribution sits about its mode, :math:`t > 0`.
    """,
    parameters={"low": "real", "peak": "real", "high": "real", "temperature": "positive"},
    order=("low", "peak", "high"),
    support=(lambda xp, low, peak, high, t: low, lambda xp, low, peak, high, t: high),
    log_density=log_density,
    log_tails=log_tails,
    slopes=_SLOPES,
    scores=tuple(lambda xp, *args, i=i: _scores(xp, *args)[i] for i in range(5)),
    quantile=Quantile(_find, log_density, _SLOPES),
    entropy=_entropy,
    mean=_mean,
    variance=_variance,
    shape=_shape,
)
