"""FisherSnedecor with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import fisher_snedecor

from .base import Univariate


class FisherSnedecor(Univariate):
    """Fisher-Snedecor distribution, that of the quotient of two mean squares."""

    family = fisher_snedecor.FAMILY

    def __init__(self, df1: Any, df2: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, df1=df1, df2=df2)
