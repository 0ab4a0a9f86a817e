"""Rayleigh with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import rayleigh

from .base import Univariate


class Rayleigh(Univariate):
    """Rayleigh distribution."""

    family = rayleigh.FAMILY

    def __init__(self, scale: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, scale=scale)
