"""Levy with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import levy

from .base import Univariate


class Levy(Univariate):
    """Lévy distribution."""

    family = levy.FAMILY

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale)
