"""RelaxedBernoulli with gradients at any temperature."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host

from irg_kernels.adapter import arguments
from irg_kernels.families import relaxed_bernoulli

from ..registry import implicit_twin_of
from .base import Univariate, parameters

__all__ = ["RelaxedBernoulli", "RelaxedBernoulliLogits"]


@implicit_twin_of(host.RelaxedBernoulliLogits)
class RelaxedBernoulliLogits(Univariate):
    r"""Relaxed Bernoulli distribution, of :math:`\sigma((l + \epsilon) / \tau)` with a standard logistic
    :math:`\epsilon`, reparameterized in temperature and logits (Maddison, Mnih, Teh 2017).

    A draw that rounds to 0 or 1, as half of them do at a temperature of 0.02 in float32, is held next to it, with the
    derivative of its logit.

    :param temperature: :math:`\tau > 0`; number or array, broadcast with the other.
    :param logits: the number l; number or array.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = relaxed_bernoulli.FAMILY

    def __init__(self, temperature: Any, logits: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, temperature=temperature, logits=logits)


def RelaxedBernoulli(
    temperature: Any, probs: Any = None, logits: Any = None, *, validate_args: bool | None = None
) -> RelaxedBernoulliLogits:
    """`RelaxedBernoulliLogits` by probability or logit.

    :param temperature: positive; number or array, broadcast with the other.
    :param probs: the probability of 1 at temperature 0, between 0 and 1.
    :param logits: instead of it, its logit.
    :raises ValueError: for both or none of the two, and for parameters outside their constraint, not finite, or that do
        not broadcast.
    """
    arguments.one_of("RelaxedBernoulli", probs=probs, logits=logits)
    if logits is None:
        (probs,) = parameters("RelaxedBernoulli", probs=probs)
        eps = float(jnp.finfo(probs.dtype).eps)
        clamped = jnp.clip(probs, eps, 1.0 - eps)
        logits = jnp.log(clamped) - jnp.log1p(-clamped)
    return RelaxedBernoulliLogits(temperature, logits, validate_args=validate_args)
