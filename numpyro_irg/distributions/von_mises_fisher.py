"""VonMisesFisher with implicit gradients."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax, random
from numpyro.distributions.util import validate_sample

from irg_kernels.families import von_mises_fisher as kernel

from ..attach import NATIVE, attach, call
from ..samplers import reject
from .base import closed_form
from .sphere import Axial, with_half


class VonMisesFisher(Axial):
    r"""Von Mises-Fisher distribution of density :math:`\propto e^{\kappa \mu \cdot x}` on the unit sphere of any
    dimension from 2 on, reparameterized in both parameters.

    The cosine :math:`\mu \cdot x` has the implicit gradient of its own distribution in :math:`\kappa` (Figurnov,
    Mohamed, Mnih 2018, eq. 5), exact where a rejection sampler's own derivative is biased; with the direction a draw
    turns.  Draws are Wood's (1994), accurate at any concentration.  `log_prob` takes the value for a direction: it is
    that of the value scaled to length 1.

    :param mean_direction: :math:`\mu`, a unit vector, of shape (..., d); a motion along itself has no effect.
    :param concentration: :math:`\kappa > 0`; number or array of the batch shape.
    :raises ValueError: for parameters outside their constraint, not finite, or of shapes that do not match.
    """

    def __init__(self, mean_direction: Any, concentration: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, mean_direction, concentration)

    @property
    def _mean_s(self) -> Array:
        """E[(1 - w) / 2]"""
        return call(kernel.mean_of(self._half), self.concentration)

    def _drawn(self, key: Array, shape: tuple[int, ...]) -> Array:
        return _sampled(key, lax.stop_gradient(jnp.broadcast_to(self.concentration, shape)), self._half)

    def _carried(self, logit: Array) -> Array:
        kappa, mean = (jnp.broadcast_to(p, logit.shape) for p in (self.concentration, self._mean_s))
        return attach((kernel.slope_of(self._half), None), logit, kappa, mean)

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p(value), to rounding, with derivatives in the value and both parameters."""
        return -self.concentration * self._half_square(value, 1.0) - self._log_normalizer

    @property
    def _log_normalizer(self) -> Array:
        """Of exp(-kappa (1 - w))."""
        log_mass = call(kernel.log_mass_of(self._half), self.concentration, self._mean_s)
        return log_mass + kernel.log_constant(self._half)

    def entropy(self) -> Array:
        return self._log_normalizer + 2.0 * self.concentration * self._mean_s

    @property
    def mean(self) -> Array:
        """E[x], shorter than 1."""
        length = closed_form(with_half(kernel.mean_cosine, self._half), self.concentration, self._mean_s)
        return length[..., None] * self._axis


@functools.partial(jax.jit, static_argnums=2)
def _sampled(key: Array, kappa: Array, a: float) -> Array:
    """The logit of (1 - w) / 2, by rejection."""

    def propose(key):
        uniform_key, angle_key, exponential_key = random.split(key, 3)
        u = 1.0 - random.uniform(uniform_key, kappa.shape, kappa.dtype)
        angle = random.uniform(angle_key, kappa.shape, kappa.dtype, 0.0, math.pi)
        y, log_chance = kernel.propose(NATIVE, u, angle, kappa, a)
        return y, -random.exponential(exponential_key, kappa.shape, kappa.dtype) <= log_chance

    return reject(key, propose, (kappa > 0.0) & (kappa < jnp.inf), kappa.dtype)
