"""NormalInverseGaussian with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import normal_inverse_gaussian

from .base import Univariate


class NormalInverseGaussian(Univariate):
    """Normal-inverse Gaussian distribution."""

    family = normal_inverse_gaussian.FAMILY

    def __init__(
        self, loc: Any, scale: Any, tailweight: Any, skewness: Any, *, validate_args: bool | None = None
    ) -> None:
        self._begin(validate_args, loc=loc, scale=scale, tailweight=tailweight, skewness=skewness)
