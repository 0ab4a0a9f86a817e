"""Kumaraswamy with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host

from irg_kernels.families import kumaraswamy

from ..registry import implicit_twin_of
from .base import Univariate


@implicit_twin_of(host.Kumaraswamy)
class Kumaraswamy(Univariate):
    """Kumaraswamy distribution."""

    family = kumaraswamy.FAMILY

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration1=concentration1, concentration0=concentration0)
