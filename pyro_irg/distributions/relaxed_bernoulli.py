"""RelaxedBernoulli with gradients at any temperature."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions.utils import probs_to_logits

from irg_kernels.adapter import arguments

from ..registry import implicit_twin_of
from ..samplers import draw, standard_gumbel
from .base import ImplicitMixin, parameters, refuse_outside, sigmoid, uniforms

__all__ = ["RelaxedBernoulli"]

_softplus = torch.nn.functional.softplus


@implicit_twin_of(host.RelaxedBernoulli)
class RelaxedBernoulli(ImplicitMixin, TorchDistribution):
    r"""Relaxed Bernoulli distribution, of :math:`\sigma((l + \epsilon) / \tau)` with a standard logistic
    :math:`\epsilon`, reparameterized in temperature and logits (Maddison, Mnih, Teh 2017).

    A draw that rounds to 0 or 1, as half of them do at a temperature of 0.02 in float32, is held next to it, with the
    derivative of its logit.

    :param temperature: :math:`\tau > 0`; number or tensor, broadcast with the other.
    :param probs: :math:`\sigma(l)`.
    :param logits: instead of it, l.
    :raises ValueError: for both or none of the two, or parameters outside their constraint, not finite, or that do not
        broadcast.
    """

    arg_constraints = {"temperature": constraints.positive, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        given = dict([arguments.one_of("RelaxedBernoulli", probs=probs, logits=logits)])
        self.temperature, value = parameters("RelaxedBernoulli", temperature=temperature, **given)
        if logits is None:
            if type(self)._validate_args if validate_args is None else validate_args:
                refuse_outside("RelaxedBernoulli", constraints.unit_interval, probs=value)
            value = probs_to_logits(value, is_binary=True)
        self.logits = value
        TorchDistribution.__init__(self, value.shape, validate_args=validate_args)
        self._refuse_infinite()

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(type(self), _instance or type(self).__new__(type(self)))
        new.temperature, new.logits = self.temperature.expand(batch_shape), self.logits.expand(batch_shape)
        TorchDistribution.__init__(new, torch.Size(batch_shape), validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def probs(self) -> Tensor:
        """Of a 1 at temperature 0."""
        return self.logits.sigmoid()

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        temperature, logits = self._extended(sample_shape, self.temperature, self.logits)
        noise = draw(standard_gumbel, logits) - draw(standard_gumbel, logits)
        return sigmoid((logits + noise) / temperature)

    def _standard(self, value: Any) -> Tensor:
        """epsilon"""
        return self.temperature * (value.log() - (-value).log1p()) - self.logits

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        limits = torch.finfo(value.dtype)
        value = value.clamp(limits.tiny, 1.0 - 0.5 * limits.eps)
        e = self._standard(value)
        return self.temperature.log() - _softplus(e) - _softplus(-e) - value.log() - (-value).log1p()

    def cdf(self, value: Any) -> Tensor:
        return self._standard(value).sigmoid()

    def log_tails(self, value: Any) -> tuple[Tensor, Tensor]:
        """(log P(X <= value), log P(X > value))"""
        e = self._standard(value)
        return -_softplus(-e), -_softplus(e)

    def icdf(self, value: Any) -> Tensor:
        return sigmoid((self.logits + (value.log() - (-value).log1p())) / self.temperature)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, its `icdf`; see the function `from_uniform`."""
        return self.icdf(uniforms(self, u))
