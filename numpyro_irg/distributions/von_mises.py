"""VonMises with implicit gradients."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax
from numpyro.distributions.util import validate_sample

from irg_kernels.families import von_mises
from irg_kernels.generic.special_line import VON_MISES_CDFINV

from ..attach import attach, call
from ..registry import implicit_twin_of
from ..samplers import standard_von_mises
from .base import UnivariateMixin, parameters, together, uniforms

__all__ = ["VonMises", "wrap"]


@implicit_twin_of(host.VonMises)
class VonMises(UnivariateMixin, host.VonMises):
    r"""Von Mises distribution of density :math:`e^{\kappa\cos(x-\mu)} / (2\pi I_0(\kappa))`, reparameterized in both
    parameters.
    """

    reparametrized_params = ["loc", "concentration"]
    family = von_mises.FAMILY

    def __init__(self, loc: Any, concentration: Any, *, validate_args: bool | None = None) -> None:
        loc, concentration = parameters("VonMises", loc=loc, concentration=concentration)
        super().__init__(loc, concentration, validate_args=validate_args)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        loc, concentration = self._extended(key, sample_shape, self.loc, self.concentration)
        centred = attach((von_mises.dz_dkappa,), standard_von_mises(key, concentration), concentration)
        return _turned(loc, centred)

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, its quantile counted from the location; see the function `from_uniform`."""
        loc, concentration, u = together(self.loc, self.concentration, uniforms(self, u))
        return _turned(loc, call(VON_MISES_CDFINV, concentration, u))

    def _family_parameters(self):
        return wrap(self.loc), self.concentration

    @validate_sample
    def log_prob(self, value: Array, intermediates: Any = None) -> Array:
        """log p(value), periodic in the value."""
        return super().log_prob(wrap(jnp.asarray(value)))

    @property
    def mean(self) -> Array:
        """The circular one, `loc`."""
        return jnp.broadcast_to(self.loc, self.batch_shape)


def _turned(loc: Array, centred: Array) -> Array:
    """The angle loc + centred, inside (-pi, pi)."""
    angle = wrap(wrap(loc) + centred)
    # inside (-pi, pi) also in its dtype, where float32's pi lies beyond pi
    end = math.pi * (1.0 - float(jnp.finfo(angle.dtype).eps))
    fixed = lax.stop_gradient(angle)
    return angle + (jnp.clip(fixed, -end, end) - fixed)


def wrap(angle: Array) -> Array:
    """The angle in [-pi, pi]; one that lies there already keeps all its digits."""
    turns = jnp.round(angle / (2.0 * math.pi))
    # 2 pi in two numbers, the first of so few digits that its multiples are exact
    return jnp.clip((angle - 6.28125 * turns) - 0.001935307179586477 * turns, -math.pi, math.pi)
