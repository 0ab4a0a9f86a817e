"""NormalInverseGaussian with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from numpyro.util import not_jax_tracer

from irg_kernels.adapter.messages import too_skew
from irg_kernels.families import normal_inverse_gaussian

from .base import Univariate

__all__ = ["NormalInverseGaussian"]


class NormalInverseGaussian(Univariate):
    """Normal-inverse Gaussian distribution."""

    family = normal_inverse_gaussian.FAMILY

    def __init__(
        self, loc: Any, scale: Any, tailweight: Any, skewness: Any, *, validate_args: bool | None = None
    ) -> None:
        self._begin(validate_args, loc=loc, scale=scale, tailweight=tailweight, skewness=skewness)

    def validate_args(self, strict: bool = True) -> None:
        super().validate_args(strict)
        with jax.ensure_compile_time_eval():
            inside = jnp.abs(self.skewness) < self.tailweight
            if not_jax_tracer(inside) and not inside.all():
                raise ValueError(too_skew(type(self).__name__, self.skewness, self.tailweight))
