"""PowerSpherical with implicit gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import beta
from irg_kernels.families import power_spherical as kernel

from ..attach import attach
from ..samplers import draw, standard_beta_logit
from .base import closed_form
from .sphere import Axial


class PowerSpherical(Axial):
    r"""Power spherical distribution of density :math:`\propto (1 + \mu \cdot x)^\kappa` on the unit sphere of any
    dimension from 2 on, reparameterized in both parameters (De Cao, Aziz 2020).

    The cosine is a Beta variable, with that one's implicit gradient; with the direction a draw turns.  `log_prob` takes
    the value for a direction.

    :param mean_direction: :math:`\mu`, a unit vector, of shape (..., d); a motion along itself has no effect.
    :param concentration: :math:`\kappa > 0`; number or tensor of the batch shape.
    :raises ValueError: for parameters outside their constraint, not finite, or of shapes that do not match.
    """

    def __init__(self, mean_direction: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, mean_direction, concentration)

    def _shapes(self, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """Of the beta number (1 + w) / 2."""
        first = self._half + self.concentration.expand(shape)
        return first, torch.full_like(first, self._half)

    def _drawn(self, shape: torch.Size) -> Tensor:
        return -draw(standard_beta_logit, *self._shapes(shape))

    def _carried(self, logit: Tensor) -> Tensor:
        return -attach((beta.dlogit_da, None), -logit, *self._shapes(logit.shape))

    def log_prob(self, value: Any) -> Tensor:
        """log p(value), to rounding, with derivatives in the value and both parameters."""
        s, q = (0.5 * self._half_square(value, sign) for sign in (1.0, -1.0))

        def log_density(xp, s, q, kappa):
            return kernel.log_density(xp, s, q, kappa, self._half)

        return closed_form(log_density, s, q, self.concentration)

    def entropy(self) -> Tensor:
        return closed_form(lambda xp, kappa: kernel.entropy(xp, kappa, self._half), self.concentration)

    @property
    def mean(self) -> Tensor:
        """E[x], shorter than 1."""
        return (self.concentration / (self.concentration + 2.0 * self._half))[..., None] * self._axis
