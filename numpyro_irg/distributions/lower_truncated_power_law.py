"""LowerTruncatedPowerLaw with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import lower_truncated_power_law

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.LowerTruncatedPowerLaw)
class LowerTruncatedPowerLaw(Univariate, host.LowerTruncatedPowerLaw):
    """Power law from a lower bound on."""

    family = lower_truncated_power_law.FAMILY

    def __init__(self, alpha: Any, low: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, alpha=alpha, low=low)
