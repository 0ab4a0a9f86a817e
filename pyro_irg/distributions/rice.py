"""Rice with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import rice

from .base import Univariate


class Rice(Univariate):
    """Rice distribution, that of the length of a vector of two normal numbers."""

    family = rice.FAMILY

    def __init__(self, nu: Any, sigma: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, nu=nu, sigma=sigma)
