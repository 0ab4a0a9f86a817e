"""Dirichlet with implicit gradients."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from torch import Tensor

from irg_kernels.families import dirichlet
from irg_kernels.generic import by_region

from ..attach import attach, call, evaluate, in_transform
from ..registry import implicit_twin_of
from ..samplers import draw, standard_gamma
from .base import ImplicitMixin, closed_form, parameters, together, uniforms
from .beta import Beta
from .clamping import all_inside, exponential


@implicit_twin_of(host.Dirichlet)
class Dirichlet(ImplicitMixin, host.Dirichlet):
    r"""Dirichlet distribution with density proportional to :math:`\prod_i x_i^{a_i - 1}` on the simplex.

    The gradient follows the marginal of each component (Figurnov, Mohamed, Mnih 2018, section 4), of lower variance
    than that of normalised Gammas.  Components that underflow are held at the least normal number, with their relative
    derivatives.

    :param concentration: tensor of shape (..., K), positive.
    :raises ValueError: for a concentration outside its constraint, not finite, or without axes.
    """

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        (concentration,) = parameters("Dirichlet", concentration=concentration)
        # torch's check cannot reshape an empty batch
        super().__init__(concentration, validate_args=validate_args if concentration.numel() else False)
        self._refuse_infinite()

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        (concentration,) = self._extended(sample_shape, self.concentration)
        if concentration.shape[-1] < 2:  # a point mass
            return torch.ones_like(concentration)
        log_x = draw(_standard_log_dirichlet, concentration)
        value = log_x.exp()
        if not in_transform() and _all_are_inside(value):  # the usual case
            partials, rule = (dirichlet.dlogx_dalpha_inside,), by_region.DIRICHLET_INSIDE
            return attach(partials, value, concentration, by_region=rule, mix=_of_logits)
        log_x = attach((dirichlet.dlogx_dalpha,), log_x, concentration, by_region=by_region.DIRICHLET).log_softmax(-1)
        return exponential(log_x, value.clamp(max=1.0 - torch.finfo(value.dtype).eps))

    def from_uniform(self, u: Any) -> Tensor:
        """The draw that u makes, stick by stick; see the function `from_uniform`."""
        return self._from_uniform(uniforms(self, u))

    def _from_uniform(self, u: Tensor) -> Tensor:
        a, later = self.concentration, self.concentration.flip(-1).cumsum(-1).flip(-1)
        sticks = Beta(a[..., :-1], later[..., 1:], validate_args=False).icdf(u[..., :-1])
        left = torch.cat([torch.ones_like(u[..., :1]), (-sticks).log1p().cumsum(-1).exp()], -1)
        return torch.cat([sticks * left[..., :-1], left[..., -1:]], -1)

    def _implicit_gradients(self, value):
        # dx_i / d alpha_j = x_i (delta_ij - x_j) L_j
        log_x = value.clamp(min=torch.finfo(value.dtype).tiny).log()
        slopes = evaluate(dirichlet.dlogx_dalpha, log_x, self.concentration.expand_as(value))
        identity = torch.eye(value.shape[-1], dtype=value.dtype, device=value.device)
        return {"concentration": value[..., None] * (identity - value[..., None, :]) * slopes[..., None, :]}

    def log_prob(self, value: Any) -> Tensor:
        """log p(value), to rounding, with derivatives in the value and the concentration."""
        if self._validate_args:
            self._validate_sample(value)
        each = call(dirichlet.LOG_DENSITY, *together(value, self.concentration))
        fixed = each.detach()
        return fixed[..., 0] + torch.where(fixed.isfinite(), each - fixed, 0.0).sum(-1)

    def entropy(self) -> Tensor:
        return closed_form(dirichlet.entropy, self.concentration)


def _of_logits(moves, x):
    """How x moves with its logarithms before they are normalised."""
    moved = moves * x
    return moved - x * moved.sum(-1, keepdim=True)


def _all_are_inside(x):
    return all_inside(x) and x.numel() > 0 and x.max().item() <= 1.0 - torch.finfo(x.dtype).eps


def _standard_log_dirichlet(concentration):
    return standard_gamma(concentration)[1].log_softmax(-1)
