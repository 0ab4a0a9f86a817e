"""RelaxedOneHotCategorical: x = softmax((l + g) / tau), g standard Gumbel numbers (Maddison, Mnih, Teh 2017).

symbol   meaning
tau, l   temperature, without the last axis, and logits
K        the number of components, along the last axis
"""

from __future__ import annotations

import math

from ..namespace import Array, Namespace, along_last_axis
from ..numerics.elementary import positive


@along_last_axis
def log_density(xp: Namespace[Array], x: Array, tau: Array, l: Array) -> Array:
    """log of (K - 1)! tau**(K - 1) prod_k (exp(l_k) x_k**(-tau - 1)) / (sum_k exp(l_k) x_k**-tau)**K (their eq. 10),

    without the last axis; x in the simplex.
    """
    size, log_x = x.shape[-1], xp.log(positive(xp, x))
    score = xp.log_softmax(l - tau[..., None] * log_x)
    return math.lgamma(size) + (size - 1.0) * xp.log(tau) + xp.sum(score - log_x, axis=-1)


@along_last_axis
def log_draw(xp: Namespace[Array], gumbel: Array, tau: Array, l: Array) -> Array:
    """log x"""
    return xp.log_softmax((l + gumbel) / tau[..., None])


@along_last_axis
def log_at_fixed_quantile(xp: Namespace[Array], x: Array, tau: Array, l: Array) -> Array:
    """log x, that moves as a draw does: of the noise all but a common summand is known."""
    gumbel = xp.stop_gradient(tau[..., None] * xp.log(positive(xp, x)) - l)
    return log_draw(xp, gumbel, tau, l)
