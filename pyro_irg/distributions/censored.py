"""Distributions of which some values are known only to lie below, above, between or outside bounds."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions import constraints

from irg_kernels.adapter import arguments
from irg_kernels.generic import censoring

from ..attach import NATIVE
from ..registry import implicit_twin
from .host_families import ends_of, inner_point, tails_anywhere, unwrapped

__all__ = ["IntervalCensoredDistribution", "LeftCensoredDistribution", "RightCensoredDistribution"]


class _Censored(TorchDistribution):
    """What the three share; `_flags` are the names of their indicators."""

    _flags: tuple[str, ...] = ("censored",)

    def _start(self, base_dist: Any, event_shape: Any, validate_args: bool | None, **flags: Any) -> None:
        name = type(self).__name__
        arguments.check_is_distribution(name, base_dist, torch.distributions.Distribution)
        arguments.check_univariate(name, base_dist)
        base_dist = implicit_twin(base_dist) or base_dist
        tensors = {key: torch.as_tensor(flag) for key, flag in flags.items()}
        shape = torch.broadcast_shapes(base_dist.batch_shape, *(flag.shape for flag in tensors.values()))
        self.base_dist, self.has_rsample = base_dist.expand(shape), base_dist.has_rsample
        self._mark(tensors)
        super().__init__(shape, torch.Size(event_shape), validate_args=validate_args)
        self._mark({key: flag.bool().expand(shape) for key, flag in tensors.items()})

    def _mark(self, flags: dict[str, Tensor]) -> None:
        for key, flag in flags.items():
            setattr(self, key, flag)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return self.base_dist.support

    def expand(self, batch_shape: Any, _instance: Any = None) -> _Censored:
        new = type(self).__new__(type(self)) if _instance is None else _instance
        new.base_dist, new.has_rsample = self.base_dist.expand(batch_shape), self.has_rsample
        new._mark({key: getattr(self, key).expand(batch_shape) for key in self._flags})
        TorchDistribution.__init__(new, torch.Size(batch_shape), self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Values of the base, as they would be seen uncensored."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Values of the base, as they would be seen uncensored."""
        return self.base_dist.rsample(sample_shape)

    def _tails(self, value: Tensor) -> tuple[Tensor, Tensor]:
        # parameters follow the double, by promotion
        return tails_anywhere(self.base_dist, value if value.device.type == "mps" else value.double())

    def _density(self, value: Tensor, seen: Tensor) -> Tensor:
        """log p where `seen`; elsewhere that of a value inside the support."""
        base = unwrapped(self.base_dist)
        ends = (torch.as_tensor(e, dtype=value.dtype, device=value.device) for e in ends_of(base))
        return base.log_prob(torch.where(seen, value, inner_point(*ends)))


class LeftCensoredDistribution(_Censored):
    r"""Values of `base_dist`, of which those with `censored` = 1 lie at or below what is reported.

    The log-density is :math:`\log p(x)` of a value that is seen, and :math:`\log F(x)` of one that is censored, as far
    out as the density is finite, with derivatives in the value and in every parameter of the base.

    :param base_dist: a univariate distribution with a cdf; its implicit twin is taken for it.
    :param censored: 0 or 1, of a shape that broadcasts with the base's.
    :raises ValueError: for a base that is not univariate, or an indicator that is neither 0 nor 1.
    """

    arg_constraints = {"censored": constraints.boolean}

    def __init__(self, base_dist: Any, censored: Any = False, *, validate_args: bool | None = None) -> None:
        self._start(base_dist, (), validate_args, censored=censored)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._one_sided(value, 0)

    def _one_sided(self, value: Any, side: int) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        density = self._density(value, ~self.censored)
        return torch.where(self.censored, self._tails(value)[side].to(density.dtype), density)


class RightCensoredDistribution(LeftCensoredDistribution):
    r"""Values of `base_dist`, of which those with `censored` = 1 lie at or above what is reported.

    The log-density is :math:`\log p(x)` of a value that is seen, and :math:`\log(1 - F(x))` of one that is censored, as
    far out as the density is finite, with derivatives in the value and in every parameter of the base.

    :param base_dist: a univariate distribution with a cdf; its implicit twin is taken for it.
    :param censored: 0 or 1, of a shape that broadcasts with the base's.
    :raises ValueError: for a base that is not univariate, or an indicator that is neither 0 nor 1.

    >>> import pyro.distributions as host
    >>> RightCensoredDistribution(host.Gamma(2.0, 1.0), 1).log_prob(torch.tensor(30.0))
    tensor(-26.5660)
    """

    def log_prob(self, value: Tensor) -> Tensor:
        return self._one_sided(value, 1)


class IntervalCensoredDistribution(_Censored):
    r"""Values of `base_dist` reported as (lower, upper), the last axis of what `log_prob` takes.

    =============  ==============  ==========================================================
    left_censored  right_censored  log-probability
    =============  ==============  ==========================================================
    1              0               :math:`\log F(u)`
    0              1               :math:`\log(1 - F(l))`
    0              0               :math:`\log(F(u) - F(l))`, or :math:`\log p(l)` where l and u are close (`isclose`)
    1              1               :math:`\log(1 - F(u) + F(l))`
    =============  ==============  ==========================================================

    :param base_dist: a univariate distribution with a cdf; its implicit twin is taken for it.
    :param left_censored: 0 or 1, of a shape that broadcasts with the base's; and `right_censored`.
    :raises ValueError: for a base that is not univariate, and with validation for a value without the axis of the two
        bounds, or lower > upper between which a value lies.
    """

    arg_constraints = {"left_censored": constraints.boolean, "right_censored": constraints.boolean}
    _flags = ("left_censored", "right_censored")

    def __init__(
        self, base_dist: Any, left_censored: Any, right_censored: Any, *, validate_args: bool | None = None
    ) -> None:
        self._start(base_dist, (2,), validate_args, left_censored=left_censored, right_censored=right_censored)

    @constraints.dependent_property(is_discrete=False, event_dim=1)
    def support(self) -> Any:
        return constraints.independent(self.base_dist.support, 1)

    def _validate_sample(self, value: Tensor) -> None:
        if not value.dim() or value.shape[-1] != 2:
            raise ValueError(
                f"{type(self).__name__}: the last axis of a value must be (lower, upper), got a value of shape "
                f"{tuple(value.shape)}"
            )
        both = self.left_censored == self.right_censored
        if not torch._is_all_true(~both | (value[..., 0] <= value[..., 1])):
            raise ValueError(f"{type(self).__name__}: lower must not be above upper, but found:\n{value}")

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        left, right = self.left_censored, self.right_censored
        is_left, is_right, low, high = left & ~right, right & ~left, *value.unbind(-1)
        is_point = low.isclose(high) & ~left & ~right
        # where one is censored, the other end says nothing, whatever it is
        low, high = torch.where(is_left, high, low), torch.where(is_right, low, high)
        shape = torch.broadcast_shapes(low.shape, self.batch_shape)
        # both ends in one: half of the operations
        at_low, at_high = zip(*self._tails(torch.stack([low.expand(shape), high.expand(shape)])), strict=True)
        found = torch.where(
            left & right,
            censoring.log_outside(NATIVE, at_low, at_high),
            censoring.log_between(NATIVE, at_low, at_high, is_point | left | right),
        )
        found = torch.where(is_left, at_high[0], torch.where(is_right, at_low[1], found))
        density = self._density(low, is_point)
        return torch.where(is_point, density, found.to(density.dtype))
