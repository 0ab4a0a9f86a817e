"""LogGamma with implicit gradients."""

from __future__ import annotations

from typing import Any

from jax import Array

from irg_kernels.families import log_gamma

from .base import Univariate
from .gamma import draw_log_gamma


class LogGamma(Univariate):
    r"""The distribution of :math:`\log z`, z ~ Gamma(a, b), with density :math:`b^a e^{ax - b e^x} / \Gamma(a)` for
    real x.
    """

    family = log_gamma.FAMILY

    def __init__(self, concentration: Any, rate: Any = 1.0, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, rate=rate)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        return draw_log_gamma(key, *self._extended(key, sample_shape, self.concentration, self.rate))[1]
