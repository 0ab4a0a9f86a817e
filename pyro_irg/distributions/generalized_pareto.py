"""GeneralizedPareto with draws and derivatives that are right through concentration 0."""

from __future__ import annotations

from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution

from irg_kernels.families import generalized_pareto as kernel

from ..attach import NATIVE
from ..registry import implicit_twin_of
from ..samplers import draw
from .base import ImplicitMixin, exponential, parameters

__all__ = ["GeneralizedPareto"]

# torch 2.6 has no such law: ours needs nothing of the host's, and is its subclass for `isinstance`
_Host: Any = getattr(host, "GeneralizedPareto", TorchDistribution)


class GeneralizedPareto(ImplicitMixin, _Host):
    r"""Generalized Pareto law, of density :math:`(1 + c z)^{-1/c - 1} / \sigma` with :math:`z = (x - \mu)/\sigma`.

    Smooth in the concentration through 0, where it is exponential (and the host's draws have no gradient in it).  A
    draw that would overflow is held at the end of the range, with the relative derivative of the true draw.

    :param loc: lower end :math:`\mu`; number or tensor, broadcast with the others.
    :param scale: :math:`\sigma > 0`.
    :param concentration: c, any number; below 0 the support ends at :math:`\mu - \sigma / c`.
    :raises ValueError: for parameters outside their constraint, not finite, or that do not broadcast.

    The source of the law: Hosking and Wallis 1987, whose k is -c.
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True
    host_fault = "whose gradient in concentration is zero at concentration = 0"

    def __init__(self, loc, scale, concentration, validate_args=None):
        self.loc, self.scale, self.concentration = parameters(
            "GeneralizedPareto", loc=loc, scale=scale, concentration=concentration
        )
        torch.distributions.Distribution.__init__(self, self.loc.shape, validate_args=validate_args)
        self._refuse_infinite()

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(GeneralizedPareto, _instance or type(self).__new__(type(self)))
        for name in self.arg_constraints:
            setattr(new, name, getattr(self, name).expand(batch_shape))
        torch.distributions.Distribution.__init__(new, torch.Size(batch_shape), validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        bounded = self.concentration < 0.0
        end = self.loc - self.scale / torch.where(bounded, self.concentration, -1.0)
        return constraints.interval(self.loc, torch.where(bounded, end, torch.inf))

    @property
    def mean(self):
        finite = self.concentration < 1.0
        mean = self.loc + self.scale / (1.0 - torch.where(finite, self.concentration, 0.0))
        return torch.where(finite, mean, torch.inf)

    @property
    def variance(self):
        finite = self.concentration < 0.5
        c = torch.where(finite, self.concentration, 0.0)
        return torch.where(finite, (self.scale / (1.0 - c)) ** 2 / (1.0 - 2.0 * c), torch.inf)

    def entropy(self):
        return self.scale.log() + self.concentration + 1.0

    def rsample(self, sample_shape=torch.Size()):
        loc, scale, c = self._extended(sample_shape, self.loc, self.scale, self.concentration)
        e = draw(_standard_exponential, c)
        with torch.no_grad():
            size = scale * _below_end(kernel.z_of(NATIVE, e, c), c)
        return loc + exponential(scale.log() + kernel.log_z_of(NATIVE, e, c), size)

    def icdf(self, value):
        e = -torch.log1p(-torch.as_tensor(value, dtype=self.loc.dtype))
        last = e.isinf()
        z = kernel.z_of(NATIVE, e.masked_fill(last, 0.0), self.concentration)
        return torch.where(last, self.support.upper_bound, self.loc + self.scale * z)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        z, inside = self._inside(value)
        log_density = kernel.log_density(NATIVE, z, self.concentration) - self.scale.log()
        return torch.where(inside, log_density, -torch.inf)

    def log_survival_function(self, value):
        if self._validate_args:
            self._validate_sample(value)
        z, inside = self._inside(value)
        beyond = torch.where(value < self.loc, 0.0, -torch.inf)
        return torch.where(inside, -kernel.exponential_of(NATIVE, z, self.concentration), beyond)

    def cdf(self, value):
        return -torch.expm1(self.log_survival_function(value))

    def log_cdf(self, value):
        return self.cdf(value).log()

    def _inside(self, value):
        """z, 0 where it lies outside the support, and whether it lies inside; the upper end counts as outside."""
        z = (value - self.loc) / self.scale
        inside = (z >= 0.0) & (self.concentration * z > -1.0)
        return torch.where(inside, z, 0.0), inside


def _standard_exponential(like):
    return torch.empty_like(like).exponential_().clamp(min=torch.finfo(like.dtype).tiny)


def _below_end(z, c):
    """z held under -1/c where c < 0: at the end itself the density is 0 or infinite."""
    end = (1.0 - torch.finfo(c.dtype).eps) / c.masked_fill(c >= 0.0, -1.0).neg()
    return torch.where(c < 0.0, torch.minimum(z, end), z)


if _Host is not TorchDistribution:
    implicit_twin_of(_Host)(GeneralizedPareto)
