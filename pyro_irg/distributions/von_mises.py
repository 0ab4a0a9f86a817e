"""VonMises with implicit gradients."""

from __future__ import annotations

import math

import pyro.distributions as host
import torch
from torch import Tensor

from irg_kernels.families import von_mises

from ..attach import attach, call
from ..registry import implicit_twin_of
from ..samplers import draw, standard_von_mises
from .base import UnivariateMixin, closed_form, parameters

__all__ = ["VonMises", "wrap"]


@implicit_twin_of(host.VonMises)
class VonMises(UnivariateMixin, host.VonMises):
    r"""Von Mises law of density :math:`e^{\kappa\cos(x-\mu)} / (2\pi I_0(\kappa))`, reparameterized in both parameters.

    The gradient in the concentration is implicit (Figurnov, Mohamed, Mnih 2018, section 5), with the distribution
    function measured from the location; draws lie in [-pi, pi] and are wrapped there, which leaves derivatives alone.
    `cdf` is the probability of [-pi, value], for -pi <= value <= pi, whatever the location.

    :param loc: mean direction :math:`\mu`, in radians; number or tensor, broadcast with `concentration`.
    :param concentration: :math:`\kappa > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    has_rsample = True

    def __init__(self, loc, concentration, validate_args=None):
        super().__init__(*parameters("VonMises", loc=loc, concentration=concentration), validate_args=validate_args)
        self._refuse_infinite()

    def rsample(self, sample_shape=torch.Size()):
        loc, concentration = self._extended(sample_shape, self.loc, self.concentration)
        centred = attach((von_mises.dz_dkappa,), draw(standard_von_mises, concentration), concentration)
        return wrap(loc + centred)

    def _law(self, value):
        return von_mises.LAW, self._at(value, -math.pi, math.pi, "value"), wrap(self.loc), self.concentration

    def icdf(self, value):
        r"""The angle in [-pi, pi] where `cdf` is `value`."""
        return self._quantile(_quantile, value, -math.pi, math.pi, wrap(self.loc), self.concentration)

    def entropy(self):
        return closed_form(von_mises.entropy, self.concentration)

    @property
    def variance(self):
        """The circular one, 1 - I1/I0, to full relative accuracy."""
        return closed_form(von_mises.deficit, self.concentration)


def _quantile(*args):
    return call(von_mises.QUANTILE, *args)


def wrap(angle: Tensor) -> Tensor:
    """The angle in [-pi, pi]; one that lies there already keeps all its digits."""
    turns = (angle / (2.0 * math.pi)).round()
    return (angle - 2.0 * math.pi * turns).clamp(-math.pi, math.pi)
