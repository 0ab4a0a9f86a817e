"""AsymmetricLaplaceQuantile with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import asymmetric_laplace_quantile

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.AsymmetricLaplaceQuantile)
class AsymmetricLaplaceQuantile(Univariate, host.AsymmetricLaplaceQuantile):
    """Asymmetric Laplace distribution of quantile regression."""

    family = asymmetric_laplace_quantile.FAMILY
    _ald = None  # the host's copy of itself by another asymmetry

    def __init__(
        self, loc: Any = 0.0, scale: Any = 1.0, quantile: Any = 0.5, *, validate_args: bool | None = None
    ) -> None:
        self._begin(validate_args, loc=loc, scale=scale, quantile=quantile)
