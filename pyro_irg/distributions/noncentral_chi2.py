"""NoncentralChi2 with implicit gradients."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import noncentral_chi2

from ..attach import attach
from ..samplers import draw, standard_gamma
from .base import Univariate
from .clamping import exponential


class NoncentralChi2(Univariate):
    """Noncentral chi-squared distribution."""

    family = noncentral_chi2.FAMILY

    def __init__(self, df: Any, noncentrality: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, df=df, noncentrality=noncentrality)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        df, noncentrality = self._extended(sample_shape, self.df, self.noncentrality)
        log_x = attach(noncentral_chi2.LOG_SLOPES, draw(_log_draw, df, noncentrality), df, noncentrality)
        return exponential(log_x)


def _log_draw(df: Tensor, noncentrality: Tensor) -> Tensor:
    """log x.  Of the Poisson process whose points up to lam / 2 are the further pairs of degrees of freedom, the first
    point lies at an exponential number; from there on lam - 2 e is left of a noncentrality."""
    left = noncentrality - 2.0 * torch.empty_like(df).exponential_()
    more = ~(left <= 0.0)  # where there is no number, too
    z, log_z = standard_gamma(0.5 * (df + more))
    shifted = torch.randn_like(df) + left.clamp(min=0.0).sqrt()
    return math.log(2.0) + torch.where(more, (z + 0.5 * shifted * shifted).log(), log_z)
