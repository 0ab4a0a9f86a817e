"""AffineBeta with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from irg_kernels.families import affine_beta
from irg_kernels.numerics.elementary import clamped_in

from ..attach import NATIVE
from .base import Univariate
from .beta import Beta


class AffineBeta(Univariate):
    r"""The distribution of :math:`\mu + \sigma y`, y ~ Beta(a, b), reparameterized in all four parameters; as
    Pyro's."""

    family = affine_beta.FAMILY

    def __init__(
        self, concentration1: Any, concentration0: Any, loc: Any, scale: Any, *, validate_args: bool | None = None
    ) -> None:
        given = {"concentration1": concentration1, "concentration0": concentration0, "loc": loc, "scale": scale}
        self._begin(validate_args, **given)

    @property
    def low(self) -> Array:
        """The lower end."""
        return self.loc

    @property
    def high(self) -> Array:
        """The upper end."""
        return self.loc + self.scale

    @property
    def sample_size(self) -> Array:
        """a + b"""
        return self.concentration1 + self.concentration0

    def _standard(self) -> Beta:
        a, b = (jnp.broadcast_to(p, self.batch_shape) for p in (self.concentration1, self.concentration0))
        return Beta(a, b, validate_args=False)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        self._extended(key, sample_shape)  # checks the key
        y = affine_beta.off_lower_end(NATIVE, self._standard().sample(key, sample_shape), self.loc, self.scale)
        return self._clamped(self.loc + self.scale * y)

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, its `icdf` off the ends; see the function `from_uniform`."""
        return self._clamped(super().from_uniform(u))

    def _clamped(self, x: Array) -> Array:
        return clamped_in(NATIVE, self.family.support, x, *self._family_parameters())

    def icdf(self, value: Array) -> Array:
        """The x where `cdf` is `value`, with the same derivatives; at 0 and 1 the ends of the support."""
        return self.loc + self.scale * self._standard().icdf(self._at(value, 0.0, 1.0, "quantile"))
