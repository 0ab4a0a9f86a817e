"""PowerSpherical: density proportional to (1 + mu . x)**kappa on the unit sphere of d >= 2 dimensions.

(1 + mu . x) / 2 ~ Beta(kappa + a, a), a = (d - 1) / 2 (De Cao, Aziz 2020, section 3); the rest of x is uniform.
"""

from __future__ import annotations

import math

from ..namespace import Array, Namespace
from ..numerics.elementary import digamma_minus_log
from ..numerics.gamma_function import log_gamma_rise


def log_normalizer(xp: Namespace[Array], kappa: Array, a: float) -> Array:
    """Of ((1 + mu . x) / 2)**kappa."""
    alpha = kappa + a
    jacobian = math.log(2.0) + a * math.log(math.pi) + (2.0 * a - 1.0) * math.log(2.0)
    return jacobian - log_gamma_rise(xp, alpha, a + 0.0 * alpha) - a * xp.log(alpha)


def log_density(xp: Namespace[Array], s: Array, q: Array, kappa: Array, a: float) -> Array:
    """log p of s = |x - mu|**2 / 4 and q = |x + mu|**2 / 4, which is 1 - s."""
    near = s < 0.5
    log_q = xp.where(near, xp.log1p(-xp.where(near, s, 0.0)), xp.log(xp.where(near, 1.0, q)))
    return kappa * log_q - log_normalizer(xp, kappa, a)


def entropy(xp: Namespace[Array], kappa: Array, a: float) -> Array:
    """The normalizer less kappa E[log((1 + mu . x) / 2)], a difference of digamma functions."""
    alpha = kappa + a
    change = xp.log1p(a / alpha) + digamma_minus_log(xp, alpha + a) - digamma_minus_log(xp, alpha)
    return log_normalizer(xp, kappa, a) + kappa * change
