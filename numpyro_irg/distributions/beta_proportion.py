"""BetaProportion with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpyro.distributions as host

from ..attach import evaluate
from ..registry import implicit_twin_of
from .base import parameters, together
from .beta import Beta


@implicit_twin_of(host.BetaProportion)
class BetaProportion(Beta, host.BetaProportion):
    r"""Beta distribution by its mean :math:`\mu` and concentration :math:`\kappa`, Beta(:math:`\mu\kappa,
    (1-\mu)\kappa`), reparameterized in both.

    :param mean: :math:`0 < \mu < 1`; broadcast with `concentration`.
    :param concentration: :math:`\kappa > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    def __init__(self, mean: Any, concentration: Any, *, validate_args: bool | None = None) -> None:
        mean, concentration = parameters("BetaProportion", mean=mean, concentration=concentration)
        host.BetaProportion.__init__(self, mean, concentration, validate_args=validate_args)

    def _implicit_gradients(self, value):
        args = together(value, self.concentration1, self.concentration0)
        a, b = (evaluate(slope, *args) for slope in self.family.slopes)
        return {"mean": self.concentration * (a - b), "concentration": self.mean * a + (1.0 - self.mean) * b}
