"""Beta with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host
from jax import Array
from numpyro import validation_enabled

from irg_kernels.families import beta

from ..attach import attach
from ..registry import implicit_twin_of
from ..samplers import standard_beta_logit
from .base import UnivariateMixin, parameters
from .clamping import sigmoid


@implicit_twin_of(host.Beta)
class Beta(UnivariateMixin, host.Beta):
    """Beta distribution with density :math:`x^{a-1} (1-x)^{b-1} / B(a, b)`, reparameterized in both parameters."""

    family = beta.FAMILY

    def __init__(self, concentration1: Any, concentration0: Any, *, validate_args: bool | None = None) -> None:
        a, b = parameters("Beta", concentration1=concentration1, concentration0=concentration0)
        with validation_enabled(False):  # the host would validate its Dirichlet, come what may
            super().__init__(a, b)
        host.Distribution.__init__(self, self.batch_shape, validate_args=validate_args)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        a, b = self._extended(key, sample_shape, self.concentration1, self.concentration0)
        logit = attach((beta.dlogit_da, beta.dlogit_db), standard_beta_logit(key, a, b), a, b)
        return sigmoid(logit)
