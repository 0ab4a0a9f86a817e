"""Chi2 with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host

from irg_kernels.families import chi2

from ..registry import implicit_twin_of
from .base import UnivariateMixin, parameters
from .gamma import Gamma


@implicit_twin_of(host.Chi2)
class Chi2(UnivariateMixin, host.Chi2):
    """Chi-squared distribution, Gamma(df / 2, 1 / 2), reparameterized in `df`."""

    family = chi2.FAMILY

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(*parameters("Chi2", df=df), validate_args=validate_args)
        self._refuse_infinite()

    rsample = Gamma.rsample
