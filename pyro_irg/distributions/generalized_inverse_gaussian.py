"""GeneralizedInverseGaussian with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import generalized_inverse_gaussian

from .base import Univariate


class GeneralizedInverseGaussian(Univariate):
    """Generalized inverse Gaussian distribution."""

    family = generalized_inverse_gaussian.FAMILY

    def __init__(self, p: Any, b: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, p=p, b=b, scale=scale)
