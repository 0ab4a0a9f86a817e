"""DoublyTruncatedPowerLaw with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import doubly_truncated_power_law

from .base import Univariate


class DoublyTruncatedPowerLaw(Univariate):
    """Power law between two bounds."""

    family = doubly_truncated_power_law.FAMILY

    def __init__(self, alpha: Any, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, alpha=alpha, low=low, high=high)
