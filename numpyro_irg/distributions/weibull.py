"""Weibull with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import weibull

from ..registry import implicit_twin_of
from .base import Univariate

__all__ = ["Weibull"]


@implicit_twin_of(host.Weibull)
class Weibull(Univariate, host.Weibull):
    r"""Weibull distribution.

    Density :math:`k e / x \exp(-e)` with :math:`e = (x / s)^k`.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param scale: :math:`s > 0`; broadcast with the others.
    :param concentration: :math:`k > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = weibull.FAMILY

    def __init__(self, scale: Any, concentration: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, scale=scale, concentration=concentration)
