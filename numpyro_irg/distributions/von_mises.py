"""VonMises with implicit gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array
from numpyro.distributions.util import validate_sample

from irg_kernels.families import von_mises
from irg_kernels.generic.special_line import VON_MISES_CDFINV
from irg_kernels.numerics.angles import between, turned, wrap

from ..attach import NATIVE, attach, call
from ..registry import implicit_twin_of
from ..samplers import standard_von_mises
from .base import UnivariateMixin, parameters, together, uniforms
from .from_uniform import own_quantile


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
        return turned(NATIVE, loc, centred)

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, its quantile counted from the location; see the function `from_uniform`."""
        loc, concentration, u = together(self.loc, self.concentration, uniforms(self, u))
        return turned(NATIVE, loc, call(VON_MISES_CDFINV, concentration, u))

    def _family_parameters(self):
        return wrap(NATIVE, self.loc), self.concentration

    @validate_sample
    def log_prob(self, value: Array, intermediates: Any = None) -> Array:
        """log p(value), periodic in the value."""
        return super().log_prob(wrap(NATIVE, jnp.asarray(value)))

    @property
    def mean(self) -> Array:
        """The circular one, `loc`."""
        return jnp.broadcast_to(self.loc, self.batch_shape)


own_quantile.register(VonMises)(lambda base, q: between(NATIVE, base.icdf(q)))
