"""Supports that may reach to infinity at either end, element by element."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints, transforms

from irg_kernels.generic import stretched

from .. import xp


def from_to(low: Any, high: Any) -> Any:
    """The constraint of values from low to high, numbers that may be infinite or tensors that are not."""
    if isinstance(high, float) and math.isinf(high):
        return constraints.real if isinstance(low, float) and math.isinf(low) else constraints.greater_than_eq(low)
    return constraints.interval(low, high)


def off_ends(ends: Any, x: Tensor) -> Tensor:
    """A draw x between two ends, held in the range of its dtype; off a lower end of 0 and an upper one of 1, where its
    density may be 0 or infinite."""
    least, most = ends
    limits = torch.finfo(x.dtype)
    x = x.clamp(-0.25 / limits.tiny, 0.25 / limits.tiny)
    if isinstance(least, float) and least == 0.0:
        x = x.clamp(min=limits.tiny)
    return x.clamp(max=1.0 - limits.eps) if isinstance(most, float) and most == 1.0 else x


class _LineBetween(constraints.interval):
    """low <= x <= high, tensors of which elements may be infinite; a plain interval's bijection would be NaN there."""


line_between = _LineBetween


class _Stretched(transforms.Transform):
    """Increasing, from the real line: by a sigmoid between two ends, by exp(x) above one or -exp(-x) below it, or x."""

    bijective = True
    sign = +1
    domain = constraints.real

    def __init__(self, low: Any, high: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.low, self.high = torch.as_tensor(low), torch.as_tensor(high)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def codomain(self) -> Any:
        return line_between(self.low, self.high)

    def with_cache(self, cache_size: int = 1) -> Any:
        return self if self._cache_size == cache_size else _Stretched(self.low, self.high, cache_size)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Stretched) and bool(
            torch.equal(self.low, other.low) and torch.equal(self.high, other.high)
        )

    __hash__ = None  # type: ignore[assignment]

    def _call(self, x: Tensor) -> Tensor:
        return stretched.forward(xp, x, self.low, self.high)

    def _inverse(self, y: Tensor) -> Tensor:
        return stretched.inverse(xp, y, self.low, self.high)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return stretched.log_slope(xp, x, self.low, self.high)


def _stretched(constraint: Any) -> _Stretched:
    return _Stretched(constraint.lower_bound, constraint.upper_bound)


torch.distributions.biject_to.register(line_between, _stretched)
torch.distributions.transform_to.register(line_between, _stretched)
