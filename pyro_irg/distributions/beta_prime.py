"""BetaPrime with implicit gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import beta, beta_prime

from ..attach import attach
from ..samplers import draw, standard_beta_logit
from .base import Univariate, exponential

__all__ = ["BetaPrime"]


class BetaPrime(Univariate):
    """Beta prime distribution, that of the odds of a beta number."""

    family = beta_prime.FAMILY

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration1=concentration1, concentration0=concentration0)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        a, b = self._extended(sample_shape, self.concentration1, self.concentration0)
        log_x = attach((beta.dlogit_da, beta.dlogit_db), draw(standard_beta_logit, a, b), a, b)
        return exponential(log_x, log_x.detach().exp())
