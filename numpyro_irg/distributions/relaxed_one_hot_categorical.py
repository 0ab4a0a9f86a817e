"""RelaxedOneHotCategorical with gradients at any temperature."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax, random
from numpyro.distributions import constraints
from numpyro.distributions.util import validate_sample

from irg_kernels.adapter import arguments
from irg_kernels.families import relaxed_one_hot_categorical as kernel

from ..attach import NATIVE
from .base import ImplicitMixin
from .clamping import exponential
from .multivariate import event_parameters


class RelaxedOneHotCategorical(ImplicitMixin, host.Distribution):
    r"""Relaxed categorical distribution, of the softmax of :math:`(l + g) / \tau` with standard Gumbel g, on the
    simplex, reparameterized in temperature and logits (Maddison, Mnih, Teh 2017).

    A component that would underflow, as most do at a temperature of 0.02 in float32, is held at the least normal
    number, with the relative derivative of the true one.

    :param temperature: :math:`\tau > 0`; number or array of the batch shape.
    :param probs: of shape (..., K), positive; scaled to add up to 1.
    :param logits: instead of it, its logarithm but for a constant.
    :raises ValueError: for both or none of the two, or parameters outside their constraint, not finite, or of shapes
        that do not match.
    """

    arg_constraints = {"temperature": constraints.positive, "logits": constraints.real_vector}
    support = constraints.simplex
    reparametrized_params = ["temperature", "logits"]

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, *, validate_args: bool | None = None
    ) -> None:
        name = "RelaxedOneHotCategorical"
        which, value = arguments.one_of(name, probs=probs, logits=logits)
        batch, (temperature, value) = event_parameters(name, temperature=(temperature, 0), **{which: (value, 1)})
        if which == "probs":
            eps = float(jnp.finfo(value.dtype).eps)
            value = jnp.log(jnp.maximum(value / jnp.sum(value, -1, keepdims=True), eps))
        value = jax.nn.log_softmax(value)
        self.temperature = jnp.broadcast_to(temperature, batch)
        self.logits = jnp.broadcast_to(value, (*batch, value.shape[-1]))
        host.Distribution.__init__(self, batch, value.shape[-1:], validate_args=validate_args)

    @property
    def probs(self) -> Array:
        """Of each 1 at temperature 0."""
        return jnp.exp(self.logits)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        (logits,) = self._extended(key, sample_shape, self.logits)
        limits = jnp.finfo(logits.dtype)
        gumbel = -jnp.log(jnp.maximum(random.exponential(key, logits.shape, logits.dtype), float(limits.tiny)))
        return _held(kernel.log_draw(NATIVE, gumbel, self.temperature, logits))

    def at_fixed_quantile(self, x: Array) -> Array:
        """x, unchanged in value, that moves as a draw does."""
        x = lax.stop_gradient(x)
        moving = _held(kernel.log_at_fixed_quantile(NATIVE, x, self.temperature, self.logits))
        return x + (moving - lax.stop_gradient(moving))

    @validate_sample
    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        return kernel.log_density(NATIVE, jnp.asarray(value), self.temperature, self.logits)


def _held(log_x: Array) -> Array:
    """x, below 1"""
    most = 1.0 - float(jnp.finfo(log_x.dtype).eps)
    return exponential(log_x, jnp.minimum(jnp.exp(lax.stop_gradient(log_x)), most))
