"""Maps from unconstrained space, as the guides use them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import log_sigmoid
from numpyro.distributions import biject_to
from numpyro.distributions.transforms import IndependentTransform, StickBreakingTransform


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


@jax.custom_vjp
def finite_slopes(x: Array, unit: Array | None = None) -> Array:
    """x; of its slopes, those that are not finite are 0.

    A second derivative such as (a - 1) / theta^2 overflows in float32 at theta = 1e-19, where that in unconstrained
    space is moderate: one datum's NaN would reach every parameter.  `diagnostics` tells where.

    :param unit: of an unconstrained x, the base's scale.  Slopes are moderate in it but far out: 0 too are those whose
        squares overflow there, from which Adam's mean of squares never returns.  (In a unit of 1e-19 a slope of 1e19
        is right.)
    """
    return x


def _finite(unit: Array | None, slope: Array) -> tuple[Array, None]:
    limit, size = float(jnp.finfo(slope.dtype).max), jnp.abs(slope)
    if unit is not None:
        # a sum of a million squares is finite too
        limit, size = 1e-3 * limit**0.5, jnp.where(size <= limit, size * unit, jnp.inf)
    return jnp.where(size <= limit, slope, 0.0), None


# by itself again, for the slopes of slopes
finite_slopes.defvjp(lambda x, unit: (finite_slopes(x, unit), unit), _finite)
