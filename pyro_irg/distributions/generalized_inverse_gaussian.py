"""GeneralizedInverseGaussian with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import generalized_inverse_gaussian

from .base import Univariate

__all__ = ["GeneralizedInverseGaussian"]


class GeneralizedInverseGaussian(Univariate):
    r"""Generalized inverse Gaussian distribution.

    Density :math:`y^{p - 1} e^{-b (y + 1/y) / 2} / (2 s K_p(b))` with y = x / s > 0.

    The names are those of SciPy's `geninvgauss`.  Of the density as :math:`x^{p - 1} e^{-(a x + c / x) / 2}` they are
    :math:`b = \sqrt{a c}` and :math:`s = \sqrt{c / a}`; :math:`p = -1/2` is `InverseGaussian`.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param p: any number; number or tensor, broadcast with the others.
    :param b: concentration about `scale`, positive.
    :param scale: :math:`s > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = generalized_inverse_gaussian.FAMILY

    def __init__(self, p: Any, b: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, p=p, b=b, scale=scale)
