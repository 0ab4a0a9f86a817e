"""PERT with implicit gradients."""

from __future__ import annotations

from typing import Any

from jax import Array

from irg_kernels.families import pert

from .affine_beta import AffineBeta
from .base import Univariate, closed_form


class PERT(Univariate):
    """PERT distribution, a beta distribution by its ends and its mode."""

    family = pert.FAMILY

    def __init__(
        self, low: Any, peak: Any, high: Any, temperature: Any = 4.0, *, validate_args: bool | None = None
    ) -> None:
        self._begin(validate_args, low=low, peak=peak, high=high, temperature=temperature)

    def _affine(self) -> AffineBeta:
        low, _, high, _ = of = self._family_parameters()
        a, b = (closed_form(kernel, *of) for kernel in (pert.concentration1, pert.concentration0))
        return AffineBeta(a, b, low, high - low, validate_args=False)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        return self._affine().sample(key, sample_shape)

    def icdf(self, q: Any) -> Array:
        """The x where `cdf` is `q`, with the same derivatives; at 0 and 1 the ends of the support."""
        return self._affine().icdf(self._at(q, 0.0, 1.0, "quantile"))
