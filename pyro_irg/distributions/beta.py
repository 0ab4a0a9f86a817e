"""Beta with implicit gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions import constraints
from torch import Tensor

from irg_kernels.families import beta
from irg_kernels.generic import by_region

from ..attach import attach
from ..registry import implicit_twin_of
from ..samplers import draw, standard_beta_logit
from .base import UnivariateMixin, parameters, refuse_outside
from .clamping import sigmoid


@implicit_twin_of(host.Beta)
class Beta(UnivariateMixin, host.Beta):
    """Beta distribution with density :math:`x^{a-1} (1-x)^{b-1} / B(a, b)`, reparameterized in both parameters."""

    family = beta.FAMILY

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        a, b = parameters("Beta", concentration1=concentration1, concentration0=concentration0)
        self._begin_checked(functools.partial(self._begin, super().__init__, a, b), validate_args, a, b)

    def _begin(self, host: Callable, a: Tensor, b: Tensor, validate_args: bool | None) -> None:
        if type(self)._validate_args if validate_args is None else validate_args:
            refuse_outside("Beta", constraints.positive, concentration1=a, concentration0=b)
        # torch's check of its Dirichlet cannot reshape an empty batch
        host(a, b, validate_args=validate_args if a.numel() else False)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        a, b = self._extended(sample_shape, self.concentration1, self.concentration0)
        logit, partials = draw(standard_beta_logit, a, b), (beta.dlogit_da, beta.dlogit_db)
        return sigmoid(attach(partials, logit, a, b, by_region=by_region.BETA))
