"""RelaxedBernoulli with gradients at any temperature."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions.utils import probs_to_logits

from irg_kernels.adapter import arguments
from irg_kernels.families import relaxed_bernoulli

from ..registry import implicit_twin_of
from ..samplers import draw, standard_gumbel
from .base import Univariate, promoted, refuse_outside
from .clamping import sigmoid


@implicit_twin_of(host.RelaxedBernoulli)
class RelaxedBernoulli(Univariate):
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

    family = relaxed_bernoulli.FAMILY

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        name, value = arguments.one_of("RelaxedBernoulli", probs=probs, logits=logits)
        if name == "probs":
            (value,) = promoted("RelaxedBernoulli", probs=value)
            if type(self)._validate_args if validate_args is None else validate_args:
                refuse_outside("RelaxedBernoulli", constraints.unit_interval, probs=value)
            value = probs_to_logits(value, is_binary=True)
        self._begin(validate_args, temperature=temperature, logits=value)

    @property
    def probs(self) -> Tensor:
        """Of a 1 at temperature 0."""
        return self.logits.sigmoid()

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        # of few elements a fifth faster than the quantile of a uniform number with its slopes
        temperature, logits = self._extended(sample_shape, self.temperature, self.logits)
        noise = draw(standard_gumbel, logits) - draw(standard_gumbel, logits)
        return sigmoid((logits + noise) / temperature)
