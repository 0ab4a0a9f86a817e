"""HalfStudentT with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from irg_kernels.families import half_student_t as kernel

from ..attach import attach
from ..samplers import standard_student_t
from .base import Univariate, exponential

__all__ = ["HalfStudentT"]


class HalfStudentT(Univariate):
    """Half Student-t distribution."""

    family = kernel.FAMILY

    def __init__(self, df: Any, scale: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, df=df, scale=scale)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        df, scale = self._extended(key, sample_shape, self.df, self.scale)
        log_x = standard_student_t(key, df)[1] + jnp.log(scale)
        log_x = attach((kernel.dlogx_dnu, kernel.dlogx_dscale), log_x, df, scale)
        return exponential(log_x, jnp.exp(lax.stop_gradient(log_x)))
