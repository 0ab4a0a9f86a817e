"""Triangular: a density that rises linearly from low to peak and falls linearly to high."""

from __future__ import annotations

import math

from ..generic.family import Family, Quantile
from ..namespace import Array, Namespace
from ..numerics.elementary import positive
from ..numerics.masses import Piece, Pieces


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
    """Of the side with x the mass is s f / w, s = f / e; beyond x it is (r + d (1 + s)) / w: d to the peak, r beyond
    that, f and e as in `_sides` and w = high - low.  Either may be close to 1."""
    below, from_end, whole = _sides(xp, x, low, high, peak)
    width, share = high - low, from_end / whole
    beyond = (_other_side(xp, below, low, high, peak) + _to_peak(xp, x, peak, whole) * (1.0 + share)) / width
    little, inside = beyond < 0.5, ~(share <= 0.0)
    log_mass = xp.log(xp.where(inside, share, 1.0)) + xp.log(xp.where(inside, from_end / width, 1.0))
    log_own = xp.where(little, xp.log1p(-xp.where(little, beyond, 0.0)), xp.where(inside, log_mass, -math.inf))
    own = xp.where(little, 0.25, share * (from_end / width))
    log_other = xp.where(little, xp.log(xp.where(little, beyond, 0.5)), xp.log1p(-own))
    return xp.where(below, log_own, log_other), xp.where(below, log_other, log_own)


def _to_peak(xp: Namespace[Array], x: Array, peak: Array, whole: Array) -> Array:
    return xp.minimum(xp.abs(peak - x), whole)


def _other_side(xp: Namespace[Array], below: Array, low: Array, high: Array, peak: Array) -> Array:
    return xp.where(below, high - peak, peak - low)


def _by_peak(xp: Namespace[Array], x: Array, low: Array, high: Array, peak: Array) -> Array:
    _, from_end, whole = _sides(xp, x, low, high, peak)
    return 0.5 * from_end / whole


def _by_ends(xp: Namespace[Array], x: Array, low: Array, high: Array, peak: Array) -> tuple[Array, Array]:
    """By the end on the side with x, ((r + d) / w + d / e) / 2 by the symbols of `log_tails`, and by the other."""
    below, from_end, whole = _sides(xp, x, low, high, peak)
    width, gap = high - low, _to_peak(xp, x, peak, whole)
    near = 0.5 * ((_other_side(xp, below, low, high, peak) + gap) / width + gap / whole)
    return near, 0.5 * from_end / width


def _by_low(xp: Namespace[Array], x: Array, low: Array, high: Array, peak: Array) -> Array:
    return xp.where(x < peak, *_by_ends(xp, x, low, high, peak))


def _by_high(xp: Namespace[Array], x: Array, low: Array, high: Array, peak: Array) -> Array:
    near, far = _by_ends(xp, x, low, high, peak)
    return xp.where(x < peak, far, near)


def _find(xp: Namespace[Array], q: Array, one_minus_q: Array, low: Array, high: Array, peak: Array) -> Array:
    width = high - low
    below = q * width < peak - low
    whole = xp.where(below, peak - low, high - peak)
    from_end = xp.sqrt(xp.where(below, q, one_minus_q)) * xp.sqrt(whole) * xp.sqrt(width)
    return xp.where(below, xp.minimum(low + from_end, peak), xp.maximum(high - from_end, peak))


def _variance(xp: Namespace[Array], low: Array, high: Array, peak: Array) -> Array:
    left, right = peak - low, high - peak
    return (left * left + right * right + left * right) / 18.0


def _masses(
    xp: Namespace[Array], low: Array | None, high: Array | None, least: Array, most: Array, peak: Array
) -> Pieces:
    """Of a base from least to most, in closed form."""

    def pieces(x: Array) -> tuple[Piece, Piece]:
        found = []
        for sign, bound, end, other in ((-1.0, low, least, most), (1.0, high, most, least)):
            to_end, end_inside = x <= x, end
            if bound is not None:
                to_end = sign * (bound - end) > 0.0
                end_inside = xp.where(to_end, end, xp.where(to_end, 0.0, bound))
            rising, behind, fall = sign * (peak - x), sign * (x - other), sign * (end - peak)
            # at the peak itself both masses are those of an x below it, which differ in how they move with it
            beyond_peak = (rising <= 0.0) & (behind <= 0.0) if sign > 0.0 else rising <= 0.0
            beyond_peak = beyond_peak | (rising < 0.0)
            mass = _mass(xp, sign * (end_inside - x), rising, behind, fall, sign * (end - x), beyond_peak, to_end)
            # about the end that lies in the other direction there is no density to measure in
            found.append(Piece(xp.where(sign * (end - x) > 0.0, mass, 0.0), 0.0 * x))
        return found[0], found[1]

    return pieces


def _mass(
    xp: Namespace[Array],
    whole: Array,
    rising: Array,
    behind: Array,
    fall: Array,
    ahead: Array,
    beyond: Array,
    to_end: Array,
) -> Array:
    """The mass over `whole` from x on: the density rises over `rising` from what it is, d / its slope, and then falls.

    With W = whole, r = rising, s = W - r, d = behind and D = fall it is W (1 + W / 2d) before the peak, W (1 - W / 2e)
    beyond it, e = `ahead` to the end, and across it W + (W**2 - s**2) / 2d - s**2 (1 + r / d) / 2D: in none of them
    nor in their derivatives do terms cancel.

    :param beyond: where x lies beyond the peak.
    :param to_end: whether W reaches to the end, so that s = D, also where the peak is there and both are 0.
    """
    before = (whole < rising) | ~to_end & (whole <= rising)
    across = ~before & ~beyond
    d = positive(xp, xp.where(beyond, 1.0, behind))
    falls = fall > 0.0
    D = positive(xp, xp.where(across & falls, fall, 1.0))
    rest = positive(xp, xp.where(beyond, ahead, 1.0))
    r, s = xp.where(across, rising, 0.0), xp.where(across, whole - rising, 0.0)
    gained = xp.where(r < s, r * (whole + s), whole * whole - s * s)
    up = whole * (1.0 + 0.5 * (whole / d))
    down = whole * (1.0 - 0.5 * (whole / rest))
    both = whole + 0.5 * (gained / d) - 0.5 * xp.where(falls, s * (s / D), s) * (1.0 + r / d)
    return xp.where(before, up, xp.where(beyond, down, both))


_SLOPES = (_by_low, _by_high, _by_peak)

FAMILY = Family(
    about=r"""
    The density rises linearly from 0 at :math:`l` to :math:`2 / (h - l)` at :math:`m`, and falls linearly to 0 at
    :math:`h`.

    :param low: lower end :math:`l`; number or array, broadcast with the others.
    :param high: upper end :math:`h > l`.
    :param peak: mode :math:`m`, between them.
    """,
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
    masses=_masses,
    kink=lambda xp, low, high, peak: peak,
)
