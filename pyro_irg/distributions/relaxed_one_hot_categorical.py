"""RelaxedOneHotCategorical with gradients at any temperature."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions.utils import probs_to_logits

from irg_kernels.adapter import arguments
from irg_kernels.families import relaxed_one_hot_categorical as kernel

from ..attach import NATIVE
from ..registry import implicit_twin_of
from ..samplers import draw, standard_gumbel
from .base import ImplicitMixin, refuse_outside
from .clamping import exponential
from .multivariate import event_parameters


@implicit_twin_of(host.RelaxedOneHotCategorical)
class RelaxedOneHotCategorical(ImplicitMixin, TorchDistribution):
    r"""Relaxed categorical distribution, of the softmax of :math:`(l + g) / \tau` with standard Gumbel g, on the
    simplex, reparameterized in temperature and logits (Maddison, Mnih, Teh 2017).

    A component that would underflow, as most do at a temperature of 0.02 in float32, is held at the least normal
    number, with the relative derivative of the true one.

    :param temperature: :math:`\tau > 0`; number or tensor of the batch shape.
    :param probs: of shape (..., K), positive; scaled to add up to 1.
    :param logits: instead of it, its logarithm but for a constant.
    :raises ValueError: for both or none of the two, or parameters outside their constraint, not finite, or of shapes
        that do not match.
    """

    arg_constraints = {"temperature": constraints.positive, "logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True
    _expands = {"temperature": 0, "logits": 1}

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        name = "RelaxedOneHotCategorical"
        which, value = arguments.one_of(name, probs=probs, logits=logits)
        batch, (temperature, value) = event_parameters(name, temperature=(temperature, 0), **{which: (value, 1)})
        if which == "probs":
            if type(self)._validate_args if validate_args is None else validate_args:
                refuse_outside(name, constraints.nonnegative, probs=value)
            value = probs_to_logits(value / value.sum(-1, keepdim=True))
        value = value - value.logsumexp(-1, keepdim=True)
        self.temperature, self.logits = temperature.expand(batch), value.expand(batch + value.shape[-1:])
        TorchDistribution.__init__(self, batch, value.shape[-1:], validate_args=validate_args)
        self._refuse_infinite()

    @property
    def probs(self) -> Tensor:
        """Of each 1 at temperature 0."""
        return self.logits.exp()

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        (logits,) = self._extended(sample_shape, self.logits)
        return _held(kernel.log_draw(NATIVE, draw(standard_gumbel, logits), self.temperature, logits))

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves as a draw does."""
        moving = _held(kernel.log_at_fixed_quantile(NATIVE, x.detach(), self.temperature, self.logits))
        return x.detach() + (moving - moving.detach())

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return kernel.log_density(NATIVE, value, self.temperature, self.logits)


def _held(log_x: Tensor) -> Tensor:
    """x, below 1"""
    return exponential(log_x, log_x.detach().exp().clamp(max=1.0 - torch.finfo(log_x.dtype).eps))
