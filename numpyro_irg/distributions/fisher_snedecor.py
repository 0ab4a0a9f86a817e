"""FisherSnedecor with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from irg_kernels.families import fisher_snedecor

from ..attach import attach
from ..samplers import standard_beta_logit
from .base import Univariate, exponential

__all__ = ["FisherSnedecor"]


class FisherSnedecor(Univariate):
    """Fisher-Snedecor distribution, that of the quotient of two mean squares."""

    family = fisher_snedecor.FAMILY

    def __init__(self, df1: Any, df2: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, df1=df1, df2=df2)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        df1, df2 = self._extended(key, sample_shape, self.df1, self.df2)
        log_x = standard_beta_logit(key, 0.5 * df1, 0.5 * df2) + jnp.log(df2 / df1)
        log_x = attach(fisher_snedecor.LOG_SLOPES, log_x, df1, df2)
        return exponential(log_x, jnp.exp(lax.stop_gradient(log_x)))
