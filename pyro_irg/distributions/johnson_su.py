"""JohnsonSU with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import johnson_su

from .base import Univariate

__all__ = ["JohnsonSU"]


class JohnsonSU(Univariate):
    r"""Johnson's SU distribution.

    :math:`\gamma + \delta \operatorname{arcsinh}((x - \mu)/\sigma)` is a standard normal number.

    :param skewness: :math:`\gamma`; number or tensor, broadcast with the others.
    :param tailweight: :math:`\delta > 0`.
    :param loc: :math:`\mu`.
    :param scale: :math:`\sigma > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.

    Source: Johnson 1949.
    """

    family = johnson_su.FAMILY

    def __init__(self, skewness: Any, tailweight: Any, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._begin(validate_args, skewness=skewness, tailweight=tailweight, loc=loc, scale=scale)
