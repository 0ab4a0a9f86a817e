"""Maps from unconstrained space, as the guides use them."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import log_sigmoid
from numpyro.distributions import biject_to
from numpyro.distributions.transforms import IndependentTransform, StickBreakingTransform

__all__ = ["bijection", "finite_slopes"]


class _StickBreaking(StickBreakingTransform):
    """NumPyro's, in logarithms: 1 - cumsum(y) leaves nothing of a component below float32's rounding.

    Where it left 0, the inverse had a gradient of NaN: in one of ten batches of 32 Dirichlet(.1) draws.
    """

    def _log_parts(self, x: Array) -> tuple[Array, Array, Array]:
        x = x - _log_counts(x)
        rest = log_sigmoid(-x)
        before = jnp.cumsum(rest, -1) - rest
        return log_sigmoid(x), rest, before

    def __call__(self, x: Array) -> Array:
        part, rest, before = self._log_parts(x)
        last = jnp.sum(rest, -1, keepdims=True)
        return jnp.exp(jnp.concatenate([part + before, last], -1))

    def _inverse(self, y: Array) -> Array:
        y = jnp.maximum(y, float(jnp.finfo(y.dtype).tiny))
        rest = jnp.flip(jnp.cumsum(jnp.flip(y[..., 1:], -1), -1), -1)
        x = jnp.log(y[..., :-1]) - jnp.log(rest)
        return x + _log_counts(x)

    def log_abs_det_jacobian(self, x: Array, y: Array, intermediates: Any = None) -> Array:
        part, rest, before = self._log_parts(x)
        return jnp.sum(part + rest + before, -1)


def _log_counts(x: Array) -> Array:
    """So that 0 is mapped to equal parts."""
    return jnp.log(x.shape[-1] - jnp.arange(x.shape[-1], dtype=x.dtype))


def bijection(support: Any) -> Any:
    """`biject_to`, with an accurate map onto the simplex."""
    return _accurate(biject_to(support))


def _accurate(transform: Any) -> Any:
    if type(transform) is StickBreakingTransform:
        return _StickBreaking()
    if type(transform) is IndependentTransform:
        return IndependentTransform(_accurate(transform.base_transform), transform.reinterpreted_batch_ndims)
    return transform


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def finite_slopes(x: Array, unconstrained: bool = False) -> Array:
    """x; of its slopes, those that are not finite are 0.

    A second derivative such as (a - 1) / theta^2 overflows in float32 at theta = 1e-19, where that in unconstrained
    space is moderate: one datum's NaN would reach every parameter.  `diagnostics` tells where.

    :param unconstrained: that x is, whose slopes are moderate but far out: 0 too are those whose squares overflow, from
        which Adam's mean of squares never returns.  (Of a theta of 1e-19 itself a slope of 1e19 is right.)
    """
    return x


def _finite(unconstrained: bool, _: None, slope: Array) -> tuple[Array]:
    limit = jnp.finfo(slope.dtype).max
    if unconstrained:
        limit = 1e-3 * limit**0.5  # a sum of a million squares is finite too
    return (jnp.where(jnp.abs(slope) <= limit, slope, 0.0),)


# by itself again, for the slopes of slopes
finite_slopes.defvjp(lambda x, unconstrained: (finite_slopes(x, unconstrained), None), _finite)
