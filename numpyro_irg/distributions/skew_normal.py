"""SkewNormal with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import skew_normal

from .base import Univariate


class SkewNormal(Univariate):
    """Skew normal distribution."""

    family = skew_normal.FAMILY

    def __init__(self, loc: Any, scale: Any, skewness: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, skewness=skewness)
