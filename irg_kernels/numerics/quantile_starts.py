"""First guesses of quantiles, so near that one or two of Halley's steps lead to all digits.

symbol        meaning
q, s          the masses below and above
u             the normal quantile of q
"""

from __future__ import annotations

from ..namespace import Array, Namespace
from .gamma_function import HALF_LOG_2PI, log_gamma_of_next, stirling
from .roots import normal_quantile


def gamma_start(xp: Namespace[Array], log_q: Array, log_s: Array, a: Array, low: Array) -> Array:
    """log z of Gamma(a, 1): the lower tail's series; Wilson & Hilferty 1931; the upper tail of a small a, e**-z a / z.

    :param low: (log q + log Gamma(a + 1)) / a.
    """
    r = 1.0 / xp.maximum(a, 0.3)
    u = _normal_quantile(xp, log_q, log_s)
    root = 1.0 - r / 9.0 + u * xp.sqrt(r) / 3.0
    # P(a, z) Gamma(a + 1) / z**a = 1 - a z / (a + 1) + ...
    series = low + xp.minimum(xp.exp(xp.minimum(low, 0.0)) / (a + 1.0), 0.5)
    middle = xp.where(root > 0.2, 3.0 * xp.log(xp.maximum(root, 0.2)) - xp.log(r), series)
    above = xp.log(xp.maximum(xp.log(a) - (a * low - log_q) - log_s, 0.3))
    return xp.where(a < 0.5, xp.where(low < -0.7, series, above), middle)


def beta_start(xp: Namespace[Array], log_q: Array, log_s: Array, a: Array, b: Array) -> Array:
    """log(z / w) of Beta(a, b): the power law of either tail where that holds, else by the shapes.

    Of two large ones Abramowitz & Stegun 26.5.22; in the tail of a large one beside a small one -log z is
    nearly Gamma's; a normal distribution about the mode.
    """
    log_a, log_b, log_n = xp.log(a), xp.log(b), xp.log(a + b)
    log_beta = stirling(xp, a) + stirling(xp, b) - stirling(xp, a + b) + HALF_LOG_2PI
    log_beta = log_beta + (a - 0.5) * (log_a - log_n) + (b - 0.5) * (log_b - log_n) - 0.5 * log_n
    low = (log_q + log_a + log_beta) / a
    high = (log_s + log_b + log_beta) / b  # of log w
    mode = log_a - log_b
    u = _normal_quantile(xp, log_q, log_s)
    few = xp.minimum(a, b) < 1.0
    ra, rb = (0.5 / (xp.where(few, 1.0, shape) - 0.5) for shape in (a, b))
    h, lam = 2.0 / (ra + rb), (u * u - 3.0) / 6.0
    w = u * xp.sqrt(h + lam) / h + (rb - ra) * (lam + 5.0 / 6.0 - 2.0 / (3.0 * h))
    middle = mode + xp.where(few, u * xp.sqrt(1.0 / a + 1.0 / b), 2.0 * w)
    is_lower = log_q < log_s
    large, little = xp.where(is_lower, a, b), xp.where(is_lower, b, a)
    beside = _beside_a_small_shape(xp, xp.minimum(log_q, log_s), large, xp.minimum(little, 1.0))
    middle = xp.where((large > 1.0) & (little < 1.0), xp.where(is_lower, beside, -beside), middle)
    low_holds, high_holds = _power_law_holds(xp, low, a, b, mode), _power_law_holds(xp, high, b, a, -mode)
    low, high = _bent(xp, low, a, b), _bent(xp, high, b, a)
    return xp.where(low_holds, low, xp.where(high_holds, -high, middle))


def _normal_quantile(xp: Namespace[Array], log_q: Array, log_s: Array) -> Array:
    return xp.copysign(normal_quantile(xp, xp.minimum(log_q, log_s)), log_q - log_s)


def _bent(xp: Namespace[Array], log_z: Array, a: Array, b: Array) -> Array:
    """log(z / w) where z**a alone would be exp(a log_z): less by z (1 - b) / (a + 1), more by z."""
    z = xp.exp(xp.minimum(log_z, 0.0))
    return log_z + xp.clip(z * (a + b) / (a + 1.0), -0.5, 0.5)


def _power_law_holds(xp: Namespace[Array], log_z: Array, a: Array, b: Array, mode: Array) -> Array:
    """What the power law leaves out is a factor of 1 + (1 - b) z a / (a + 1)."""
    rest = log_z + xp.log(xp.abs(b - 1.0) + 0.1)
    return xp.where(a < 1.0, log_z < xp.minimum(mode, 0.0) - 1.0, (log_z < -1.0) & (rest < -1.0))


def _beside_a_small_shape(xp: Namespace[Array], log_q: Array, a: Array, b: Array) -> Array:
    """log(z / w) below which Beta(a, b) has the mass q, a > 1 > b: -(a + (b - 1)/2) log z is nearly Gamma(b, 1)."""
    t = xp.maximum(xp.log(b) - log_gamma_of_next(xp, b) - log_q, 0.3)
    t = xp.maximum(t + (b - 1.0) * xp.log(t), 0.3)
    return -xp.log(xp.expm1(xp.minimum(t / (a + 0.5 * (b - 1.0)), 50.0)))
