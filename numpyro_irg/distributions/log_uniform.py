"""LogUniform with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax, random

from irg_kernels.families import log_uniform
from irg_kernels.numerics.elementary import clamped_in

from ..attach import NATIVE, evaluate
from ..registry import implicit_twin_of
from .base import Univariate
from .clamping import exponential


@implicit_twin_of(host.LogUniform)
class LogUniform(Univariate):
    """Log-uniform (reciprocal) distribution."""

    family = log_uniform.FAMILY

    def __init__(self, low: Any, high: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, low=low, high=high)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        low, high = self._extended(key, sample_shape, self.low, self.high)
        q = jnp.maximum(random.uniform(key, low.shape, low.dtype), 0.25 * float(jnp.finfo(low.dtype).eps))
        still = lax.stop_gradient((low, high))
        x = clamped_in(NATIVE, self.family.support, evaluate(log_uniform.find, q, 1.0 - q, *still), *still)
        # by its logarithm: a slope as large as x / low may leave the range
        lower, upper = log_uniform.masses(NATIVE, x, *still)
        return exponential(upper * jnp.log(low) + lower * jnp.log(high), x)
