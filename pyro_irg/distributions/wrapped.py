"""A univariate distribution wrapped onto the circle."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from irg_kernels.adapter import messages
from irg_kernels.generic import wrapping

from ..attach import NATIVE, in_transform
from ..registry import implicit_twin
from . import host_families
from .base import ImplicitMixin, uniforms
from .fixed_quantile import at_fixed_quantile, drawn
from .from_uniform import by_tails, from_uniform, own_quantile
from .host_families import ends_of, family_of, has_tails, inner_point, tails_anywhere, tensors, unwrapped


class Wrapped(ImplicitMixin, TorchDistribution):
    r"""The angle in :math:`[-\pi, \pi)` that a draw x of a distribution of the line points at.

    Density :math:`\sum_j p(x + 2 \pi j)`: the turns about the median one by one, and those beyond by the base's tails.
    A draw has the gradients of the base's.

    :param base: a continuous univariate distribution with a cdf and a quantile; its implicit twin is taken for it.
    :raises TypeError: for what is no distribution of the library.
    :raises ValueError: for a base of vectors or of integers, one without a cdf, and, unless `validate_args` is False or
        `torch.func` transforms the call, one that is wider than some hundred units and no smoother than that.

    >>> scale = torch.tensor(2.0, requires_grad=True)
    >>> Wrapped(torch.distributions.Normal(0.0, scale)).rsample((1000,)).cos().mean().backward()
    """

    arg_constraints: dict = {}
    support = constraints.interval(-math.pi, math.pi)
    _expands = {"base_dist": 0}
    _keeps = ("has_rsample",)

    def __init__(self, base: Any, validate_args: bool | None = None) -> None:
        messages.check_distribution("Wrapped", "base", base, torch.distributions.Distribution)
        self.base_dist = implicit_twin(base) or base
        self.has_rsample = self.base_dist.has_rsample
        inner = unwrapped(self.base_dist)
        messages.check_wrapped(base, inner.support.is_discrete, has_tails(inner))
        super().__init__(base.batch_shape, validate_args=validate_args)
        if self._validate_args and not in_transform() and not torch.jit.is_tracing():
            self._check()

    def _check(self) -> None:
        angles = torch.linspace(-3.0, 3.0, 5, dtype=torch.float64).reshape((5,) + (1,) * len(self.batch_shape))
        with torch.no_grad():
            line = self._line(angles)
            error = wrapping.log_density(NATIVE, line, _nearest(angles, line.centre))[1]
            reach = wrapping.TURN * wrapping.turns(NATIVE, angles)
            for end, sign in zip(ends_of(unwrapped(self.base_dist)), (1.0, -1.0), strict=True):
                end = torch.as_tensor(end, dtype=torch.float64)
                far = end.isfinite() & ((end - line.centre).abs() > reach)
                jump = line.log_density(torch.where(far, end + sign * 1e-6 * (1.0 + end.abs()), line.centre)).exp()
                error = torch.maximum(error, torch.where(far, jump, 0.0))
        worst = error.max().item() if error.numel() else 0.0
        if not worst <= wrapping.tolerance(NATIVE, angles):
            raise ValueError(messages.too_wide(self.base_dist, worst))

    def _line(self, like: Tensor) -> wrapping.Line:
        base = unwrapped(self.base_dist)
        known = family_of(base)
        found = base.loc if known and wrapping.has_centre(known[0]) else from_uniform(self.base_dist, 0.5)
        centre = found.detach().to(like.dtype)
        least, most = (torch.as_tensor(e, dtype=like.dtype, device=like.device) for e in ends_of(base))

        def log_density(x: Tensor) -> Tensor:
            inside = (x >= least) & (x < most)
            # by the record: the host's may overflow some turns off, as Gumbel's does, with NaN for derivatives
            log_p = host_families.log_density(base, torch.where(inside, x, inner_point(least, most)))
            return torch.where(inside, log_p, -torch.inf)

        return wrapping.Line(log_density, lambda x: tails_anywhere(base, x), centre)

    def _dtype(self, value: Tensor) -> torch.dtype:
        """Of value and parameters."""
        found = [value.dtype, *(t.dtype for t in tensors(unwrapped(self.base_dist)))]
        return functools.reduce(torch.promote_types, found)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        if in_transform() and not isinstance(unwrapped(self.base_dist), ImplicitMixin):
            return _wrapped(at_fixed_quantile(self.base_dist, drawn(self.base_dist, sample_shape)))
        return _wrapped(self.base_dist.rsample(sample_shape))

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        with torch.no_grad():
            return _wrapped(drawn(self.base_dist, sample_shape))

    def from_uniform(self, u: Any) -> Tensor:
        """The base's draw that u makes, wrapped; see the function `from_uniform`."""
        return _wrapped(from_uniform(self.base_dist, uniforms(self, u)))

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value), to rounding, with derivatives in the value and every parameter of the base."""
        if self._validate_args:
            self._validate_sample(value)
        wide = value if value.device.type == "mps" else value.double()
        line = self._line(wide)
        log_p = wrapping.log_density(NATIVE, line, _nearest(wide, line.centre))[0]
        return log_p.to(self._dtype(value))

    def cdf(self, value: Any) -> Tensor:
        """The probability of an angle from -pi to value, with derivatives in both."""
        if self._validate_args:
            self._validate_sample(value)
        wide = value if value.device.type == "mps" else value.double()
        line = self._line(wide)
        start = _nearest(torch.full_like(wide, -math.pi), line.centre)
        mass = wrapping.cdf(NATIVE, line, start, wide + math.pi + 0.0 * start)
        return mass.to(self._dtype(value))


own_quantile.register(Wrapped)(lambda base, q: by_tails(base, uniforms(base, q)))


def _wrapped(x: Tensor) -> Tensor:
    angle = x - wrapping.TURN * (x / wrapping.TURN).round().detach()
    fixed = angle.detach()
    return angle + (fixed.clamp(-math.pi, math.pi) - fixed)  # beyond by rounding


def _nearest(angle: Tensor, centre: Tensor) -> Tensor:
    """The value on the line next to the centre."""
    return angle + wrapping.TURN * ((centre - angle) / wrapping.TURN).round().detach()
