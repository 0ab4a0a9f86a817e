"""FisherSnedecor with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor

from irg_kernels.families import fisher_snedecor

from ..attach import attach
from ..registry import implicit_twin_of
from ..samplers import draw, standard_beta_logit
from .base import Univariate, exponential

__all__ = ["FisherSnedecor"]


@implicit_twin_of(host.FisherSnedecor)
class FisherSnedecor(Univariate, host.FisherSnedecor):
    """Fisher-Snedecor distribution, that of the quotient of two mean squares."""

    family = fisher_snedecor.FAMILY

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, df1=df1, df2=df2)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        df1, df2 = self._extended(sample_shape, self.df1, self.df2)
        log_x = draw(standard_beta_logit, 0.5 * df1, 0.5 * df2) + (df2 / df1).log()
        log_x = attach(fisher_snedecor.LOG_SLOPES, log_x, df1, df2)
        return exponential(log_x, log_x.detach().exp())
