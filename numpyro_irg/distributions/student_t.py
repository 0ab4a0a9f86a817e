"""StudentT with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array
from numpyro import validation_enabled

from irg_kernels.families import student_t

from ..attach import attach
from ..registry import implicit_twin_of
from ..samplers import standard_student_t
from .base import UnivariateMixin, parameters
from .clamping import exponential


@implicit_twin_of(host.StudentT)
class StudentT(UnivariateMixin, host.StudentT):
    """Student's t distribution, reparameterized in all three parameters; its one-dimensional gradient in `df` is
    implicit.
    """

    family = student_t.FAMILY

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, *, validate_args: bool | None = None) -> None:
        df, loc, scale = parameters("StudentT", df=df, loc=loc, scale=scale)
        with validation_enabled(False):  # the host would blame its Chi2
            super().__init__(df, loc, scale)
        host.Distribution.__init__(self, self.batch_shape, validate_args=validate_args)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        df, loc, scale = self._extended(key, sample_shape, self.df, self.loc, self.scale)
        sign, log_t = standard_student_t(key, df)
        log_size = attach((student_t.dlogt_dnu,), log_t, df) + jnp.log(scale)
        size = exponential(log_size)
        return loc + sign * size

    @property
    def mean(self) -> Array:
        """E[X]; as the host's, inf where there is none."""
        return jnp.broadcast_to(jnp.where(self.df > 1.0, self.loc, jnp.inf), self.batch_shape)
