"""Dagum with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import dagum

from .base import Univariate


class Dagum(Univariate):
    """Dagum distribution."""

    family = dagum.FAMILY

    def __init__(self, concentration: Any, sharpness: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, sharpness=sharpness, scale=scale)
