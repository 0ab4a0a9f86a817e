"""Wishart and inverse Wishart matrices by their Cholesky factors: densities.

symbol   meaning
nu, d    degrees of freedom, size of the matrices
T        the scale's Cholesky factor
A        Bartlett's factor: standard normal numbers below the diagonal, on it the roots of chi2 numbers
L        T A of a Wishart matrix, whose i-th number has nu - i degrees of freedom, i = 0, 1, ..., d - 1; T A**-1 of an
         inverse one, whose has nu - d + 1 + i

Vectors are diagonals, along the last axis; `below` is A below its diagonal, 0 elsewhere.  `log_density` is the
adapter's: (family, x, *params) -> log p with its derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..namespace import Array, Namespace, along_last_axis
from . import gamma, log_gamma


def log_chi(xp: Namespace[Array], log_density: Callable, x: Array, log_x: Array, df: Array) -> Array:
    """log-density of x, the root of a chi2(df) number; x may underflow, its logarithm does not."""
    half = 0.5 * df + 0.0 * x
    one, log_g = 1.0 + 0.0 * half, 2.0 * log_x - math.log(2.0)
    small = log_g < -1.0
    low = log_density(log_gamma.FAMILY, xp.where(small, log_g, -1.0), half, one)
    g = xp.where(small, 1.0, 0.5 * x * x)
    return xp.where(small, low, log_density(gamma.FAMILY, g, half, one) + xp.log(g)) + (math.log(2.0) - log_x)


def _of_normals(xp: Namespace[Array], below: Array) -> Array:
    d = below.shape[-1]
    square = xp.sum(xp.sum(below * below, axis=-1), axis=-1)
    return -0.5 * square - d * (d - 1) / 4 * math.log(2 * math.pi)


@along_last_axis
def log_density_of_factor(
    xp: Namespace[Array], log_density: Callable, of_value: Array, of_scale: Array, below: Array, df: Array
) -> Array:
    """log p(L) of a Wishart matrix's factor, from the diagonals of L and T, and those of their degrees of freedom."""
    log_scale, (place, _) = xp.log(of_scale), _places(xp, df)
    each = log_chi(xp, log_density, of_value / of_scale, xp.log(of_value) - log_scale, df)
    return xp.sum(each - (place + 1.0) * log_scale, axis=-1) + _of_normals(xp, below)


@along_last_axis
def log_density_of_inverse_factor(
    xp: Namespace[Array], log_density: Callable, of_value: Array, of_scale: Array, below: Array, df: Array
) -> Array:
    """The same of an inverse Wishart matrix's factor."""
    log_value, log_scale, (place, d) = xp.log(of_value), xp.log(of_scale), _places(xp, df)
    each = log_chi(xp, log_density, of_scale / of_value, log_scale - log_value, df)
    return xp.sum(each + (d - place) * log_scale - (d + 1.0) * log_value, axis=-1) + _of_normals(xp, below)


def _places(xp: Namespace[Array], like: Array) -> tuple[Array, int]:
    """(0, 1, ..., d - 1; d)"""
    d = like.shape[-1]
    return xp.constant([float(i) for i in range(d)], like=like), d
