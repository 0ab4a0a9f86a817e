"""GeneralizedPareto with draws and derivatives that are right through concentration 0."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array, lax, random

from irg_kernels.families import generalized_pareto as kernel

from ..attach import NATIVE
from .base import Univariate
from .clamping import exponential
from .ends import line_between


class GeneralizedPareto(Univariate):
    """Generalized Pareto distribution.

    Smooth in the concentration through 0, where it is exponential.  A
    draw that would overflow is held at the end of the range, with the relative derivative of the true draw.
    """

    family = kernel.FAMILY
    _between = line_between

    def __init__(self, loc: Any, scale: Any, concentration: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, concentration=concentration)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        loc, scale, c = self._extended(key, sample_shape, self.loc, self.scale, self.concentration)
        e = jnp.maximum(random.exponential(key, c.shape, c.dtype), float(jnp.finfo(c.dtype).tiny))
        size = lax.stop_gradient(scale * kernel.z_of(NATIVE, e, c))
        x = loc + exponential(jnp.log(scale) + kernel.log_z_of(NATIVE, e, c), size)
        return kernel.clamped_inside(NATIVE, x, c, loc, scale)
