"""Kumaraswamy with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import kumaraswamy

from ..registry import implicit_twin_of
from .base import Univariate

__all__ = ["Kumaraswamy"]


@implicit_twin_of(host.Kumaraswamy)
class Kumaraswamy(Univariate, host.Kumaraswamy):
    r"""Kumaraswamy distribution.

    Distribution function :math:`1 - (1 - x^a)^b` on (0, 1).

    A draw next to 0 or 1 is held inside, with the derivative of the true draw.

    :param concentration1: :math:`a > 0`; broadcast with the others.
    :param concentration0: :math:`b > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = kumaraswamy.FAMILY

    def __init__(self, concentration1: Any, concentration0: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, concentration1=concentration1, concentration0=concentration0)
