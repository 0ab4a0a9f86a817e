"""AsymmetricLaplace with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host

from irg_kernels.families import asymmetric_laplace

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.AsymmetricLaplace)
class AsymmetricLaplace(Univariate, host.AsymmetricLaplace):
    """Asymmetric Laplace distribution."""

    family = asymmetric_laplace.FAMILY

    def __init__(self, loc: Any, scale: Any, asymmetry: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, asymmetry=asymmetry)
