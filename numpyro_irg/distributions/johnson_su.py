"""JohnsonSU with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import johnson_su

from .base import Univariate


class JohnsonSU(Univariate):
    """Johnson's SU distribution."""

    family = johnson_su.FAMILY

    def __init__(
        self, skewness: Any, tailweight: Any, loc: Any, scale: Any, *, validate_args: bool | None = None
    ) -> None:
        self._begin(validate_args, skewness=skewness, tailweight=tailweight, loc=loc, scale=scale)
