"""BetaProportion, which Pyro has not, with implicit gradients."""

from __future__ import annotations

from typing import Any

from pyro.distributions import constraints

from ..attach import evaluate
from .base import parameters, refuse_outside, together
from .beta import Beta


class BetaProportion(Beta):
    r"""Beta distribution by its mean :math:`\mu` and concentration :math:`\kappa`, Beta(:math:`\mu\kappa,
    (1-\mu)\kappa`), reparameterized in both; with NumPyro's arguments.

    :param mean: :math:`0 < \mu < 1`; number or tensor, broadcast with `concentration`.
    :param concentration: :math:`\kappa > 0`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.
    """

    arg_constraints = {"mean": constraints.unit_interval, "concentration": constraints.positive}
    mean: Any = None  # in place of the host's property, which could not be assigned to

    def __init__(self, mean: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.mean, self.concentration = parameters("BetaProportion", mean=mean, concentration=concentration)
        if type(self)._validate_args if validate_args is None else validate_args:
            refuse_outside("BetaProportion", constraints.unit_interval, mean=self.mean)
            refuse_outside("BetaProportion", constraints.positive, concentration=self.concentration)
        super().__init__(self.mean * self.concentration, (1.0 - self.mean) * self.concentration, validate_args=False)
        self._validate_args = type(self)._validate_args if validate_args is None else validate_args
        self._refuse_infinite()

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.mean, new.concentration = self.mean.expand(batch_shape), self.concentration.expand(batch_shape)
        return new

    def _implicit_gradients(self, value):
        args = together(value, self.concentration1, self.concentration0)
        a, b = (evaluate(slope, *args) for slope in self.family.slopes)
        return {"mean": self.concentration * (a - b), "concentration": self.mean * a + (1.0 - self.mean) * b}
