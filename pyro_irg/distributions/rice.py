"""Rice with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import rice

from .base import Univariate

__all__ = ["Rice"]


class Rice(Univariate):
    r"""Rice distribution, that of the length of a vector of two normal numbers.

    Density :math:`x \sigma^{-2} e^{-(x^2 + \nu^2) / (2 \sigma^2)} I_0(x \nu / \sigma^2)` for x > 0.

    The names are TensorFlow Probability's; SciPy's `rice` has :math:`b = \nu / \sigma`.

    :param nu: :math:`\nu \ge 0`, the length of the vector's mean; number or tensor, broadcast with `sigma`.
    :param sigma: :math:`\sigma > 0`, the standard deviation of either coordinate.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = rice.FAMILY

    def __init__(self, nu: Any, sigma: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, nu=nu, sigma=sigma)
