"""Dagum with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import dagum

from .base import Univariate

__all__ = ["Dagum"]


class Dagum(Univariate):
    r"""Dagum distribution.

    Distribution function :math:`(1 + (x / b)^{-a})^{-p}`.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param concentration: :math:`p > 0`; number or tensor, broadcast with the others.
    :param sharpness: :math:`a > 0`.
    :param scale: :math:`b > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = dagum.FAMILY

    def __init__(self, concentration: Any, sharpness: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, sharpness=sharpness, scale=scale)
