"""Gamma with implicit gradients, and the draw that its relatives share."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as host
from jax import Array, lax

from irg_kernels.families import gamma

from ..attach import attach
from ..registry import implicit_twin_of
from ..samplers import standard_gamma
from .base import UnivariateMixin, parameters
from .clamping import exponential, outside


def draw_log_gamma(key: Array, concentration: Array, rate: Array) -> tuple[Array, Array]:
    """(z, log x), x = z / rate, z ~ Gamma(concentration, 1): log x with, and z without derivatives."""
    z, log_z = standard_gamma(key, concentration)
    return z, attach((gamma.dlogz_da,), log_z, concentration) - jnp.log(rate)


def precise(x: Array, log_x: Array, z: Array) -> Array:
    """x without derivatives, from its logarithm where x, or the z that it was formed from, has left its range."""
    x, log_x = lax.stop_gradient((x, log_x))
    return jnp.where(outside(z) | outside(x), jnp.exp(log_x), x)


@implicit_twin_of(host.Gamma)
class Gamma(UnivariateMixin, host.Gamma):
    r"""Gamma distribution with density :math:`b^a x^{a-1} e^{-bx} / \Gamma(a)`, reparameterized in both parameters.

    >>> import jax
    >>> jax.grad(lambda a: jnp.log(Gamma(a, 1.0).sample(jax.random.key(0), (1000,))).mean())(0.01).shape
    ()
    """

    family = gamma.FAMILY

    def __init__(self, concentration: Any, rate: Any = 1.0, *, validate_args: bool | None = None) -> None:
        concentration, rate = parameters("Gamma", concentration=concentration, rate=rate)
        super().__init__(concentration, rate, validate_args=validate_args)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        concentration, rate = self._extended(key, sample_shape, self.concentration, self.rate)
        z, log_x = draw_log_gamma(key, concentration, rate)
        return exponential(log_x, precise(z / rate, log_x, z))
