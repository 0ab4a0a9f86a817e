"""From the logarithm or the logit of a draw to the draw, clamped to the range of its dtype."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..attach import attach


def from_coordinate(coordinate: str, y: Array) -> Array:
    """The draw, given it, its logarithm or its logit: `coordinate` is "x", "log" or "logit"."""
    if coordinate == "x":
        return y
    return sigmoid(y) if coordinate == "logit" else exponential(y)


def exponential(log_x: Array, x: Array | None = None) -> Array:
    """exp(log_x), or x = +-exp(log_x) where that is known better, held inside the range of its dtype; dx = x d log_x.

    At the ends of the range the *relative* derivative stays right, so that an expectation whose integrand behaves as
    log x there has an unbiased gradient; a `clip` would cut it.
    """
    return attach((_itself,), _in_range(jnp.exp(lax.stop_gradient(log_x)) if x is None else x), log_x)


def sigmoid(logit: Array) -> Array:
    """1 / (1 + exp(-logit)), held next to 0 and 1 with the derivative of the true value."""
    limits = jnp.finfo(logit.dtype)
    value = jnp.clip(jax.nn.sigmoid(lax.stop_gradient(logit)), float(limits.tiny), 1.0 - float(limits.eps))
    return attach((_logistic_slope,), value, logit)


def _in_range(x: Array) -> Array:
    """x > 0, held where it and its reciprocal are normal numbers of its dtype (XLA takes others for 0)."""
    tiny = float(jnp.finfo(x.dtype).tiny)
    return lax.stop_gradient(jnp.clip(x, tiny, 0.25 / tiny))


def outside(x: Array) -> Array:
    """Where x > 0 lies at or beyond the ends of its dtype's normal range."""
    tiny = float(jnp.finfo(x.dtype).tiny)
    return (x < 2.0 * tiny) | (x > 0.125 / tiny)


def _itself(xp, x, log_x):
    return x


def _logistic_slope(xp, value, logit):
    return value * (1.0 - value)
