"""AsymmetricLaplaceQuantile with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import asymmetric_laplace_quantile

from .base import Univariate

__all__ = ["AsymmetricLaplaceQuantile"]


class AsymmetricLaplaceQuantile(Univariate):
    r"""Asymmetric Laplace distribution of quantile regression.

    Density :math:`q (1 - q) / \sigma \exp(-\rho((x - \mu) / \sigma))`, with :math:`\rho(y) = q y` above 0 and
    :math:`(q - 1) y` below: of its mass q lies below :math:`\mu`.

    :param loc: :math:`\mu`; number or tensor, broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    :param quantile: :math:`0 < q < 1`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = asymmetric_laplace_quantile.FAMILY

    def __init__(
        self, loc: Any = 0.0, scale: Any = 1.0, quantile: Any = 0.5, validate_args: bool | None = None
    ) -> None:
        self._begin(validate_args, loc=loc, scale=scale, quantile=quantile)
