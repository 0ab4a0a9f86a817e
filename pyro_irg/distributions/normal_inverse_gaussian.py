"""NormalInverseGaussian with implicit gradients."""

from __future__ import annotations

from typing import Any

import torch

from irg_kernels.adapter.messages import too_skew
from irg_kernels.families import normal_inverse_gaussian

from .base import Univariate

__all__ = ["NormalInverseGaussian"]


class NormalInverseGaussian(Univariate):
    r"""Normal-inverse Gaussian distribution.

    That of :math:`\mu + \beta V + \sqrt V Z` with a normal number Z and V ~ `InverseGaussian`
    (:math:`\delta / \gamma, \delta^2`), :math:`\gamma = \sqrt{\alpha^2 - \beta^2}`.  Density
    :math:`\tfrac{\alpha}{\pi} e^{\delta \gamma + \beta (x - \mu)} K_1(\alpha \delta q) / q` with
    :math:`q^2 = 1 + (x - \mu)^2 / \delta^2`.

    The names are TensorFlow Probability's; SciPy's `norminvgauss` has :math:`a = \alpha \delta` and
    :math:`b = \beta \delta`.

    :param loc: :math:`\mu`; number or tensor, broadcast with the others.
    :param scale: :math:`\delta > 0`.
    :param tailweight: :math:`\alpha > 0`; the lighter the tails, the larger.
    :param skewness: :math:`\beta` between :math:`-\alpha` and :math:`\alpha`.
    :raises ValueError: for parameters outside their constraint, not finite, for a skewness that is not less than the
        tail weight, or shapes that do not broadcast.

    Source: Barndorff-Nielsen 1997.
    """

    family = normal_inverse_gaussian.FAMILY

    def __init__(self, loc: Any, scale: Any, tailweight: Any, skewness: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, loc=loc, scale=scale, tailweight=tailweight, skewness=skewness)

    def _refuse_disorder(self) -> None:
        if not torch._is_all_true(self.skewness.abs() < self.tailweight):
            raise ValueError(too_skew(type(self).__name__, self.skewness, self.tailweight))
