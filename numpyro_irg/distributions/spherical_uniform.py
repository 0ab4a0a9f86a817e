"""SphericalUniform."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, random
from numpyro.distributions import constraints
from numpyro.distributions.util import validate_sample

from irg_kernels.adapter.settings import is_integer
from irg_kernels.numerics.elementary import log_area_of_sphere

from .base import ImplicitMixin


class SphericalUniform(ImplicitMixin, host.Distribution):
    r"""Uniform distribution on the unit sphere, of density :math:`\Gamma(d/2) / (2 \pi^{d/2})`; it has no parameters to
    be reparameterized in.

    :param dim: dimension d of the vectors, an integer from 2 on.
    :param batch_shape: of the distribution.
    :raises ValueError: for a dim below 2.
    """

    arg_constraints: dict = {}
    support = constraints.sphere
    pytree_aux_fields = ("dim",)

    def __init__(self, dim: int, batch_shape: Any = (), *, validate_args: bool | None = None) -> None:
        if not is_integer(dim) or dim < 2:
            raise ValueError(f"SphericalUniform: dim must be an integer from 2 on, got {dim!r}")
        self.dim = dim
        host.Distribution.__init__(self, tuple(batch_shape), (dim,), validate_args=validate_args)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        (zero,) = self._extended(key, sample_shape, jnp.zeros(()))
        normal = random.normal(key, zero.shape, zero.dtype)
        return normal / jnp.linalg.norm(normal, axis=-1, keepdims=True)

    def _implicit_gradients(self, value: Array) -> dict[str, Array]:
        return {}

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        value = jnp.asarray(value)
        shape = jnp.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return jnp.full(shape, -self._log_area, value.dtype)

    @property
    def _log_area(self) -> float:
        return log_area_of_sphere(self.dim)

    def entropy(self) -> Array:
        return jnp.full(self.batch_shape, self._log_area)

    @property
    def mean(self) -> Array:
        """0"""
        return jnp.zeros(self.batch_shape + self.event_shape)
