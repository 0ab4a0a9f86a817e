"""GeneralizedGamma with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import generalized_gamma

from .base import Univariate


class GeneralizedGamma(Univariate):
    """Generalized gamma distribution (Stacy)."""

    family = generalized_gamma.FAMILY

    def __init__(self, concentration: Any, scale: Any, power: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, scale=scale, power=power)
