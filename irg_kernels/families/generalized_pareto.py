"""Generalized Pareto with unit scale, smooth through concentration 0, where it is the exponential law.

symbol   meaning
c, z     concentration; the draw, 0 <= z, and z <= -1/c where c < 0
E        -log(1 - quantile), a draw of Exponential(1)

z = expm1(c E) / c,    E = log1p(c z) / c,    density exp(-(1 + c) E)        (Hosking & Wallis 1987, eq. 1-2)
"""

from __future__ import annotations

from ..families.continuous_bernoulli import expm1_ratio, log_normalizer
from ..namespace import Array, Namespace
from ..numerics.elementary import horner
from ..numerics.quadrature import is_double


def z_of(xp: Namespace, exponential: Array, c: Array) -> Array:
    """z, by expm1(w) / w."""
    return exponential * expm1_ratio(xp, c * exponential)


def log_z_of(xp: Namespace, exponential: Array, c: Array) -> Array:
    """log z, which overflows for no c."""
    return xp.log(exponential) + log_normalizer(xp, c * exponential)


def exponential_of(xp: Namespace, z: Array, c: Array) -> Array:
    """E = -log P(Z > z), for c z > -1.

    Near c z = 0, with w = c z and s = w / (2 + w), log1p(w) = 2 artanh(s) = 2 (s + s**3 / 3 + ...) is divided by w.
    """
    # the first omitted term: 1e-9 in float32, 2e-18 in float64
    terms = 9 if is_double(xp, z) else 5
    w = c * z
    near = xp.abs(w) < 0.25
    small = xp.where(near, w, 0.0)
    s = small / (2.0 + small)
    series = z * 2.0 / (2.0 + small) * horner(s * s, [1.0 / (2 * j + 1) for j in range(terms)])
    return xp.where(near, series, _log1p_product(xp, z, c) / xp.where(near, 1.0, c))


def log_density(xp: Namespace, z: Array, c: Array) -> Array:
    """-(1 + c) E, for c z > -1."""
    return -exponential_of(xp, z, c) - _log1p_product(xp, z, c)


def _log1p_product(xp: Namespace, z: Array, c: Array) -> Array:
    """log1p(c z), also where c z overflows."""
    large = (c > 0.0) & (z > 1e16 / xp.maximum(c, 1e-20))
    logs = xp.log(xp.where(large, c, 1.0)) + xp.log(xp.where(large, z, 1.0))
    return xp.where(large, logs, xp.log1p(xp.where(large, 0.0, c * z)))
