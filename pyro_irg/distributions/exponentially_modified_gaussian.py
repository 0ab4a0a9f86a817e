"""ExponentiallyModifiedGaussian with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import exponentially_modified_gaussian

from .base import Univariate

__all__ = ["ExponentiallyModifiedGaussian"]


class ExponentiallyModifiedGaussian(Univariate):
    r"""Exponentially modified Gaussian distribution.

    The distribution of the sum of a normal number and an exponential one.

    :param loc: mean of the normal number; number or tensor, broadcast with the others.
    :param scale: its standard deviation, positive.
    :param rate: of the exponential number, positive.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = exponentially_modified_gaussian.FAMILY

    def __init__(self, loc: Any, scale: Any, rate: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, rate=rate)
