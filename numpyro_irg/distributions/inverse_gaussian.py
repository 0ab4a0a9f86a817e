"""InverseGaussian with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import inverse_gaussian

from .base import Univariate

__all__ = ["InverseGaussian"]


class InverseGaussian(Univariate):
    r"""Inverse Gaussian (Wald) distribution.

    Density :math:`\sqrt{\lambda / (2 \pi x^3)} \exp(-\lambda (x - \mu)^2 / (2 \mu^2 x))`.

    :param loc: mean :math:`\mu > 0`; broadcast with `concentration`.
    :param concentration: :math:`\lambda > 0`; the variance is :math:`\mu^3 / \lambda`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.

    Source: Shuster 1968 for its tails, Michael, Schucany and Haas 1976 for the draws.
    """

    family = inverse_gaussian.FAMILY

    def __init__(self, loc: Any, concentration: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, concentration=concentration)
