"""DoublyTruncatedPowerLaw with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import doubly_truncated_power_law

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.DoublyTruncatedPowerLaw)
class DoublyTruncatedPowerLaw(Univariate, host.DoublyTruncatedPowerLaw):
    """Power law between two bounds."""

    family = doubly_truncated_power_law.FAMILY

    def __init__(self, alpha: Any, low: Any, high: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, alpha=alpha, low=low, high=high)
