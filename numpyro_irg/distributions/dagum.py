"""Dagum with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import dagum

from ..registry import implicit_twin_of
from .base import Univariate

__all__ = ["Dagum"]


@implicit_twin_of(host.Dagum)
class Dagum(Univariate, host.Dagum):
    r"""Dagum distribution.

    Distribution function :math:`(1 + (x / b)^{-a})^{-p}`.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param concentration: :math:`p > 0`; broadcast with the others.
    :param sharpness: :math:`a > 0`.
    :param scale: :math:`b > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = dagum.FAMILY

    def __init__(self, concentration: Any, sharpness: Any, scale: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, sharpness=sharpness, scale=scale)
