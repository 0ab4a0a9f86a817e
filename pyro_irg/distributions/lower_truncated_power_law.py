"""LowerTruncatedPowerLaw with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import lower_truncated_power_law

from .base import Univariate

__all__ = ["LowerTruncatedPowerLaw"]


class LowerTruncatedPowerLaw(Univariate):
    r"""Power law from a lower bound on.

    Density proportional to :math:`x^\alpha` for :math:`x \ge a`.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param alpha: :math:`\alpha < -1`; number or tensor, broadcast with the others.
    :param low: :math:`a > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = lower_truncated_power_law.FAMILY

    def __init__(self, alpha: Any, low: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, alpha=alpha, low=low)
