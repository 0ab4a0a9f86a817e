"""NoncentralChi2 with implicit gradients."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax import Array, lax, random

from irg_kernels.families import noncentral_chi2

from ..attach import attach
from ..samplers import standard_gamma
from .base import Univariate
from .clamping import exponential


class NoncentralChi2(Univariate):
    """Noncentral chi-squared distribution."""

    family = noncentral_chi2.FAMILY

    def __init__(self, df: Any, noncentrality: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, df=df, noncentrality=noncentrality)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        df, noncentrality = self._extended(key, sample_shape, self.df, self.noncentrality)
        log_x = _log_draw(key, *lax.stop_gradient((df, noncentrality)))
        log_x = attach(noncentral_chi2.LOG_SLOPES, log_x, df, noncentrality)
        return exponential(log_x)


def _log_draw(key: Array, df: Array, noncentrality: Array) -> Array:
    """log x.  Of the Poisson process whose points up to lam / 2 are the further pairs of degrees of freedom, the first
    point lies at an exponential number; from there on lam - 2 e is left of a noncentrality."""
    first, second, third = random.split(key, 3)
    left = noncentrality - 2.0 * random.exponential(first, df.shape, df.dtype)
    more = ~(left <= 0.0)  # where there is no number, too
    z, log_z = standard_gamma(second, 0.5 * (df + more.astype(df.dtype)))
    shifted = random.normal(third, df.shape, df.dtype) + jnp.sqrt(jnp.maximum(left, 0.0))
    return math.log(2.0) + jnp.where(more, jnp.log(jnp.where(more, z + 0.5 * shifted * shifted, 1.0)), log_z)
