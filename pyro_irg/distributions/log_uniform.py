"""LogUniform with implicit gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import log_uniform
from irg_kernels.numerics.elementary import clamped_in

from ..attach import NATIVE, evaluate
from ..samplers import draw
from .base import Univariate
from .clamping import exponential


class LogUniform(Univariate):
    """Log-uniform (reciprocal) distribution."""

    family = log_uniform.FAMILY

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, low=low, high=high)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        low, high = self._extended(sample_shape, self.low, self.high)
        q = draw(torch.rand_like, low).clamp(min=0.25 * torch.finfo(low.dtype).eps)
        with torch.no_grad():
            x = clamped_in(NATIVE, self.family.support, evaluate(log_uniform.find, q, 1.0 - q, low, high), low, high)
            lower, upper = log_uniform.masses(NATIVE, x, low, high)
        # by its logarithm: a slope as large as x / low may leave the range
        return exponential(upper * low.log() + lower * high.log(), x)
