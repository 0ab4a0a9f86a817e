"""LogGamma with implicit gradients."""

from __future__ import annotations

import jax.numpy as jnp
import numpyro.distributions as host
from numpyro.distributions import constraints
from numpyro.distributions.util import promote_shapes

from irg_kernels.families import log_gamma

from .base import UnivariateMixin, parameters
from .gamma import draw_log_gamma

__all__ = ["LogGamma"]


class LogGamma(UnivariateMixin, host.Distribution):
    r"""The law of :math:`\log z`, z ~ Gamma(a, b), with density :math:`b^a e^{ax - b e^x} / \Gamma(a)` for real x.

    Tiny concentrations never underflow here: at a = 0.001 most draws of z are below 1e-300.

    :param concentration: shape :math:`a > 0`; broadcast with `rate`.
    :param rate: inverse scale :math:`b > 0` of z, so that the law is shifted by :math:`-\log b`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.real
    reparametrized_params = ["concentration", "rate"]
    family = log_gamma.FAMILY

    def __init__(self, concentration, rate=1.0, *, validate_args=None):
        concentration, rate = parameters("LogGamma", concentration=concentration, rate=rate)
        batch_shape = jnp.broadcast_shapes(concentration.shape, rate.shape)
        self.concentration, self.rate = promote_shapes(concentration, rate)
        super().__init__(batch_shape=batch_shape, validate_args=validate_args)

    def sample(self, key, sample_shape=()):
        return draw_log_gamma(key, *self._extended(key, sample_shape, self.concentration, self.rate))[1]
