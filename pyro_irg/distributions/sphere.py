"""What distributions on the unit sphere share: the direction, and the way from an angle to a point."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from irg_kernels.generic import sphere

from ..attach import NATIVE, attach_jointly
from ..samplers import draw
from .base import ImplicitMixin
from .multivariate import event_parameters


class Axial(ImplicitMixin, TorchDistribution):
    """A distribution of x = w mu + sqrt(1 - w**2) t on the sphere, t uniform among the unit vectors across mu.

    A class gives `_drawn(shape)`, a draw of the logit of (1 - w) / 2, and `_carried(logit)`, the same with its
    derivatives.

    t is a normal vector's part across mu, so that no direction is special, as it would be to a reflection that takes
    some axis to mu.  Where mu moves, x turns with it, by the rotation that leaves alone what lies across both mu and
    its motion: t moves by -mu (t . dmu).  Any other turn about mu would add to the variance and nothing to the mean.
    """

    arg_constraints = {"mean_direction": constraints.sphere, "concentration": constraints.positive}
    support = constraints.sphere
    has_rsample = True
    _expands = {"mean_direction": 1, "concentration": 0}

    mean_direction: Tensor
    concentration: Tensor

    def _begin(self, validate_args: bool | None, mean_direction: Any, concentration: Any) -> None:
        name = type(self).__name__
        given = {"mean_direction": (mean_direction, 1), "concentration": (concentration, 0)}
        batch, (direction, concentration) = event_parameters(name, **given)
        if direction.shape[-1] < 2:
            raise ValueError(
                f"{name}: mean_direction must be a vector of 2 or more dimensions, got shape {tuple(direction.shape)}"
            )
        self.mean_direction = direction.expand((*batch, direction.shape[-1]))
        self.concentration = concentration.expand(batch)
        TorchDistribution.__init__(self, batch, direction.shape[-1:], validate_args=validate_args)
        self._refuse_infinite()

    @property
    def _half(self) -> float:
        """(d - 1) / 2"""
        return 0.5 * (self.event_shape[-1] - 1)

    @property
    def _axis(self) -> Tensor:
        """The mean direction, of length 1, so that a motion along itself has no effect."""
        return sphere.direction(NATIVE, self.mean_direction)

    def _drawn(self, shape: torch.Size) -> Tensor:
        raise NotImplementedError

    def _carried(self, logit: Tensor) -> Tensor:
        raise NotImplementedError

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        shape, axis = self._extended_shape(sample_shape), self._axis
        axis = axis if axis.shape == shape else axis.expand(shape)
        return self._at(
            self._drawn(shape[:-1]), sphere.across(NATIVE, axis.detach(), draw(torch.randn_like, axis)), axis
        )

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value, that moves as a draw does."""
        with torch.no_grad():
            logit, across = sphere.taken_apart(NATIVE, x, self._axis.expand(x.shape))
        moving = self._at(logit, across, self._axis.expand(x.shape))
        return x.detach() + (moving - moving.detach())

    def _at(self, logit: Tensor, across: Tensor, axis: Tensor) -> Tensor:
        y, across = self._carried(logit), attach_jointly(_push, _pull, across, axis)
        cosine, sine = sphere.cosine_and_sine(NATIVE, y)
        return cosine * axis + sine * across

    def _half_square(self, value: Any, sign: float) -> Tensor:
        """1 - w, or 1 + w with the sign -1."""
        if self._validate_args:
            self._validate_sample(value)
        return sphere.half_square(NATIVE, value, self.mean_direction, sign)


def _push(tangents, across, axis):
    return -(across * tangents[0]).sum(-1, keepdim=True) * axis


def _pull(cotangent, across, axis):
    return (-(cotangent * axis).sum(-1, keepdim=True) * across,)
