"""BetaPrime with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from irg_kernels.families import beta, beta_prime

from ..attach import attach
from ..samplers import standard_beta_logit
from .base import Univariate, exponential

__all__ = ["BetaPrime"]


class BetaPrime(Univariate):
    """Beta prime distribution, that of the odds of a beta number."""

    family = beta_prime.FAMILY

    def __init__(self, concentration1: Any, concentration0: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration1=concentration1, concentration0=concentration0)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        a, b = self._extended(key, sample_shape, self.concentration1, self.concentration0)
        log_x = attach((beta.dlogit_da, beta.dlogit_db), standard_beta_logit(key, a, b), a, b)
        return exponential(log_x, jnp.exp(lax.stop_gradient(log_x)))
