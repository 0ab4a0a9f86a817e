"""Nakagami with implicit gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import nakagami

from ..attach import attach
from ..samplers import draw, standard_gamma
from .base import Univariate, exponential

__all__ = ["Nakagami"]


class Nakagami(Univariate):
    """Nakagami distribution, that of the square root of a gamma number."""

    family = nakagami.FAMILY

    def __init__(self, concentration: Any, spread: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, spread=spread)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        m, spread = self._extended(sample_shape, self.concentration, self.spread)
        log_x = 0.5 * (draw(standard_gamma, m)[1] + (spread / m).log())
        log_x = attach(nakagami.LOG_SLOPES, log_x, m, spread)
        return exponential(log_x, log_x.detach().exp())
