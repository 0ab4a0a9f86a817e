"""DoublyTruncatedPowerLaw with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import doubly_truncated_power_law

from .base import Univariate

__all__ = ["DoublyTruncatedPowerLaw"]


class DoublyTruncatedPowerLaw(Univariate):
    r"""Power law between two bounds.

    Density proportional to :math:`x^\alpha` for :math:`a \le x \le b`.

    Smooth in :math:`\alpha` through -1, where log x is uniform.

    :param alpha: :math:`\alpha`, any number; number or tensor, broadcast with the others.
    :param low: :math:`a > 0`.
    :param high: :math:`b > a`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = doubly_truncated_power_law.FAMILY

    def __init__(self, alpha: Any, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, alpha=alpha, low=low, high=high)
