"""LKJCholesky: the Cholesky factor L of a correlation matrix C of density proportional to det(C)**(eta - 1).

    symbol   meaning
    d        dimension
    w        row i of L, from 0, left of the diagonal: a vector of length i
    y        |w|**2 = 1 - L[i, i]**2
    a, b     i / 2 and eta + (d - 1 - i) / 2

The rows are independent (the onion: Lewandowski, Kurowicka, Joe 2009, section 3.2): y ~ Beta(a, b), the direction of w
is uniform, and so

    p(w) = Gamma(a + b) / (pi**a Gamma(b)) (1 - y)**(b - 1).

By partial correlations (the vine, section 2.4), p[i, j] = 2 z - 1 with z ~ Beta(b, b), b = eta + (d - 2 - j) / 2, and
L[i, j] = p[i, j] prod_{k < j} sqrt(1 - p[i, k]**2).
"""

from __future__ import annotations

import math

from ..namespace import Array, Namespace
from ..numerics.gamma_function import log_gamma_rise


def onion(xp: Namespace[Array], eta: Array, d: int) -> tuple[Array, Array]:
    """(a, b) of rows 1 to d - 1, along a new last axis."""
    rows = xp.constant(tuple(float(i) for i in range(1, d)), like=eta)
    return 0.5 * rows + 0.0 * eta[..., None], eta[..., None] + 0.5 * (d - 1.0 - rows)


def vine(xp: Namespace[Array], eta: Array, d: int) -> Array:
    """b of the partial correlations of one column each, columns 0 to d - 2, along a new last axis."""
    columns = xp.constant(tuple(float(j) for j in range(d - 1)), like=eta)
    return eta[..., None] + 0.5 * (d - 2.0 - columns)


def log_diagonal_of_partial(xp: Namespace[Array], logit: Array) -> Array:
    """log sqrt(1 - p**2) of p = 2 z - 1, given logit z: of log z and log(1 - z), neither of which underflows."""
    return math.log(2.0) - 0.5 * (xp.softplus(logit) + xp.softplus(-logit))


def log_density(xp: Namespace[Array], y: Array, diagonal: Array, a: Array, b: Array) -> Array:
    """log p(w), elementwise; log(1 - y) is taken from y, or from the diagonal where y is the larger part."""
    near = y < 0.5
    log_rest = xp.where(near, xp.log1p(-xp.where(near, y, 0.0)), 2.0 * xp.log(xp.where(near, 1.0, diagonal)))
    return (b - 1.0) * log_rest + log_gamma_rise(xp, b, a) + a * (xp.log(b) - math.log(math.pi))
