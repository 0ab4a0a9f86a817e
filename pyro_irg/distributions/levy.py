"""Levy with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import levy

from .base import Univariate

__all__ = ["Levy"]


class Levy(Univariate):
    r"""Lévy distribution.

    Density :math:`\sqrt{c / (2 \pi y^3)} \exp(-c / (2 y))` with :math:`y = x - \mu > 0`.

    :param loc: lower end :math:`\mu`; number or tensor, broadcast with the others.
    :param scale: :math:`c > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = levy.FAMILY

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale)
