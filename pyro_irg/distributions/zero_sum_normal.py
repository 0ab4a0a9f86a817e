"""ZeroSumNormal, which Pyro has not."""

from __future__ import annotations

import math
from typing import Any

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

from ..samplers import draw
from .base import ImplicitMixin, parameters


class _ZeroSum(constraints.Constraint):
    """Arrays whose sums along each of the last axes are 0, to rounding."""

    def __init__(self, event_dim: int) -> None:
        self._event_dim = event_dim

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        return self._event_dim

    def check(self, value: Tensor) -> Tensor:
        within = torch.ones(value.shape[: value.dim() - self.event_dim], dtype=torch.bool, device=value.device)
        for axis in range(-self.event_dim, 0):
            total, size = value.sum(axis, keepdim=True), value.abs().sum(axis, keepdim=True)
            close = total.abs() <= 32.0 * torch.finfo(value.dtype).eps * (size + 1.0)
            within = within & close.flatten(value.dim() - self.event_dim).all(-1)
        return within


class _ZeroSumTransform(torch.distributions.Transform):
    """From all arrays with one entry less along each axis; lengths, and so volumes, stay."""

    bijective = True

    def __init__(self, event_dim: int) -> None:
        super().__init__()
        self.domain, self.codomain = constraints.independent(constraints.real, event_dim), _ZeroSum(event_dim)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ZeroSumTransform) and other.codomain.event_dim == self.codomain.event_dim

    def _call(self, x: Tensor) -> Tensor:
        for axis in range(-self.codomain.event_dim, 0):
            root = math.sqrt(x.shape[axis] + 1)
            total = x.sum(axis, keepdim=True)
            shift = total / (root + root * root)
            x = torch.cat([x - shift, -total / root], axis)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for axis in range(-self.codomain.event_dim, 0):
            n = y.shape[axis]
            most, last = y.split([n - 1, 1], axis)
            y = most - last * (math.sqrt(n) / (math.sqrt(n) + n))
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x.new_zeros(x.shape[: x.dim() - self.domain.event_dim])

    def forward_shape(self, shape: Any) -> torch.Size:
        k = len(shape) - self.domain.event_dim
        return torch.Size((*shape[:k], *(n + 1 for n in shape[k:])))

    def inverse_shape(self, shape: Any) -> torch.Size:
        k = len(shape) - self.domain.event_dim
        return torch.Size((*shape[:k], *(n - 1 for n in shape[k:])))


@torch.distributions.biject_to.register(_ZeroSum)
@torch.distributions.transform_to.register(_ZeroSum)
def _to_zero_sum(constraint: _ZeroSum) -> _ZeroSumTransform:
    return _ZeroSumTransform(constraint.event_dim)


class ZeroSumNormal(ImplicitMixin, TorchDistribution):
    r"""Normal numbers less their mean, along each axis of the event, reparameterized in the scale; with NumPyro's
    arguments.

    The density is that on the plane of sums 0.

    :param scale: :math:`\sigma > 0` of the numbers before; number or tensor.
    :param event_shape: the shape of the event, of 2 or more along each axis.
    :raises ValueError: for a scale that is not positive or not finite, or an event shape that leaves nothing.
    """

    has_rsample = True
    arg_constraints = {"scale": constraints.positive}
    _expands = {"scale": 0}

    def __init__(self, scale: Any, event_shape: Any, validate_args: bool | None = None) -> None:
        shape = torch.Size(event_shape)
        if not shape or min(shape) < 2:
            raise ValueError(f"ZeroSumNormal: event_shape must have 2 or more along each axis, got {tuple(shape)}")
        (self.scale,) = parameters("ZeroSumNormal", scale=scale)
        super().__init__(self.scale.shape, shape, validate_args=validate_args)
        self._refuse_infinite()

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:
        return _ZeroSum(len(self.event_shape))

    def _by_event(self, value: Tensor) -> Tensor:
        return value.reshape(value.shape + (1,) * len(self.event_shape))

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        z = draw(torch.randn_like, self._by_event(self.scale).expand(self._extended_shape(sample_shape)))
        for axis in range(-len(self.event_shape), 0):
            z = z - z.mean(axis, keepdim=True)
        return self._by_event(self.scale) * z

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        freedom = math.prod(n - 1 for n in self.event_shape)
        square = (value / self._by_event(self.scale)).square().flatten(value.dim() - len(self.event_shape)).sum(-1)
        return -0.5 * square - freedom * (self.scale.log() + 0.5 * math.log(2.0 * math.pi))

    @property
    def mean(self) -> Tensor:
        return torch.zeros_like(self.variance)

    @property
    def variance(self) -> Tensor:
        left = math.prod(1.0 - 1.0 / n for n in self.event_shape)
        return (left * self._by_event(self.scale).square()).expand(self.batch_shape + self.event_shape)
