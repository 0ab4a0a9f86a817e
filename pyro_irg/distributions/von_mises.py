"""VonMises with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor

from irg_kernels.families import von_mises
from irg_kernels.generic.special_line import VON_MISES_CDFINV
from irg_kernels.numerics.angles import between, turned, wrap

from ..attach import NATIVE, attach, call
from ..registry import implicit_twin_of
from ..samplers import draw, standard_von_mises
from .base import UnivariateMixin, parameters, together, uniforms
from .from_uniform import own_quantile


@implicit_twin_of(host.VonMises)
class VonMises(UnivariateMixin, host.VonMises):
    r"""Von Mises distribution of density :math:`e^{\kappa\cos(x-\mu)} / (2\pi I_0(\kappa))`, reparameterized in both
    parameters.
    """

    has_rsample = True
    family = von_mises.FAMILY

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        super().__init__(*parameters("VonMises", loc=loc, concentration=concentration), validate_args=validate_args)
        self._refuse_infinite()

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        loc, concentration = self._extended(sample_shape, self.loc, self.concentration)
        centred = attach((von_mises.dz_dkappa,), draw(standard_von_mises, concentration), concentration)
        return turned(NATIVE, loc, centred)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, its quantile counted from the location; see the function `from_uniform`."""
        loc, concentration, u = together(self.loc, self.concentration, uniforms(self, u))
        return turned(NATIVE, loc, call(VON_MISES_CDFINV, concentration, u))

    def _family_parameters(self):
        return wrap(NATIVE, self.loc), self.concentration

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value), periodic in the value."""
        return super().log_prob(wrap(NATIVE, value) if isinstance(value, Tensor) else value)  # which is refused

    @property
    def mean(self) -> Tensor:
        """The circular one, `loc`."""
        return self.loc


own_quantile.register(VonMises)(lambda base, q: between(NATIVE, base._quantile(q)))
