"""Triangular with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import triangular

from .base import Univariate

__all__ = ["Triangular"]


class Triangular(Univariate):
    r"""Triangular distribution.

    The density rises linearly from low to peak and falls linearly to high.

    :param low: lower end; broadcast with the others.
    :param high: upper end.
    :param peak: mode, between them.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = triangular.FAMILY

    def __init__(self, low: Any, high: Any, peak: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, low=low, high=high, peak=peak)
