"""SkewLogistic with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import skew_logistic

from .base import Univariate

__all__ = ["SkewLogistic"]


class SkewLogistic(Univariate):
    r"""Generalized logistic distribution of type I.

    Distribution function :math:`(1 + e^{-y})^{-a}` with :math:`y = (x - \mu) / \sigma`.

    :param loc: :math:`\mu`; broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    :param asymmetry: :math:`a > 0`; the distribution leans to the right where it is above 1.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = skew_logistic.FAMILY

    def __init__(self, loc: Any, scale: Any, asymmetry: Any = 1.0, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, asymmetry=asymmetry)
