"""GeneralizedExtremeValue with implicit gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import generalized_extreme_value as kernel

from ..attach import NATIVE
from .base import Univariate
from .ends import line_between


class GeneralizedExtremeValue(Univariate):
    """Generalized extreme value distribution."""

    family = kernel.FAMILY
    _between = line_between

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, concentration=concentration)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        params = self._extended(sample_shape, *self._family_parameters())
        return kernel.clamped_inside(NATIVE, super().rsample(sample_shape), *params)
