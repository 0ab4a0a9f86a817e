"""AsymmetricLaplaceQuantile with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import asymmetric_laplace_quantile

from .base import Univariate


class AsymmetricLaplaceQuantile(Univariate):
    """Asymmetric Laplace distribution of quantile regression."""

    family = asymmetric_laplace_quantile.FAMILY

    def __init__(
        self, loc: Any = 0.0, scale: Any = 1.0, quantile: Any = 0.5, validate_args: bool | None = None
    ) -> None:
        self._begin(validate_args, loc=loc, scale=scale, quantile=quantile)
