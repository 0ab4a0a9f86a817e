"""PowerSpherical with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array
from numpyro.distributions.util import validate_sample

from irg_kernels.families import beta
from irg_kernels.families import power_spherical as kernel

from ..attach import attach
from ..samplers import standard_beta_logit
from .base import closed_form
from .sphere import Axial, with_half


class PowerSpherical(Axial):
    r"""Power spherical distribution of density :math:`\propto (1 + \mu \cdot x)^\kappa` on the unit sphere of any
    dimension from 2 on, reparameterized in both parameters (De Cao, Aziz 2020).

    The cosine is a Beta variable, with that one's implicit gradient; with the direction a draw turns.  `log_prob` takes
    the value for a direction.

    :param mean_direction: :math:`\mu`, a unit vector, of shape (..., d); a motion along itself has no effect.
    :param concentration: :math:`\kappa > 0`; number or array of the batch shape.
    :raises ValueError: for parameters outside their constraint, not finite, or of shapes that do not match.
    """

    def __init__(self, mean_direction: Any, concentration: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, mean_direction, concentration)

    def _shapes(self, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """Of the beta number (1 + w) / 2."""
        first = self._half + jnp.broadcast_to(self.concentration, shape)
        return first, jnp.full_like(first, self._half)

    def _drawn(self, key: Array, shape: tuple[int, ...]) -> Array:
        return -standard_beta_logit(key, *self._shapes(shape))

    def _carried(self, logit: Array) -> Array:
        return -attach((beta.dlogit_da, None), -logit, *self._shapes(logit.shape))

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p(value), to rounding, with derivatives in the value and both parameters."""
        s, q = (0.5 * self._half_square(value, sign) for sign in (1.0, -1.0))

        return closed_form(with_half(kernel.log_density, self._half), s, q, self.concentration)

    def entropy(self) -> Array:
        return closed_form(with_half(kernel.entropy, self._half), self.concentration)

    @property
    def mean(self) -> Array:
        """E[x], shorter than 1."""
        return (self.concentration / (self.concentration + 2.0 * self._half))[..., None] * self._axis
