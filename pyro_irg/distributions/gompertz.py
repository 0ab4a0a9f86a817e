"""Gompertz with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import gompertz

from .base import Univariate


class Gompertz(Univariate):
    """Gompertz distribution."""

    family = gompertz.FAMILY

    def __init__(self, concentration: Any, rate: Any = 1.0, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, rate=rate)
