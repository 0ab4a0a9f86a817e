"""InverseGamma with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor

from irg_kernels.families import inverse_gamma

from ..registry import implicit_twin_of
from .base import Univariate
from .clamping import exponential
from .gamma import draw_log_gamma, precise


@implicit_twin_of(host.InverseGamma)
class InverseGamma(Univariate):
    r"""The distribution of 1 / z, z ~ Gamma(a, b), with density :math:`b^a x^{-a-1} e^{-b/x} / \Gamma(a)`."""

    family = inverse_gamma.FAMILY

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, rate=rate)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        concentration, rate = self._extended(sample_shape, self.concentration, self.rate)
        z, log_x = draw_log_gamma(concentration, rate)
        return exponential(-log_x, precise(rate / z, -log_x, z))
