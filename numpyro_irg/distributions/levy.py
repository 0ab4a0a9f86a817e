"""Levy with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import levy

from ..registry import implicit_twin_of
from .base import Univariate

__all__ = ["Levy"]


@implicit_twin_of(host.Levy)
class Levy(Univariate, host.Levy):
    r"""Lévy distribution.

    Density :math:`\sqrt{c / (2 \pi y^3)} \exp(-c / (2 y))` with :math:`y = x - \mu > 0`.

    :param loc: lower end :math:`\mu`; broadcast with the others.
    :param scale: :math:`c > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = levy.FAMILY

    def __init__(self, loc: Any, scale: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale)
