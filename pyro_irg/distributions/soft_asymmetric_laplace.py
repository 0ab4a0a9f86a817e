"""SoftAsymmetricLaplace with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host

from irg_kernels.families import soft_asymmetric_laplace

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.SoftAsymmetricLaplace)
class SoftAsymmetricLaplace(Univariate, host.SoftAsymmetricLaplace):
    """Soft asymmetric Laplace distribution, with a smooth density."""

    family = soft_asymmetric_laplace.FAMILY

    def __init__(
        self, loc: Any, scale: Any, asymmetry: Any = 1.0, softness: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        self._begin(validate_args, loc=loc, scale=scale, asymmetry=asymmetry, softness=softness)
