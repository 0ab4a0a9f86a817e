"""AffineBeta with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor

from irg_kernels.families import affine_beta
from irg_kernels.numerics.elementary import clamped_in

from ..attach import NATIVE
from ..registry import implicit_twin_of
from .base import Univariate
from .beta import Beta


@implicit_twin_of(host.AffineBeta)
class AffineBeta(Univariate):
    r"""The distribution of :math:`\mu + \sigma y`, y ~ Beta(a, b), reparameterized in all four parameters."""

    family = affine_beta.FAMILY
    host_fault = "whose gradient in the concentrations is off by up to .1, and has no derivative of its own"

    def __init__(
        self, concentration1: Any, concentration0: Any, loc: Any, scale: Any, validate_args: bool | None = None
    ) -> None:
        given = {"concentration1": concentration1, "concentration0": concentration0, "loc": loc, "scale": scale}
        self._begin(validate_args, **given)

    @property
    def low(self) -> Tensor:
        """The lower end."""
        return self.loc

    @property
    def high(self) -> Tensor:
        """The upper end."""
        return self.loc + self.scale

    @property
    def sample_size(self) -> Tensor:
        """a + b"""
        return self.concentration1 + self.concentration0

    def _standard(self) -> Beta:
        return Beta(self.concentration1, self.concentration0, validate_args=False)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        y = affine_beta.off_lower_end(NATIVE, self._standard().rsample(sample_shape), self.loc, self.scale)
        return self._clamped(self.loc + self.scale * y)

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, its `icdf` off the ends; see the function `from_uniform`."""
        return self._clamped(super().from_uniform(u))

    def _clamped(self, x: Tensor) -> Tensor:
        return clamped_in(NATIVE, self.family.support, x, *self._family_parameters())

    def _quantile(self, q: Tensor) -> Tensor:
        return self.loc + self.scale * self._standard()._quantile(q)
