"""Partials by regions: each element of a draw takes the cheapest way that is exact enough where it lies."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ..families import beta, dirichlet, gamma, student_t
from ..namespace import Array, Namespace
from ..numerics import beta_pair, gamma_table, student_t_regions
from ..numerics.gamma_front import (
    MOST_FEW,
    MOST_SINGLE,
    density_of_few,
    density_of_few_single,
    density_of_log,
    density_of_many,
)


class ByRegion(NamedTuple):
    """All partials of a draw at once, each element by the cheapest way that is exact enough where it lies.

    The results are values without derivatives; a derivative of higher order is taken of the kernels that this stands
    for, which the line below each table names.  All ways compute in float64.  Of a draw in float32 that leaves
    guard digits, which every way but the last needs; of a draw in float64 there are none, and a region is smaller by
    the large parameters that would cost digits.  The last way serves everywhere.

    An eager library computes each way for its own elements.  XLA would compute all ways for all elements, and its
    adapter has the kernels alone.
    """

    place: Callable
    """(xp, draw, *params) -> what the ways read, arrays of the draw's shape; all that follows is elementwise"""
    regions: tuple[tuple[Callable | None, Callable], ...]
    """(where a way serves, its slopes) in the order in which they are tried: functions of (xp, *place) that return an
    array of truth values, and a tuple of arrays.  The last has None: it takes all elements that are left"""
    regions_f64: tuple[tuple[Callable | None, Callable], ...]
    """the same for answers in float64"""
    partials: Callable
    """(xp, slopes, draw, *params) -> the partials, one for each parameter, by arithmetic that is exact anywhere"""
    least: int = 0
    """elements from which on this is faster than the kernels, in float32: eager torch pays by the operation"""
    share: float = 0.0
    """of all elements, which must lie in a region for it to be used, in float32: to copy fewer costs more than it
    saves"""


def _gamma_regions(log: Callable) -> tuple[tuple, tuple]:
    """On (z, a, *rest), log(xp, z, *rest) the logarithm of z."""

    def large(xp: Namespace[Array], z: Array, a: Array, *rest: Array) -> tuple[Array]:
        return (gamma_table.dlogz_da_of_large(xp, z, a),)

    def any_other(xp: Namespace[Array], z: Array, a: Array, *rest: Array) -> tuple[Array]:
        return (gamma.dlogz_da_at(xp, z, log(xp, z, *rest), a),)

    by_table = ((lambda xp, z, a, *_: gamma_table.is_large(xp, z, a), large), (None, any_other))
    # the exponent of the tail integral is a sum of terms of size z, of which each loses z times the spacing
    return by_table, ((lambda xp, z, a, *_: (a < 500.0) & (z < 700.0), any_other), (None, any_other))


def _gamma_partials(xp: Namespace[Array], slopes: tuple[Array], x: Array, a: Array, rate: Array, *_: Array) -> tuple:
    return x * slopes[0], -x / rate


_WITH_LOG = _gamma_regions(lambda xp, z, log_z: log_z)
GAMMA_LOG = ByRegion(
    lambda xp, log_z, a: (xp.exp(log_z), a, log_z), *_WITH_LOG, lambda xp, slopes, *_: slopes, 1_000, 0.9
)
"""`gamma.dlogz_da`"""
GAMMA = ByRegion(
    lambda xp, x, a, rate: (x * rate, a), *_gamma_regions(lambda xp, z: xp.log(z)), _gamma_partials, 1_000, 0.9
)
"""`gamma.dx_da` and `gamma.dx_drate`"""
GAMMA_CLAMPED = ByRegion(gamma.place_clamped, *_WITH_LOG, _gamma_partials, 1_000, 0.9)
"""`gamma.dx_da_clamped` and `gamma.dx_drate`"""


def _any_beta(xp: Namespace[Array], x: Array, a: Array, b: Array, *_: Array) -> tuple[Array, Array]:
    return beta.dlogit_da(xp, x, a, b), beta.dlogit_db(xp, x, a, b)


def _tame(where: Callable) -> Callable:
    """Where the digammas, of size log b, leave 12 digits and a half (measured: 6e-13)."""

    def inside(xp: Namespace[Array], x: Array, a: Array, b: Array, *rest: Array) -> Array:
        return where(xp, x, a, b, *rest) & (xp.minimum(a, b) >= 0.5) & (xp.maximum(a, b) < 200.0)

    return inside


BETA = ByRegion(
    beta_pair.place,
    ((beta_pair.is_common, beta_pair.both), (None, _any_beta)),
    ((_tame(beta_pair.is_common), beta_pair.both), (None, _any_beta)),
    lambda xp, slopes, *_: slopes,
)
"""`beta.dlogit_da` and `beta.dlogit_db`"""


def _place_dirichlet(xp: Namespace[Array], log_x: Array, alpha: Array) -> beta_pair.Place[Array]:
    psi = xp.digamma(xp.sum(alpha, axis=-1, keepdims=True))
    return beta_pair.place_of_first(xp, *dirichlet.marginal(xp, log_x, alpha), psi)


def _place_inside(xp: Namespace[Array], x: Array, alpha: Array) -> beta_pair.Place[Array]:
    total = xp.sum(alpha, axis=-1, keepdims=True)
    z, w = dirichlet.complements(xp, x)
    return beta_pair.place_of_both(xp, z, w, alpha, dirichlet.rest_of(xp, alpha, total), xp.digamma(total))


def _any_first(xp: Namespace[Array], x: Array, a: Array, b: Array, *_: Array) -> tuple[Array]:
    return (beta.dlogit_da(xp, x, a, b),)


DIRICHLET = ByRegion(
    _place_dirichlet,
    ((beta_pair.is_first, beta_pair.first), (None, _any_first)),
    ((_tame(beta_pair.is_first), beta_pair.first), (None, _any_first)),
    lambda xp, slopes, *_: slopes,
)
"""`dirichlet.dlogx_dalpha`"""
DIRICHLET_INSIDE = DIRICHLET._replace(place=_place_inside)
"""`dirichlet.dlogx_dalpha_inside`"""


def _is_heavy(xp: Namespace[Array], q: Array, log_q: Array, nu: Array, *_: Array) -> Array:
    return (nu < 2.0) & (nu > 1e-7)


def _heavy(xp: Namespace[Array], q: Array, log_q: Array, nu: Array, *_: Array) -> tuple[Array]:
    """By Beta(nu / 2, 1 / 2), see `families/student_t`; any logit of it `beta_pair.is_first`."""
    half = 0.5 * nu
    at = beta_pair.place_of_first(xp, -log_q, half, 0.5 + 0.0 * nu, xp.digamma(half + 0.5))
    return (0.5 / nu - 0.25 * beta_pair.first(xp, *at)[0],)


def _any_student_t(xp: Namespace[Array], q: Array, log_q: Array, nu: Array, *_: Array) -> tuple[Array]:
    return (student_t.dlogt_dnu(xp, 0.5 * (log_q + xp.log(nu)), nu),)


def _place_t(xp: Namespace[Array], t: Array, nu: Array) -> tuple[Array, ...]:
    q = xp.maximum(t * t, float(xp.finfo(t).tiny) ** 2) / nu
    return student_t_regions.place(xp, q, xp.log(q), nu)


def _place_log_t(xp: Namespace[Array], u: Array, nu: Array) -> tuple[Array, ...]:
    log_q = 2.0 * u - xp.log(nu)
    return student_t_regions.place(xp, xp.exp(xp.minimum(log_q, 100.0)), log_q, nu)


_STUDENT_T = (
    (_is_heavy, _heavy),
    (student_t_regions.is_inward, student_t_regions.inward),
    (student_t_regions.is_moderate, student_t_regions.outward),
    (None, _any_student_t),
)
_STUDENT_T_F64 = (
    (lambda xp, q, log_q, nu, *_: (nu < 2.0) & (nu > 0.2), _heavy),
    (lambda xp, q, log_q, nu, c, inward: (nu >= 2.0) & (nu < 1e3) & (inward > 0.5), student_t_regions.inward),
    (lambda xp, q, log_q, nu, *_: (nu >= 2.0) & (nu < 1e3), student_t_regions.outward),
    (None, _any_student_t),
)
STUDENT_T = ByRegion(_place_t, _STUDENT_T, _STUDENT_T_F64, lambda xp, slopes, t, nu: (t * slopes[0],))
"""`student_t.dt_dnu`"""
STUDENT_T_LOG = ByRegion(_place_log_t, _STUDENT_T, _STUDENT_T_F64, lambda xp, slopes, *_: slopes)
"""`student_t.dlogt_dnu`"""


def of_gamma_tail(sign: float) -> ByRegion:
    """The partials of P(a, x), sign 1, or Q(a, x), sign -1, in a and x > 0."""

    def partials(xp: Namespace[Array], slopes: tuple[Array], result: Array, a: Array, x: Array) -> tuple[Array, Array]:
        density = sign * density_of_log(xp, x, a)
        return -density * slopes[0], density / x

    return GAMMA._replace(place=lambda xp, result, a, x: (x, a), partials=partials)


def of_gamma_tail_in_x(sign: float) -> ByRegion:
    """The same where that in a is not wanted, and has no number here; the slope is the density of log x."""
    many = None, lambda xp, x, a: (density_of_many(xp, x, a),)
    regions = (lambda xp, x, a: a <= MOST_SINGLE, lambda xp, x, a: (density_of_few_single(xp, x, a),)), many
    regions_f64 = (lambda xp, x, a: a <= MOST_FEW, lambda xp, x, a: (density_of_few(xp, x, a),)), many

    def partials(xp: Namespace[Array], slopes: tuple[Array], result: Array, a: Array, x: Array) -> tuple:
        return math.nan, sign * slopes[0] / x

    return ByRegion(lambda xp, result, a, x: (x, a), regions, regions_f64, partials)


def of_beta_tail(sign: float) -> ByRegion:
    """Those of I_x(a, b), sign 1, or 1 - I_x(a, b), sign -1, in a, b and 0 < x < 1."""

    def place(xp: Namespace[Array], result: Array, a: Array, b: Array, x: Array) -> beta_pair.Place[Array]:
        return beta_pair.place(xp, beta.logit(xp, x), a, b)

    def partials(
        xp: Namespace[Array], slopes: tuple[Array, Array], result: Array, a: Array, b: Array, x: Array
    ) -> tuple[Array, ...]:
        density = sign * xp.exp(beta.log_density(xp, x, a, b))
        moved = -density * (x * (1.0 - x))
        return moved * slopes[0], moved * slopes[1], density

    return BETA._replace(place=place, partials=partials)
