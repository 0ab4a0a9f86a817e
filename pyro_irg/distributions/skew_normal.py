"""SkewNormal with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import skew_normal

from .base import Univariate

__all__ = ["SkewNormal"]


class SkewNormal(Univariate):
    r"""Skew normal distribution.

    Density :math:`2 \phi(y) \Phi(\alpha y) / \sigma` with :math:`y = (x - \mu) / \sigma`.

    :param loc: :math:`\mu`; number or tensor, broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    :param skewness: :math:`\alpha`; positive for a longer tail to the right.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.

    Source: Azzalini 1985.
    """

    family = skew_normal.FAMILY

    def __init__(self, loc: Any, scale: Any, skewness: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, skewness=skewness)
