"""Gompertz with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import gompertz

from .base import Univariate

__all__ = ["Gompertz"]


class Gompertz(Univariate):
    r"""Gompertz distribution.

    Density :math:`c r \exp(r x - c (\exp(r x) - 1))` for :math:`x \ge 0`.

    :param concentration: :math:`c > 0`; number or tensor, broadcast with the others.
    :param rate: :math:`r > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = gompertz.FAMILY

    def __init__(self, concentration: Any, rate: Any = 1.0, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration=concentration, rate=rate)
