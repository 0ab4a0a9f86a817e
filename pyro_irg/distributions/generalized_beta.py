"""GeneralizedBeta with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import generalized_beta

from .base import Univariate


class GeneralizedBeta(Univariate):
    """Generalized beta distribution of the first kind (McDonald)."""

    family = generalized_beta.FAMILY

    def __init__(
        self,
        concentration1: Any,
        concentration0: Any,
        scale: Any,
        power: Any,
        validate_args: bool | None = None,
    ) -> None:
        given = {"concentration1": concentration1, "concentration0": concentration0, "scale": scale, "power": power}
        self._begin(validate_args, **given)
