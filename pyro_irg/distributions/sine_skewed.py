"""SineSkewed with implicit gradients."""

from __future__ import annotations

import math
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from irg_kernels.adapter import messages
from irg_kernels.families import sine_skewed as kernel
from irg_kernels.numerics.angles import wrap

from ..attach import NATIVE, attach
from ..registry import implicit_twin, implicit_twin_of
from ..samplers import draw
from .base import ImplicitMixin
from .host_families import unwrapped
from .von_mises import VonMises


@implicit_twin_of(host.SineSkewed)
class SineSkewed(ImplicitMixin, host.SineSkewed):
    r"""Angles of a symmetric density f times :math:`1 + \sum_i \lambda_i \sin(x_i - \mu_i)`, reparameterized in the
    skewness :math:`\lambda` and in the parameters of von Mises distributions.

    Each angle moves along itself by the implicit gradient of its density given the others (Figurnov, Mohamed, Mnih
    2018, eq. 5).  A base that is no product of its angles, as `SineBivariateVonMises`, has draws without derivatives,
    and says so: `has_rsample` is False.

    :param base_dist: angles of event shape (d,): `VonMises(...).to_event(1)`, or `Uniform(-pi, pi)` likewise; others
        are not reparameterized.
    :param skewness: :math:`\lambda`, of shape (..., d), whose absolute values add up to 1 at most.
    :raises TypeError: for what is no distribution of the library.
    :raises ValueError: for a skewness of another shape, not finite, or beyond that.
    """

    def __init__(self, base_dist: Any, skewness: Any, validate_args: bool | None = None) -> None:
        messages.check_distribution("SineSkewed", "base_dist", base_dist, torch.distributions.Distribution)
        skewness = torch.as_tensor(skewness)
        if len(base_dist.event_shape) != 1 or skewness.shape[-1:] != base_dist.event_shape:
            raise ValueError(
                f"SineSkewed: base_dist of event shape {tuple(base_dist.event_shape)} and skewness of shape "
                f"{tuple(skewness.shape)} must be of (d,) and (..., d); write base_dist.to_event(1)"
            )
        checks = type(self)._validate_args if validate_args is None else validate_args
        most = 1.0 + 8.0 * torch.finfo(skewness.dtype).eps
        if checks and not torch._is_all_true(skewness.abs().sum(-1) <= most):
            raise ValueError(
                f"SineSkewed: the absolute values of skewness must add up to 1 at most, else the density is negative "
                f"somewhere, but found:\n{skewness}"
            )
        batch = torch.broadcast_shapes(base_dist.batch_shape, skewness.shape[:-1])
        self.skewness = skewness.expand(batch + skewness.shape[-1:])
        self.base_dist = (implicit_twin(base_dist) or base_dist).expand(batch)
        # not the host's, which looks at values under vmap too
        TorchDistribution.__init__(self, batch, base_dist.event_shape, validate_args=validate_args)
        self._refuse_infinite()
        self.has_rsample = self._angles() is not None

    @classmethod
    def from_host(cls, fn: Any) -> Any:
        return cls(fn.base_dist, fn.skewness, validate_args=fn._validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.has_rsample = self.has_rsample
        return new

    def _angles(self) -> tuple[Tensor, Tensor] | None:
        """(locations, concentrations) of the base, if its angles are independent."""
        base, shape = unwrapped(self.base_dist), self.batch_shape + self.event_shape
        if isinstance(base, VonMises):
            return base.loc.expand(shape), base.concentration.expand(shape)
        if isinstance(base, host.Uniform):
            low, high = (end.detach() for end in (base.low, base.high))
            if ((low + math.pi).abs() < 1e-6).all() and ((high - math.pi).abs() < 1e-6).all():
                zeros = torch.zeros_like(low).expand(shape)
                return zeros, zeros
        return None

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """A draw of the base, turned to the other side of its location by a chance that the skewness gives."""
        with torch.no_grad():
            y, mean = self.base_dist.sample(torch.Size(sample_shape)), self.base_dist.mean
            chance = 0.5 + 0.5 * (self.skewness * (y - mean).sin()).sum(-1)
            return wrap(NATIVE, torch.where((draw(torch.rand_like, y[..., 0]) <= chance)[..., None], y, 2.0 * mean - y))

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.at_fixed_quantile(self.sample(sample_shape))

    def at_fixed_quantile(self, x: Tensor) -> Tensor:
        """x, unchanged in value but for whole turns, that moves as a draw does."""
        angles = self._angles()
        if angles is None:
            raise NotImplementedError(
                f"SineSkewed of {messages.described(self.base_dist)} has no reparameterized draw; its base must be "
                "VonMises(...).to_event(1) or a Uniform on (-pi, pi), or write the angles as a ConditionalChain of "
                "ImplicitDensity (docs/sharp_bits.md has SineBivariateVonMises)"
            )
        loc, kappa, skewness = (p.expand(x.shape) for p in (*angles, self.skewness))
        z = wrap(NATIVE, x - loc.detach())
        return wrap(NATIVE, loc + attach((kernel.dz_dkappa, kernel.dz_dskewness), z, kappa, skewness))
