"""HalfStudentT with implicit gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import half_student_t as kernel

from ..attach import attach
from ..samplers import draw, standard_student_t
from .base import Univariate, exponential

__all__ = ["HalfStudentT"]


class HalfStudentT(Univariate):
    """Half Student-t distribution."""

    family = kernel.FAMILY

    def __init__(self, df: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, df=df, scale=scale)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        df, scale = self._extended(sample_shape, self.df, self.scale)
        log_x = draw(standard_student_t, df)[1] + scale.detach().log()
        log_x = attach((kernel.dlogx_dnu, kernel.dlogx_dscale), log_x, df, scale)
        return exponential(log_x, log_x.detach().exp())
