"""Partials by regions: each element of a draw takes the cheapest way that is exact enough where it lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..families import beta, dirichlet, gamma
from ..namespace import Array, Namespace
from ..numerics import beta_pair, gamma_table


class ByRegion(NamedTuple):
    """All partials of a draw at once, by the cheapest way that is exact enough where an element lies.

    For answers in float32 from float64 arithmetic, as values: derivatives of higher order read the partials that this
    stands for.  (XLA computes all ways for all elements; it takes the partials alone.)
    """

    place: Callable
    """(xp, draw, *params) -> arrays of the draw's shape, on which all that follows acts elementwise"""
    regions: tuple[tuple[Callable | None, Callable], ...]
    """(where it serves, slopes): functions of (xp, *place), the second one's values a tuple; None is everywhere else"""
    partials: Callable
    """(xp, slopes, draw, *params) -> the partials, one for each parameter"""
    least: int = 0
    """of so many elements on; fewer take longer, for eager torch pays by the operation"""


def _gamma_regions(log: Callable) -> tuple:
    """On (z, a, *rest), log(xp, z, *rest) the logarithm of z."""

    def large(xp: Namespace[Array], z: Array, a: Array, *rest: Array) -> tuple[Array]:
        return (gamma_table.dlogz_da_of_large(xp, z, a),)

    def small(xp: Namespace[Array], z: Array, a: Array, *rest: Array) -> tuple[Array]:
        return (gamma_table.dlogz_da_of_small(xp, z, log(xp, z, *rest), a),)

    def any_other(xp: Namespace[Array], z: Array, a: Array, *rest: Array) -> tuple[Array]:
        return (gamma.dlogz_da_at(xp, z, log(xp, z, *rest), a),)

    return (
        (lambda xp, z, a, *_: gamma_table.is_large(xp, z, a), large),
        (lambda xp, z, a, *_: gamma_table.is_small(xp, z, a), small),
        (None, any_other),
    )


def _gamma_partials(xp: Namespace[Array], slopes: tuple[Array], x: Array, a: Array, rate: Array, *_: Array) -> tuple:
    return x * slopes[0], -x / rate


_WITH_LOG = _gamma_regions(lambda xp, z, log_z: log_z)
GAMMA_LOG = ByRegion(lambda xp, log_z, a: (xp.exp(log_z), a, log_z), _WITH_LOG, lambda xp, slopes, *_: slopes, 1_000)
"""`gamma.dlogz_da`"""
GAMMA = ByRegion(lambda xp, x, a, rate: (x * rate, a), _gamma_regions(lambda xp, z: xp.log(z)), _gamma_partials, 1_000)
"""`gamma.dx_da` and `gamma.dx_drate`"""
GAMMA_CLAMPED = ByRegion(gamma.place_clamped, _WITH_LOG, _gamma_partials, 1_000)
"""`gamma.dx_da_clamped` and `gamma.dx_drate`"""


def _any_beta(xp: Namespace[Array], x: Array, a: Array, b: Array, *_: Array) -> tuple[Array, Array]:
    return beta.dlogit_da(xp, x, a, b), beta.dlogit_db(xp, x, a, b)


BETA = ByRegion(
    beta_pair.place, ((beta_pair.is_common, beta_pair.both), (None, _any_beta)), lambda xp, slopes, *_: slopes
)
"""`beta.dlogit_da` and `beta.dlogit_db`"""


def _place_dirichlet(xp: Namespace[Array], log_x: Array, alpha: Array) -> beta_pair.Place[Array]:
    psi = xp.digamma(xp.sum(alpha, axis=-1, keepdims=True))
    return beta_pair.place_of_first(xp, *dirichlet.marginal(xp, log_x, alpha), psi)


def _any_first(xp: Namespace[Array], x: Array, a: Array, b: Array, *_: Array) -> tuple[Array]:
    return (beta.dlogit_da(xp, x, a, b),)


DIRICHLET = ByRegion(
    _place_dirichlet, ((beta_pair.is_first, beta_pair.first), (None, _any_first)), lambda xp, slopes, *_: slopes
)
"""`dirichlet.dlogx_dalpha`"""
