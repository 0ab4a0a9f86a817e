"""GeneralizedNormal with implicit gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import generalized_normal

from ..attach import attach, evaluate
from ..samplers import draw, standard_gamma
from .base import Univariate

__all__ = ["GeneralizedNormal"]


class GeneralizedNormal(Univariate):
    """Generalized normal distribution, of exponential power."""

    family = generalized_normal.FAMILY

    def __init__(self, loc: Any, scale: Any, power: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, power=power)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        p, loc, scale = self._extended(sample_shape, self.power, self.loc, self.scale)
        size = evaluate(generalized_normal.of_log_z, draw(standard_gamma, 1.0 / p)[1], p.detach())
        y = torch.where(draw(torch.rand_like, p) < 0.5, -size, size)
        return attach(generalized_normal.FAMILY.slopes, loc + scale * y, p, loc, scale)
