"""SoftAsymmetricLaplace with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import soft_asymmetric_laplace

from .base import Univariate

__all__ = ["SoftAsymmetricLaplace"]


class SoftAsymmetricLaplace(Univariate):
    r"""Soft asymmetric Laplace distribution, with a smooth density.

    :math:`\mu + \sigma (s n - \kappa u + v / \kappa)`, with n a standard normal number and u, v exponential ones.

    :param loc: :math:`\mu`; broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    :param asymmetry: :math:`\kappa > 0`.
    :param softness: :math:`s > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = soft_asymmetric_laplace.FAMILY

    def __init__(
        self, loc: Any, scale: Any, asymmetry: Any = 1.0, softness: Any = 1.0, *, validate_args: bool | None = None
    ) -> None:
        self._begin(validate_args, loc=loc, scale=scale, asymmetry=asymmetry, softness=softness)
