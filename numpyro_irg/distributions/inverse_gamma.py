"""InverseGamma with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host
from jax import Array

from irg_kernels.families import inverse_gamma

from ..registry import implicit_twin_of
from .base import Univariate
from .clamping import exponential
from .gamma import draw_log_gamma, precise


@implicit_twin_of(host.InverseGamma)
class InverseGamma(Univariate):
    r"""The distribution of 1 / z, z ~ Gamma(a, b), with density :math:`b^a x^{-a-1} e^{-b/x} / \Gamma(a)`."""

    family = inverse_gamma.FAMILY

    def __init__(self, concentration: Any, rate: Any = 1.0, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, rate=rate)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        concentration, rate = self._extended(key, sample_shape, self.concentration, self.rate)
        z, log_x = draw_log_gamma(key, concentration, rate)
        return exponential(-log_x, precise(rate / z, -log_x, z))
