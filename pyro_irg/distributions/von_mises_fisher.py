"""VonMisesFisher with implicit gradients."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import von_mises_fisher as kernel

from ..attach import NATIVE, attach, call
from ..samplers import draw, refuse_tracing
from .base import closed_form
from .sphere import Axial


class VonMisesFisher(Axial):
    r"""Von Mises-Fisher distribution of density :math:`\propto e^{\kappa \mu \cdot x}` on the unit sphere of any
    dimension from 2 on, reparameterized in both parameters.

    The cosine :math:`\mu \cdot x` has the implicit gradient of its own distribution in :math:`\kappa` (Figurnov,
    Mohamed, Mnih 2018, eq. 5), exact where a rejection sampler's own derivative is biased; with the direction a draw
    turns.  Draws are Wood's (1994), accurate at any concentration.  `log_prob` takes the value for a direction: it is
    that of the value scaled to length 1.

    :param mean_direction: :math:`\mu`, a unit vector, of shape (..., d); a motion along itself has no effect.
    :param concentration: :math:`\kappa > 0`; number or tensor of the batch shape.
    :raises ValueError: for parameters outside their constraint, not finite, or of shapes that do not match.
    """

    def __init__(self, mean_direction: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, mean_direction, concentration)

    @property
    def _mean_s(self) -> Tensor:
        """E[(1 - w) / 2]"""
        return call(kernel.mean_of(self._half), self.concentration)

    def _drawn(self, shape: torch.Size) -> Tensor:
        return draw(_Sampler(self._half), self.concentration.expand(shape))

    def _carried(self, logit: Tensor) -> Tensor:
        kappa, mean = (p.expand(logit.shape) for p in (self.concentration, self._mean_s))
        return attach((kernel.slope_of(self._half), None), logit, kappa, mean)

    def log_prob(self, value: Any) -> Tensor:
        """log p(value), to rounding, with derivatives in the value and both parameters."""
        away = self._half_square(value, 1.0)
        return -self.concentration * away - self._log_normalizer

    @property
    def _log_normalizer(self) -> Tensor:
        """Of exp(-kappa (1 - w))."""
        log_mass = call(kernel.log_mass_of(self._half), self.concentration, self._mean_s)
        return log_mass + kernel.log_constant(self._half)

    def entropy(self) -> Tensor:
        return self._log_normalizer + 2.0 * self.concentration * self._mean_s

    @property
    def mean(self) -> Tensor:
        """E[x], shorter than 1."""

        def length(xp, kappa, mean):
            return kernel.mean_cosine(xp, kappa, mean, self._half)

        return closed_form(length, self.concentration, self._mean_s)[..., None] * self._axis


class _Sampler:
    """(kappa) -> the logit of (1 - w) / 2, by rejection."""

    def __init__(self, a: float) -> None:
        self.a = a

    def __call__(self, concentration: Tensor) -> Tensor:
        refuse_tracing("VonMisesFisher")
        shape, kappa = concentration.shape, concentration.reshape(-1)
        y = torch.full_like(kappa, math.nan)
        # another concentration would never be accepted
        pending = ((kappa > 0.0) & (kappa < math.inf)).nonzero().squeeze(-1)
        while pending.numel():
            k = kappa[pending]
            u, angle = 1.0 - torch.rand_like(k), math.pi * torch.rand_like(k)
            proposal, log_chance = kernel.propose(NATIVE, u, angle, k, self.a)
            accepted = torch.log1p(-torch.rand_like(k)) <= log_chance
            y[pending[accepted]] = proposal[accepted]
            pending = pending[~accepted]
        return y.view(shape)
