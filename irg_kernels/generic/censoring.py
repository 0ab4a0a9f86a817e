"""Log-probabilities of what is known only to lie on one side of a bound, between two, or outside them."""

from __future__ import annotations

from ..namespace import Array, Namespace
from ..numerics.elementary import log1mexp, log_sum
from ..numerics.roots import logarithm
from .family import Family
from .truncation import masses_of


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


def can_integrate_about_0(family: Family) -> bool:
    low, high = family.support
    return masses_of(family) is not None and not callable(low) and not callable(high) and low < 0.0 < high


def log_about_0(xp: Namespace[Array], family: Family, log_p0: Array, x: Array, *params: Array) -> Array:
    """log P(-x < X <= x), x > 0, of a family that `can_integrate_about_0`: next to 0 a difference has lost the digits.

    :param log_p0: log p(0).
    """
    masses = masses_of(family)
    assert masses is not None
    below, above = (logarithm(xp, mass) + unit for mass, unit in masses(xp, -x, x, *params)(0.0 * x))
    return log_p0 + log_sum(xp, below, above)
