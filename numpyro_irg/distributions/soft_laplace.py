"""SoftLaplace with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import soft_laplace

from ..registry import implicit_twin_of
from .base import Univariate

__all__ = ["SoftLaplace"]


@implicit_twin_of(host.SoftLaplace)
class SoftLaplace(Univariate, host.SoftLaplace):
    r"""Hyperbolic secant distribution, a smooth Laplace.

    Density :math:`1 / (\pi \sigma \cosh((x - \mu) / \sigma))`.

    :param loc: :math:`\mu`; broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = soft_laplace.FAMILY

    def __init__(self, loc: Any, scale: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale)
