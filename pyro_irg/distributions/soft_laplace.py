"""SoftLaplace with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host

from irg_kernels.families import soft_laplace

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.SoftLaplace)
class SoftLaplace(Univariate, host.SoftLaplace):
    """Hyperbolic secant distribution, a smooth Laplace."""

    family = soft_laplace.FAMILY

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale)
