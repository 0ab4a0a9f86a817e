"""RelaxedBernoulli with gradients at any temperature."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, random
from numpyro.distributions import constraints
from numpyro.distributions.util import validate_sample

from irg_kernels.adapter import arguments

from ..registry import implicit_twin_of
from .base import ImplicitMixin, parameters, sigmoid, uniforms

__all__ = ["RelaxedBernoulli", "RelaxedBernoulliLogits"]


@implicit_twin_of(host.RelaxedBernoulliLogits)
class RelaxedBernoulliLogits(ImplicitMixin, host.Distribution):
    r"""Relaxed Bernoulli distribution, of :math:`\sigma((l + \epsilon) / \tau)` with a standard logistic
    :math:`\epsilon`, reparameterized in temperature and logits (Maddison, Mnih, Teh 2017).

    A draw that rounds to 0 or 1, as half of them do at a temperature of 0.02 in float32, is held next to it, with the
    derivative of its logit.

    :param temperature: :math:`\tau > 0`; number or array, broadcast with the other.
    :param logits: l.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    arg_constraints = {"temperature": constraints.positive, "logits": constraints.real}
    support = constraints.unit_interval
    reparametrized_params = ["temperature", "logits"]

    def __init__(self, temperature: Any, logits: Any, *, validate_args: bool | None = None) -> None:
        found = parameters("RelaxedBernoulli", temperature=temperature, logits=logits)
        self.temperature, self.logits = found
        shape = jnp.broadcast_shapes(*(p.shape for p in found))
        host.Distribution.__init__(self, batch_shape=shape, validate_args=validate_args)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        temperature, logits = self._extended(key, sample_shape, self.temperature, self.logits)
        tiny = float(jnp.finfo(logits.dtype).tiny)
        noise = jnp.log(jnp.maximum(random.exponential(key, (2, *logits.shape), logits.dtype), tiny))
        return sigmoid((logits + (noise[0] - noise[1])) / temperature)

    def _standard(self, value: Any) -> Array:
        """epsilon"""
        value = jnp.asarray(value)
        return self.temperature * (jnp.log(value) - jnp.log1p(-value)) - self.logits

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        value = jnp.asarray(value)
        limits = jnp.finfo(value.dtype)
        value = jnp.clip(value, float(limits.tiny), 1.0 - 0.5 * float(limits.eps))
        e = self._standard(value)
        density = jnp.log(self.temperature) - jax.nn.softplus(e) - jax.nn.softplus(-e)
        return density - jnp.log(value) - jnp.log1p(-value)

    def cdf(self, value: Any) -> Array:
        return jax.nn.sigmoid(self._standard(value))

    def log_tails(self, value: Any) -> tuple[Array, Array]:
        """(log P(X <= value), log P(X > value))"""
        e = self._standard(value)
        return -jax.nn.softplus(-e), -jax.nn.softplus(e)

    def icdf(self, q: Any) -> Array:
        q = jnp.asarray(q)
        return sigmoid((self.logits + (jnp.log(q) - jnp.log1p(-q))) / self.temperature)

    def from_uniform(self, u: Any) -> Array:
        """The draw that u makes, its `icdf`; see the function `from_uniform`."""
        return self.icdf(uniforms(self, u))


def RelaxedBernoulli(
    temperature: Any, probs: Any = None, logits: Any = None, *, validate_args: bool | None = None
) -> RelaxedBernoulliLogits:
    r"""`RelaxedBernoulliLogits` by probability or logit.

    :raises ValueError: for both or none of the two.
    """
    arguments.one_of("RelaxedBernoulli", probs=probs, logits=logits)
    if logits is None:
        (probs,) = parameters("RelaxedBernoulli", probs=probs)
        eps = float(jnp.finfo(probs.dtype).eps)
        held = jnp.clip(probs, eps, 1.0 - eps)
        logits = jnp.log(held) - jnp.log1p(-held)
    return RelaxedBernoulliLogits(temperature, logits, validate_args=validate_args)
