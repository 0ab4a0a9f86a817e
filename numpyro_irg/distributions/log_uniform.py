"""LogUniform with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from irg_kernels.families import log_uniform

from ..registry import implicit_twin_of
from .base import Univariate

__all__ = ["LogUniform"]


@implicit_twin_of(host.LogUniform)
class LogUniform(Univariate):
    r"""Log-uniform (reciprocal) distribution.

    Density :math:`1 / (x \log(b / a))` for :math:`a \le x \le b`.

    :param low: :math:`a > 0`; broadcast with the others.
    :param high: :math:`b > a`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    family = log_uniform.FAMILY

    def __init__(self, low: Any, high: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, low=low, high=high)
