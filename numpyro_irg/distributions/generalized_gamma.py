"""GeneralizedGamma with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from irg_kernels.families import generalized_gamma as kernel

from ..attach import attach
from ..samplers import standard_gamma
from .base import Univariate, exponential

__all__ = ["GeneralizedGamma"]


class GeneralizedGamma(Univariate):
    """Generalized gamma distribution (Stacy)."""

    family = kernel.FAMILY

    def __init__(self, concentration: Any, scale: Any, power: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, scale=scale, power=power)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        a, scale, power = self._extended(key, sample_shape, self.concentration, self.scale, self.power)
        log_x = jnp.log(scale) + standard_gamma(key, a)[1] / power
        log_x = attach(kernel.LOG_SLOPES, log_x, a, scale, power)
        return exponential(log_x, jnp.exp(lax.stop_gradient(log_x)))
