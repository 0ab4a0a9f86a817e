"""Levy with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import levy

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.Levy)
class Levy(Univariate, host.Levy):
    """Lévy distribution."""

    family = levy.FAMILY

    def __init__(self, loc: Any, scale: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale)
