"""Stable, reparameterized in every parameter through stability 1."""

from __future__ import annotations

import math
from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor

from irg_kernels.adapter.messages import check_stable
from irg_kernels.families import stable as kernel

from ..registry import implicit_twin_of
from ..samplers import draw
from .base import ImplicitMixin, closed_form, parameters

__all__ = ["Stable", "StableWithLogProb"]


@implicit_twin_of(host.Stable)
class Stable(ImplicitMixin, host.Stable):
    r"""Levy's :math:`\alpha`-stable distribution, in Nolan's coordinates S0, in which all is smooth.

    Its characteristic function is :math:`\exp(i \mu t - |\sigma t|^\alpha (1 + i \beta\, \mathrm{sign}(t)
    \tan\frac{\pi \alpha}{2} (|\sigma t|^{1 - \alpha} - 1)))`.  A draw is a smooth function of its parameters and two
    random numbers, and `log_prob` an integral of one dimension, in float64.  A draw that would overflow is held at the
    end of the range, with the relative derivative of the true draw.  Next to stability 2 the gradient in it has a large
    variance, and at 2 itself, where heavy tails begin, an infinite one: it is returned as infinite or NaN.

    :param stability: :math:`\alpha` in (0, 2]; number or tensor, broadcast with the others.
    :param skew: :math:`\beta` in [-1, 1].
    :param scale: :math:`\sigma > 0`.
    :param loc: :math:`\mu`.
    :param coords: "S0", or "S" for SciPy's, which break off at stability 1 (where they are S0).
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.

    Sources: Chambers, Mallows and Stuck 1976; Nolan 1997.
    """

    _expands = {"stability": 0, "skew": 0, "scale": 0, "loc": 0}
    _keeps = ("coords",)

    def __init__(
        self,
        stability: Any,
        skew: Any,
        scale: Any = 1.0,
        loc: Any = 0.0,
        coords: str = "S0",
        validate_args: bool | None = None,
    ) -> None:
        check_stable(coords)
        stability, skew, scale, loc = parameters("Stable", stability=stability, skew=skew, scale=scale, loc=loc)
        super().__init__(stability, skew, scale, loc, coords, validate_args)
        self._refuse_infinite()
        if self._validate_args and not torch._is_all_true(self.stability > 0.0):
            raise ValueError("Stable: stability must lie in (0, 2], but is 0")

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(fn.stability, fn.skew, fn.scale, fn.loc, fn.coords, validate_args=fn._validate_args)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        alpha, beta, scale, loc = self._extended(sample_shape, self.stability, self.skew, self.scale, self.loc)
        u, w = draw(_noise, alpha)
        kind = kernel.draw if self.coords == "S0" else kernel.draw_of_s
        return loc + scale * closed_form(kind, u, w, alpha, beta, scale)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value), to rounding, with derivatives."""
        if self._validate_args:
            self._validate_sample(value)
        x = (value - self.loc) / self.scale
        log_density = kernel.log_density if self.coords == "S0" else kernel.log_density_of_s
        found = closed_form(log_density, x.double(), self.stability.double(), self.skew.double())
        return found.to(x.dtype) - self.scale.log()

    @property
    def mean(self) -> Tensor:
        """NaN where there is none."""
        has_mean = self.stability > 1.0
        loc = self.loc
        if self.coords == "S0":
            loc = loc - self.scale * self.skew * (0.5 * math.pi * torch.where(has_mean, self.stability, 2.0)).tan()
        return torch.where(has_mean, loc, math.nan)


def _noise(like: Tensor) -> tuple[Tensor, Tensor]:
    limits = torch.finfo(like.dtype)
    u = torch.rand_like(like).clamp(0.25 * limits.eps, 1.0 - 0.5 * limits.eps)
    return u, torch.empty_like(like).exponential_()


@implicit_twin_of(host.StableWithLogProb)
class StableWithLogProb(Stable, host.StableWithLogProb):
    """`Stable`, with its arguments and errors, which Pyro's strategies of reparameterization leave as it is."""
