"""ExponentiallyModifiedGaussian with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import exponentially_modified_gaussian

from .base import Univariate


class ExponentiallyModifiedGaussian(Univariate):
    """Exponentially modified Gaussian distribution."""

    family = exponentially_modified_gaussian.FAMILY

    def __init__(self, loc: Any, scale: Any, rate: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, rate=rate)
