"""BetaPrime with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import beta_prime

from .base import Univariate


class BetaPrime(Univariate):
    """Beta prime distribution, that of the odds of a beta number."""

    family = beta_prime.FAMILY

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration1=concentration1, concentration0=concentration0)
