"""Gompertz with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import gompertz

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.Gompertz)
class Gompertz(Univariate, host.Gompertz):
    """Gompertz distribution."""

    family = gompertz.FAMILY

    def __init__(self, concentration: Any, rate: Any = 1.0, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, rate=rate)
