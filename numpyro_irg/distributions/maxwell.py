"""Maxwell with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import maxwell

from .base import Univariate

__all__ = ["Maxwell"]


class Maxwell(Univariate):
    r"""Maxwell distribution.

    Density :math:`\sqrt{2/\pi} x^2 / \sigma^3 \exp(-x^2 / (2 \sigma^2))`.

    :param scale: :math:`\sigma > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = maxwell.FAMILY

    def __init__(self, scale: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, scale=scale)
