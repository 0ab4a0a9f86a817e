"""LogitNormal with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import logit_normal

from .base import Univariate

__all__ = ["LogitNormal"]


class LogitNormal(Univariate):
    r"""Logit-normal distribution, that of the sigmoid of a normal number.

    Density :math:`\phi(y) / (\sigma x (1 - x))` with :math:`y = (\operatorname{logit} x - \mu) / \sigma`.

    A draw next to 0 or 1 is held inside, with the derivative of the true draw.

    :param loc: :math:`\mu`; broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = logit_normal.FAMILY

    def __init__(self, loc: Any, scale: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale)
