"""Nakagami with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import nakagami

from .base import Univariate


class Nakagami(Univariate):
    """Nakagami distribution, that of the square root of a gamma number."""

    family = nakagami.FAMILY

    def __init__(self, concentration: Any, spread: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, spread=spread)
