"""InverseGaussian with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import inverse_gaussian

from .base import Univariate


class InverseGaussian(Univariate):
    """Inverse Gaussian (Wald) distribution."""

    family = inverse_gaussian.FAMILY

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, concentration=concentration)
