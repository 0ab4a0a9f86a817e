"""GeneralizedNormal with implicit gradients."""

from __future__ import annotations

from typing import Any

from jax import Array, lax, random

from irg_kernels.families import generalized_normal

from ..attach import attach, evaluate
from ..samplers import standard_gamma
from .base import Univariate

__all__ = ["GeneralizedNormal"]


class GeneralizedNormal(Univariate):
    """Generalized normal distribution, of exponential power."""

    family = generalized_normal.FAMILY

    def __init__(self, loc: Any, scale: Any, power: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, power=power)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        p, loc, scale = self._extended(key, sample_shape, self.power, self.loc, self.scale)
        key, key_sign = random.split(key)
        size = evaluate(generalized_normal.of_log_z, standard_gamma(key, 1.0 / p)[1], p)
        y = size * random.rademacher(key_sign, size.shape, size.dtype)
        return attach(generalized_normal.FAMILY.slopes, lax.stop_gradient(loc + scale * y), p, loc, scale)
