"""Pareto with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host

from irg_kernels.families import pareto

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.Pareto)
class Pareto(Univariate):
    """Pareto distribution."""

    family = pareto.FAMILY

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, scale=scale, alpha=alpha)
