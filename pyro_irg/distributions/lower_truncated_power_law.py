"""LowerTruncatedPowerLaw with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import lower_truncated_power_law

from .base import Univariate


class LowerTruncatedPowerLaw(Univariate):
    """Power law from a lower bound on."""

    family = lower_truncated_power_law.FAMILY

    def __init__(self, alpha: Any, low: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, alpha=alpha, low=low)
