"""LogitNormal with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import logit_normal

from .base import Univariate


class LogitNormal(Univariate):
    """Logit-normal distribution, that of the sigmoid of a normal number."""

    family = logit_normal.FAMILY

    def __init__(self, loc: Any, scale: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale)
