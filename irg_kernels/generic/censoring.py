"""Log-probabilities of what is known only to lie on one side of a bound, between two, or outside them."""

from __future__ import annotations

from ..namespace import Array, Namespace
from ..numerics.elementary import log1mexp, log_sum


def log_between(
    xp: Namespace[Array], at_low: tuple[Array, Array], at_high: tuple[Array, Array], unused: Array
) -> Array:
    """log(F(h) - F(l)), by the tails on whose side of the median the interval lies, where no digit is lost to 1.

    :param at_low: (log F, log S) at l, and `at_high` at h; -inf where there is no mass.
    :param unused: where the value is of no use, and it and its derivatives are finite, though l may be h.
    """
    by_upper = at_low[1] < at_high[0]
    more, less = xp.where(by_upper, at_low[1], at_high[0]), xp.where(by_upper, at_high[1], at_low[0])
    open_ended = less < -float(xp.finfo(less).max)
    gap = xp.where(open_ended | unused, -1.0, less) - xp.where(open_ended | unused, 0.0, more)
    return more + xp.where(open_ended, 0.0, log1mexp(xp, gap))


def log_outside(xp: Namespace[Array], at_low: tuple[Array, Array], at_high: tuple[Array, Array]) -> Array:
    """log(F(l) + S(h))."""
    return log_sum(xp, at_low[0], at_high[1])
