"""Supports that may reach to infinity at either end, element by element."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax import Array
from numpyro.distributions import constraints, transforms

from irg_kernels.generic import stretched

from .. import xp


def from_to(low: Any, high: Any) -> Any:
    """The constraint of values from low to high, numbers that may be infinite or arrays that are not."""
    if isinstance(high, float) and math.isinf(high):
        return constraints.real if isinstance(low, float) and math.isinf(low) else constraints.greater_than_eq(low)
    return constraints.interval(low, high)


def off_ends(ends: Any, x: Array) -> Array:
    """A draw x between two ends, held in the range of its dtype; off a lower end of 0 and an upper one of 1, where its
    density may be 0 or infinite."""
    least, most = ends
    limits = jnp.finfo(x.dtype)
    x = jnp.clip(x, -0.25 / float(limits.tiny), 0.25 / float(limits.tiny))
    if isinstance(least, float) and least == 0.0:
        x = jnp.maximum(x, float(limits.tiny))
    return jnp.minimum(x, 1.0 - float(limits.eps)) if isinstance(most, float) and most == 1.0 else x


class _LineBetween(type(constraints.interval(0.0, 1.0))):  # type: ignore[misc]
    """low <= x <= high, arrays of which elements may be infinite; a plain interval's bijection would be NaN there."""

    def feasible_like(self, prototype: Any) -> Any:
        return _stretched(self)(jnp.zeros(jnp.shape(prototype), jnp.result_type(float, prototype)))


line_between = _LineBetween


class _Stretched(transforms.Transform):
    """Increasing, from the real line: by a sigmoid between two ends, by exp(x) above one or -exp(-x) below it, or x."""

    sign = 1
    domain = constraints.real

    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = low, high

    @property
    def codomain(self) -> Any:
        return line_between(self.low, self.high)

    def __call__(self, x: Any) -> Array:
        return stretched.forward(xp, jnp.asarray(x), self.low, self.high)

    def _inverse(self, y: Any) -> Array:
        return stretched.inverse(xp, jnp.asarray(y), self.low, self.high)

    def log_abs_det_jacobian(self, x: Any, y: Any, intermediates: Any = None) -> Array:
        return stretched.log_slope(xp, jnp.asarray(x), self.low, self.high)

    def tree_flatten(self) -> Any:
        return (self.low, self.high), (("low", "high"), {})

    def eq(self, other: Any, static: bool = False) -> Any:
        same = isinstance(other, _Stretched)
        return same and constraints.interval(self.low, self.high).eq(
            constraints.interval(other.low, other.high), static=static
        )


@transforms.biject_to.register(line_between)
def _stretched(constraint: Any) -> _Stretched:
    return _Stretched(constraint.lower_bound, constraint.upper_bound)
