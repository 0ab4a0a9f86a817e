"""Incomplete gamma and beta functions and their inverses, with every derivative; names and arguments as in SciPy.

symbol         meaning
P, Q           gammainc and gammaincc, the tails of Gamma(a, 1)
I_x(a, b)      betainc, the lower tail of Beta(a, b)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ..families import beta, gamma
from ..namespace import Array, Namespace
from .family import cdf_of, log_cdf_of, log_sf_of, sf_of
from .guarded import Domain, choose, equal, guarded, inverse_of, moving_limit, reordered, zero_like

LEAST = 1e-30
"""stands for a shape of 0, at which derivatives have limits: what differs is of this order, relative"""


# ------------------------------------------------------------------------------------------------------- Gamma(a, 1)


def _gamma_inside(xp: Namespace[Array], a: Array, x: Array) -> Array:
    return (a > 0.0) & (a < math.inf) & (x > 0.0) & (x < math.inf)


def _gamma_moves(xp: Namespace[Array], a: Array, x: Array) -> Array:
    return (a >= 0.0) & (a < math.inf) & (x > 0.0) & (x < math.inf)


def _gamma_valid(xp: Namespace[Array], a: Array, x: Array) -> Array:
    return (a >= 0.0) & (x >= 0.0) & ((a > 0.0) | (x > 0.0)) & ((a < math.inf) | (x < math.inf))


def _from_0(xp: Namespace[Array], a: Array) -> Array:
    return xp.where(equal(a, 0.0), LEAST, a)


def _gamma_taken(xp: Namespace[Array], a: Array, x: Array) -> tuple[Array, ...]:
    return _from_0(xp, a), x


def _at_0(xp: Namespace[Array], a: Array, x: Array, factor: Array, slope_at_1: Array) -> Array:
    """x**(a - 1) factor (1 + ...) at x = 0, with its derivative; elsewhere 0.

    :param factor: limit of the density over x**(a - 1).
    :param slope_at_1: derivative of the density in x where a = 1.
    """
    here = equal(x, 0.0) & (a > 0.0) & (a < math.inf)
    end = xp.where(here & (a < 1.0), math.inf, xp.where(here & equal(a, 1.0), factor, 0.0))
    slope = xp.where(equal(a, 1.0), slope_at_1, xp.where(equal(a, 2.0), factor, 0.0))
    slope = xp.where((a > 1.0) & (a < 2.0), math.inf, xp.where(a < 1.0, -math.inf, slope))
    return moving_limit(xp, end, x, 0.0, xp.where(here, slope, 0.0))


def _gamma_limits(xp: Namespace[Array], a: Array, x: Array) -> tuple[Array, ...]:
    is_empty = (x <= 0.0) | (a >= math.inf)
    zero = zero_like(xp, a)
    return choose(xp, x, (is_empty, 0.0), otherwise=1.0), zero, _at_0(xp, a, x, 1.0 + zero, -1.0 + zero)


def _gamma_limits_c(xp: Namespace[Array], a: Array, x: Array) -> tuple[Array, ...]:
    value, by_a, by_x = _gamma_limits(xp, a, x)
    return 1.0 - value, -by_a, -by_x


def _log_gamma_limits(xp: Namespace[Array], a: Array, x: Array) -> tuple[Array, ...]:
    is_empty, zero = (x <= 0.0) | (a >= math.inf), zero_like(xp, a)
    return (
        choose(xp, zero, (is_empty, -math.inf)),
        choose(xp, zero, (is_empty, -math.inf)),
        choose(xp, zero, (is_empty, math.inf)),
    )


def _log_gamma_limits_c(xp: Namespace[Array], a: Array, x: Array) -> tuple[Array, ...]:
    """Far out log Q falls as -x + (a - 1) log x."""
    is_full, zero = (x <= 0.0) | (a >= math.inf), zero_like(xp, a)
    by_x = choose(xp, zero, (x >= math.inf, -1.0)) - _at_0(xp, a, x, 1.0 + zero, -1.0 + zero)
    return choose(xp, zero, (is_full, 0.0), otherwise=-math.inf), choose(xp, zero, (~is_full, math.inf)), by_x


def _gamma(limits: Callable, rest: float) -> Domain:
    return Domain((1.0, 1.0, rest), _gamma_inside, _gamma_valid, limits, _gamma_moves, _gamma_taken)


GAMMAINC = guarded(reordered(cdf_of(gamma.FAMILY), (1, 0), 1.0), _gamma(_gamma_limits, 0.5))
GAMMAINCC = guarded(reordered(sf_of(gamma.FAMILY), (1, 0), 1.0), _gamma(_gamma_limits_c, 0.5))
LOG_GAMMAINC = guarded(reordered(log_cdf_of(gamma.FAMILY), (1, 0), 1.0), _gamma(_log_gamma_limits, -0.5))
LOG_GAMMAINCC = guarded(reordered(log_sf_of(gamma.FAMILY), (1, 0), 1.0), _gamma(_log_gamma_limits_c, -0.5))


def _quantile_inside(xp: Namespace[Array], *args: Array) -> Array:
    """Of positive parameters, and a mass last."""
    *params, q = args
    inside = (q > 0.0) & (q < 1.0)
    for p in params:
        inside = inside & (p > 0.0) & (p < math.inf)
    return inside


def _gammaincinv_valid(xp: Namespace[Array], a: Array, q: Array) -> Array:
    return (a >= 0.0) & (equal(q, 0.0) | equal(q, 1.0))


def _gammaincinv_limits(xp: Namespace[Array], a: Array, q: Array) -> tuple[Array, ...]:
    low = q <= 0.0
    by_q = choose(xp, q, (low & (a < 1.0), 0.0), (low & equal(a, 1.0), 1.0), otherwise=math.inf)
    return choose(xp, q, (low, 0.0), otherwise=math.inf), choose(xp, q, (low, 0.0), otherwise=math.inf), by_q


def _mirrored(limits: Callable) -> Callable:
    """Of a function of 1 - q, q the last argument."""

    def of_upper(xp: Namespace[Array], *args: Array) -> tuple[Array, ...]:
        *others, by_q = limits(xp, *args[:-1], 1.0 - args[-1])
        return (*others, -by_q)

    return of_upper


def _gamma_inverse(limits: Callable) -> Domain:
    return Domain((1.0, 0.5, 0.7), _quantile_inside, _gammaincinv_valid, limits)


GAMMAINCINV = guarded(reordered(inverse_of(gamma.FAMILY), (1, 0), 1.0), _gamma_inverse(_gammaincinv_limits))
GAMMAINCCINV = guarded(
    reordered(inverse_of(gamma.FAMILY, upper=True), (1, 0), 1.0), _gamma_inverse(_mirrored(_gammaincinv_limits))
)

# ---------------------------------------------------------------------------------------------------------- Beta(a, b)


def _beta_inside(xp: Namespace[Array], a: Array, b: Array, x: Array) -> Array:
    return (a > 0.0) & (a < math.inf) & (b > 0.0) & (b < math.inf) & (x > 0.0) & (x < 1.0)


def _beta_moves(xp: Namespace[Array], a: Array, b: Array, x: Array) -> Array:
    finite = (a < math.inf) & (b < math.inf) & (x > 0.0) & (x < 1.0)
    return (a >= 0.0) & (b >= 0.0) & ((a > 0.0) | (b > 0.0)) & finite


def _beta_taken(xp: Namespace[Array], a: Array, b: Array, x: Array) -> tuple[Array, ...]:
    return _from_0(xp, a), _from_0(xp, b), x


def _beta_valid(xp: Namespace[Array], a: Array, b: Array, x: Array) -> Array:
    some = ((a > 0.0) | (b > 0.0)) & ((a < math.inf) | (b < math.inf))
    return (a >= 0.0) & (b >= 0.0) & (x >= 0.0) & (x <= 1.0) & some


def _beta_empty(xp: Namespace[Array], a: Array, b: Array, x: Array) -> Array:
    """Where I_x(a, b) = 0 at a limit."""
    return (x <= 0.0) | ((x < 1.0) & ((b <= 0.0) | (a >= math.inf)))


def _beta_density(xp: Namespace[Array], a: Array, b: Array, x: Array) -> Array:
    """At x = 0 and 1, with its derivative there."""
    up = 1.0 - x
    finite = (a > 0.0) & (a < math.inf) & (b > 0.0) & (b < math.inf)
    a, b = xp.where(finite, a, 3.0), xp.where(finite, b, 3.0)
    # the factor matters where a is 1 or 2: 1 / B(1, b) = b, 1 / B(2, b) = b (b + 1)
    low = _at_0(xp, a, x, xp.where(a < 1.5, b, b * (b + 1.0)), -b * (b - 1.0))
    return low + _at_0(xp, b, up, xp.where(b < 1.5, a, a * (a + 1.0)), -a * (a - 1.0))


def _beta_limits(xp: Namespace[Array], a: Array, b: Array, x: Array) -> tuple[Array, ...]:
    zero = zero_like(xp, a)
    value = choose(xp, zero, (_beta_empty(xp, a, b, x), 0.0), otherwise=1.0)
    return value, zero, zero, _beta_density(xp, a, b, x)


def _beta_limits_c(xp: Namespace[Array], a: Array, b: Array, x: Array) -> tuple[Array, ...]:
    value, by_a, by_b, by_x = _beta_limits(xp, a, b, x)
    return 1.0 - value, by_a, by_b, -by_x


def _log_beta_limits(xp: Namespace[Array], a: Array, b: Array, x: Array) -> tuple[Array, ...]:
    zero, empty = zero_like(xp, a), _beta_empty(xp, a, b, x)
    by_x = xp.where(x <= 0.0, math.inf, _beta_density(xp, a, b, x))
    return (
        choose(xp, zero, (empty, -math.inf)),
        choose(xp, zero, (empty, -math.inf)),
        # as x falls to 0, log B(a, b) is left: psi(a + b) - psi(b)
        xp.where(empty & (x <= 0.0), _log_beta_by_b(xp, a, b), choose(xp, zero, (empty, math.inf))),
        by_x,
    )


def _log_beta_by_b(xp: Namespace[Array], a: Array, b: Array) -> Array:
    finite = (a > 0.0) & (a < math.inf) & (b > 0.0) & (b < math.inf)
    a, b = xp.where(finite, a, 1.0), xp.where(finite, b, 1.0)
    return xp.where(finite, xp.digamma(a + b) - xp.digamma(b), math.inf)


def _log_beta_limits_c(xp: Namespace[Array], a: Array, b: Array, x: Array) -> tuple[Array, ...]:
    value, by_b, by_a, by_x = _log_beta_limits(xp, b, a, 1.0 - x)
    return value, by_a, by_b, -by_x


def _beta(limits: Callable, rest: float) -> Domain:
    return Domain((1.0, 1.0, 0.5, rest), _beta_inside, _beta_valid, limits, _beta_moves, _beta_taken)


BETAINC = guarded(reordered(cdf_of(beta.FAMILY), (2, 0, 1)), _beta(_beta_limits, 0.5))
BETAINCC = guarded(reordered(sf_of(beta.FAMILY), (2, 0, 1)), _beta(_beta_limits_c, 0.5))
LOG_BETAINC = guarded(reordered(log_cdf_of(beta.FAMILY), (2, 0, 1)), _beta(_log_beta_limits, -0.7))
LOG_BETAINCC = guarded(reordered(log_sf_of(beta.FAMILY), (2, 0, 1)), _beta(_log_beta_limits_c, -0.7))


def _betaincinv_valid(xp: Namespace[Array], a: Array, b: Array, q: Array) -> Array:
    one_finite = (a < math.inf) | (b < math.inf) | equal(q, 0.0) | equal(q, 1.0)
    return (a > 0.0) & (b > 0.0) & (q >= 0.0) & (q <= 1.0) & one_finite


def _betaincinv_limits(xp: Namespace[Array], a: Array, b: Array, q: Array) -> tuple[Array, ...]:
    """dx/dq = 1 / p at the ends."""
    low, zero = (q <= 0.0) | ((q < 1.0) & (b >= math.inf)), zero_like(xp, q)
    shape, other = xp.where(low, a, b), xp.where(low, b, a)
    one = equal(shape, 1.0) & (other < math.inf)
    by_q = xp.where((shape < 1.0) | (q > 0.0) & (q < 1.0), 0.0, math.inf + zero)
    by_q = xp.where(one, 1.0 / xp.where(one, other, 1.0), by_q)
    return choose(xp, q, (low, 0.0), otherwise=1.0), zero, zero, by_q


def _beta_inverse(limits: Callable) -> Domain:
    return Domain((1.0, 1.0, 0.5, 0.5), _quantile_inside, _betaincinv_valid, limits)


_REFINED = replace(
    beta.FAMILY, quantile=beta.FAMILY.quantile and beta.FAMILY.quantile._replace(refine=beta.refine_quantile)
)

BETAINCINV = guarded(reordered(inverse_of(_REFINED), (2, 0, 1)), _beta_inverse(_betaincinv_limits))
BETAINCCINV = guarded(
    reordered(inverse_of(_REFINED, upper=True), (2, 0, 1)), _beta_inverse(_mirrored(_betaincinv_limits))
)
