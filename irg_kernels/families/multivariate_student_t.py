"""MultivariateStudentT: x = mu + r L z, z a vector of n standard normals, r = sqrt(nu / chi2(nu)).

symbol   meaning
nu       degrees of freedom
L        lower triangular, with positive diagonal
f        |r z|**2 / n, of n and nu degrees of freedom: see `fisher_snedecor`
"""

from __future__ import annotations

import math

from ..namespace import Array, Namespace
from ..numerics.gamma_function import log_gamma_rise
from .fisher_snedecor import dlogx_ddf2


def dlogf_dnu(xp: Namespace[Array], log_f: Array, n: Array, nu: Array) -> Array:
    """d log f / d nu at fixed quantile of f: along x - mu, for the distribution is the same in all directions of z."""
    return dlogx_ddf2(xp, log_f, n, nu)


def log_density(xp: Namespace[Array], square: Array, unit: Array, log_det: Array, nu: Array, n: Array) -> Array:
    """log p(x) from |L**-1 (x - mu)|**2 = unit**2 square, which may overflow, and log det L; unit >= 1."""
    far = unit > 1.0
    near_square, far_square = xp.where(far, 0.0, square), xp.where(far, square, 1.0)
    inverse = 1.0 / xp.where(far, unit, 1.0)
    fall = 2.0 * xp.log(xp.where(far, unit, 1.0)) + xp.log(inverse * inverse + far_square / nu)
    fall = xp.where(far, fall, xp.log1p(near_square / nu))
    # n log(nu / 2) / 2 of the ratio of gamma functions is in the normalizer (pi nu)**(n / 2) too
    rise = log_gamma_rise(xp, 0.5 * nu, 0.5 * n) - 0.5 * n * math.log(2.0 * math.pi)
    return rise - log_det - 0.5 * (nu + n) * fall
