"""SkewLogistic with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host

from irg_kernels.families import skew_logistic

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.SkewLogistic)
class SkewLogistic(Univariate, host.SkewLogistic):
    """Generalized logistic distribution of type I."""

    family = skew_logistic.FAMILY

    def __init__(self, loc: Any, scale: Any, asymmetry: Any = 1.0, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, asymmetry=asymmetry)
