"""Gamma with implicit gradients, and the draw that its relatives share."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor

from irg_kernels.families import gamma
from irg_kernels.generic import by_region

from ..attach import attach, in_transform
from ..registry import implicit_twin_of
from ..samplers import draw, standard_gamma
from .base import UnivariateMixin, parameters
from .clamping import all_inside, in_range, outside


def draw_log_gamma(concentration: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """(z, log x), x = z / rate, z ~ Gamma(concentration, 1): log x with, and z without derivatives."""
    z, log_z = draw(standard_gamma, concentration)
    log_z = attach((gamma.dlogz_da,), log_z, concentration, by_region=by_region.GAMMA_LOG)
    return z, log_z - rate.log()


def precise(x: Tensor, log_x: Tensor, z: Tensor) -> Tensor:
    """x without history, from its logarithm where x, or the z that it was formed from, has left its dtype's range."""
    return torch.where(outside(z) | outside(x), log_x.detach().exp(), x.detach())


@implicit_twin_of(host.Gamma)
class Gamma(UnivariateMixin, host.Gamma):
    r"""Gamma distribution with density :math:`b^a x^{a-1} e^{-bx} / \Gamma(a)`, reparameterized in both parameters.

    >>> a = torch.tensor(0.01, requires_grad=True)
    >>> x = Gamma(a, 1.0).rsample((1000,))
    >>> x.log().mean().backward()
    """

    family = gamma.FAMILY

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        concentration, rate = parameters("Gamma", concentration=concentration, rate=rate)
        super().__init__(concentration, rate, validate_args=validate_args)
        self._refuse_infinite()

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        concentration, rate = self._extended(sample_shape, self.concentration, self.rate)
        z, log_z = draw(standard_gamma, concentration)
        x = (z / rate).detach()
        if not in_transform() and all_inside(x) and all_inside(z):  # the usual case
            return attach((gamma.dx_da, gamma.dx_drate), x, concentration, rate, by_region=by_region.GAMMA)
        x = precise(x, log_z - rate.log(), z)
        clamped = (outside(x) | outside(z)).to(x.dtype)
        partials = (gamma.dx_da_clamped, gamma.dx_drate, None, None)
        return attach(partials, in_range(x), concentration, rate, log_z, clamped, by_region=by_region.GAMMA_CLAMPED)
