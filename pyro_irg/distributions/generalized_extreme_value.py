"""GeneralizedExtremeValue with implicit gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import generalized_extreme_value as kernel

from ..attach import NATIVE
from .base import Univariate
from .ends import line_between

__all__ = ["GeneralizedExtremeValue"]


class GeneralizedExtremeValue(Univariate):
    r"""Generalized extreme value distribution.

    Distribution function :math:`\exp(-(1 + c y)^{-1/c})` with :math:`y = (x - \mu)/\sigma`.

    Smooth in the concentration through 0, where it is Gumbel's.  A draw that rounds to an end of the support, or to
    infinity, is held inside.

    :param loc: :math:`\mu`; number or tensor, broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    :param concentration: c, any number; below 0 the support ends at :math:`\mu - \sigma / c`, above 0 it begins there.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = kernel.FAMILY
    _between = line_between

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, concentration=concentration)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        params = self._extended(sample_shape, *self._family_parameters())
        return kernel.clamped_inside(NATIVE, super().rsample(sample_shape), *params)
