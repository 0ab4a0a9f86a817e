"""Weibull with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import weibull

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.Weibull)
class Weibull(Univariate, host.Weibull):
    """Weibull distribution."""

    family = weibull.FAMILY

    def __init__(self, scale: Any, concentration: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, scale=scale, concentration=concentration)
