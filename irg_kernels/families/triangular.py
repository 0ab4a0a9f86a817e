"""Triangular: a density that rises linearly from low to peak and falls linearly to high."""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.elementary import both_log_tails, positive


def _sides(xp: Namespace[Array], x: Array, low: Array, high: Array, peak: Array) -> tuple[Array, Array, Array]:
    """(whether x lies below the peak, its distance from the end on its side, the peak's)."""
    below = x < peak
    from_end = xp.maximum(xp.where(below, x - low, high - x), 0.0)
    return below, from_end, positive(xp, xp.where(below, peak - low, high - peak))


def log_density(xp: Namespace[Array], x: Array, low: Array, high: Array, peak: Array) -> Array:
    _, from_end, whole = _sides(xp, x, low, high, peak)
    inside = (x >= low) & (x <= high)
    # at a peak at an end, the density of that end
    share = xp.where(xp.abs(x - peak) <= 0.0, 1.0, from_end / whole)
    log_p = xp.log(xp.where(share > 0.0, share, 1.0)) + math.log(2.0) - xp.log(high - low)
    return xp.where(inside & (share > 0.0), log_p, -math.inf)


def log_tails(xp: Namespace[Array], x: Array, low: Array, high: Array, peak: Array) -> tuple[Array, Array]:
    below, from_end, whole = _sides(xp, x, low, high, peak)
    return both_log_tails(xp, 2.0 * xp.log(from_end) - xp.log(whole) - xp.log(high - low), below)


def _by_peak(xp: Namespace[Array], x: Array, low: Array, high: Array, peak: Array) -> Array:
    _, from_end, whole = _sides(xp, x, low, high, peak)
    return 0.5 * from_end / whole


def _by_low(xp: Namespace[Array], x: Array, low: Array, high: Array, peak: Array) -> Array:
    below, from_end, whole = _sides(xp, x, low, high, peak)
    near, far = 1.0 - 0.5 * from_end * (1.0 / (high - low) + 1.0 / whole), 0.5 * from_end / (high - low)
    return xp.where(below, near, far)


def _by_high(xp: Namespace[Array], x: Array, low: Array, high: Array, peak: Array) -> Array:
    below, from_end, whole = _sides(xp, x, low, high, peak)
    near, far = 1.0 - 0.5 * from_end * (1.0 / (high - low) + 1.0 / whole), 0.5 * from_end / (high - low)
    return xp.where(below, far, near)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, low: Array, high: Array, peak: Array) -> Array:
    width = high - low
    below = q * width < peak - low
    whole = xp.where(below, peak - low, high - peak)
    from_end = xp.sqrt(xp.where(below, q, one_minus_q)) * xp.sqrt(whole) * xp.sqrt(width)
    return xp.where(below, xp.minimum(low + from_end, peak), xp.maximum(high - from_end, peak))


def _variance(xp: Namespace[Array], low: Array, high: Array, peak: Array) -> Array:
    left, right = peak - low, high - peak
    return (left * left + right * right + left * right) / 18.0


_SLOPES = (_by_low, _by_high, _by_peak)

FAMILY = Family(
    parameters={"low": "real", "high": "real", "peak": "real"},
    order=("low", "peak", "high"),
    support=(lambda xp, low, high, peak: low, lambda xp, low, high, peak: high),
    log_density=log_density,
    log_tails=log_tails,
    slopes=_SLOPES,
    tails_are_closed=True,
    quantile=Quantile(_find, log_density, _SLOPES),
    entropy=lambda xp, low, high, peak: 0.5 + xp.log(0.5 * (high - low)) + 0.0 * peak,
    mean=lambda xp, low, high, peak: peak + ((low - peak) + (high - peak)) / 3.0,
    variance=_variance,
)
