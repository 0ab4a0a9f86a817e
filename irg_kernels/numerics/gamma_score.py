"""Gamma(a, 1): the zero of its score, and how far the exponent of its tail integral reaches; symbols as in `gamma`."""

from __future__ import annotations

import math

from ..namespace import Array, Namespace
from .elementary import digamma_minus_log
from .quadrature import depth


def score_zero(xp: Namespace[Array], z: Array, log_z: Array, b: Array, excess: Array) -> Array:
    """psi(b) - log z, which is small beside either term when b is large."""
    if xp.has_guard_digits:
        return xp.digamma(b) - log_z
    near = z > 0.5 * b
    log_ratio = xp.where(near, -xp.log1p(xp.where(near, excess / b, 0.0)), xp.log(b) - log_z)
    return digamma_minus_log(xp, b) + log_ratio


def cut_of(xp: Namespace[Array], z: Array, b: Array, excess: Array) -> Array:
    """A tau near the root of E(tau) = excess tau + z h(tau) = depth.

    The quadratic model, h = tau**2 / 2, has the root y; with h's next term it becomes y / (1 + y / 6), and 7 in place
    of 6 is right within a few per cent wherever y is large.  On the lower tail the root is never beyond
    -(z + depth) / b.
    """
    z, b, excess = xp.stop_gradient(z), xp.stop_gradient(b), xp.stop_gradient(excess)
    fall = depth(xp, z)
    far = xp.abs(excess) > 1e-3 * math.sqrt(float(xp.finfo(z).max))  # whose square may leave the range of its dtype
    lean = xp.where(far, 1.0, excess)
    root = xp.where(far, xp.abs(excess), xp.sqrt(xp.addcmul(2.0 * fall * xp.where(far, 1.0, z), lean, lean)))
    tau = (2.0 * fall) / (excess + xp.copysign(root, excess))
    tau = tau / xp.maximum(1.0 + tau * (1.0 / 7.0), 0.1)
    return xp.maximum(tau, (z + fall) / -b)
