"""Pareto with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host

from irg_kernels.families import pareto

from ..registry import implicit_twin_of
from .base import Univariate

__all__ = ["Pareto"]


@implicit_twin_of(host.Pareto)
class Pareto(Univariate):
    r"""Pareto distribution.

    Density :math:`\alpha s^\alpha / x^{\alpha + 1}` for :math:`x \ge s`.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param scale: :math:`s > 0`; number or tensor, broadcast with the others.
    :param alpha: :math:`\alpha > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = pareto.FAMILY

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, scale=scale, alpha=alpha)
