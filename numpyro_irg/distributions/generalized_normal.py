"""GeneralizedNormal with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import generalized_normal

from .base import Univariate


class GeneralizedNormal(Univariate):
    """Generalized normal distribution, of exponential power."""

    family = generalized_normal.FAMILY

    def __init__(self, loc: Any, scale: Any, power: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, power=power)
