"""Nakagami with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from irg_kernels.families import nakagami

from ..attach import attach
from ..samplers import standard_gamma
from .base import Univariate, exponential

__all__ = ["Nakagami"]


class Nakagami(Univariate):
    """Nakagami distribution, that of the square root of a gamma number."""

    family = nakagami.FAMILY

    def __init__(self, concentration: Any, spread: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, spread=spread)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        m, spread = self._extended(key, sample_shape, self.concentration, self.spread)
        log_x = 0.5 * (standard_gamma(key, m)[1] + jnp.log(spread / m))
        log_x = attach(nakagami.LOG_SLOPES, log_x, m, spread)
        return exponential(log_x, jnp.exp(lax.stop_gradient(log_x)))
