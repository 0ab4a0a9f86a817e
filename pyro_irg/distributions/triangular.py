"""Triangular with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import triangular

from .base import Univariate


class Triangular(Univariate):
    """Triangular distribution."""

    family = triangular.FAMILY

    def __init__(self, low: Any, high: Any, peak: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, low=low, high=high, peak=peak)
