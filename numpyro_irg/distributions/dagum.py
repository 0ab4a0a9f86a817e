"""Dagum with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import dagum

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.Dagum)
class Dagum(Univariate, host.Dagum):
    """Dagum distribution."""

    family = dagum.FAMILY

    def __init__(self, concentration: Any, sharpness: Any, scale: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, sharpness=sharpness, scale=scale)
