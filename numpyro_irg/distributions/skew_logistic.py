"""SkewLogistic with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import skew_logistic

from .base import Univariate


class SkewLogistic(Univariate):
    """Generalized logistic distribution of type I."""

    family = skew_logistic.FAMILY

    def __init__(self, loc: Any, scale: Any, asymmetry: Any = 1.0, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, asymmetry=asymmetry)
