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
    r"""Beta prime distribution, that of the odds of a beta number.

    Density :math:`x^{a-1} (1 + x)^{-a-b} / B(a, b)` for x > 0.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param concentration1: :math:`a > 0`; number or tensor, broadcast with the others.
    :param concentration0: :math:`b > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = beta_prime.FAMILY

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration1=concentration1, concentration0=concentration0)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        a, b = self._extended(sample_shape, self.concentration1, self.concentration0)
        log_x = attach((beta.dlogit_da, beta.dlogit_db), draw(standard_beta_logit, a, b), a, b)
        return exponential(log_x, log_x.detach().exp())
