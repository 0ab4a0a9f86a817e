"""GeneralizedPareto with draws and derivatives that are right through concentration 0."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor

from irg_kernels.families import generalized_pareto as kernel

from ..attach import NATIVE
from ..registry import implicit_twin_of
from ..samplers import draw
from .base import Univariate
from .clamping import exponential
from .ends import line_between

# torch 2.6 has no such class: ours needs nothing of the host's, and is its subclass for `isinstance`
_HOST: tuple[Any, ...] = (host.GeneralizedPareto,) if hasattr(host, "GeneralizedPareto") else ()


class GeneralizedPareto(Univariate, *_HOST):  # type: ignore[misc]
    """Generalized Pareto distribution.

    Smooth in the concentration through 0, where it is exponential (and the host's draws have no gradient in it).  A
    draw that would overflow is held at the end of the range, with the relative derivative of the true draw.
    """

    family = kernel.FAMILY
    host_fault = "whose gradient in concentration is zero at concentration = 0"
    _between = line_between

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, concentration=concentration)

    def log_survival_function(self, value: Any) -> Any:
        """log P(X > value), by the host's name."""
        return self.log_sf(value)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        loc, scale, c = self._extended(sample_shape, self.loc, self.scale, self.concentration)
        e = draw(_standard_exponential, c)
        with torch.no_grad():
            size = scale * kernel.z_of(NATIVE, e, c)
        x = loc + exponential(scale.log() + kernel.log_z_of(NATIVE, e, c), size)
        return kernel.clamped_inside(NATIVE, x, c, loc, scale)


def _standard_exponential(like):
    return torch.empty_like(like).exponential_().clamp(min=torch.finfo(like.dtype).tiny)


for _host in _HOST:
    implicit_twin_of(_host)(GeneralizedPareto)
