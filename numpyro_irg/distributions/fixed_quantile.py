"""How values move at fixed quantile."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from irg_kernels.generic import fixed_quantile

from ..attach import NATIVE
from .host_families import family_of, is_map, tails_and_density, unwrapped


def at_fixed_quantile(distribution: Any, x: Array) -> Array:
    """x, unchanged in value, that moves with the parameters so as to keep its quantile, to third order.

    :param distribution: univariate, with a distribution function, perhaps inside `Independent`, `expand` or `mask`; or
        one with a method `at_fixed_quantile`, as mixtures, truncated distributions and copulas have.
    :param x: inside the support, of a shape that broadcasts with the distribution's.
    """
    distribution = unwrapped(distribution)
    shape = distribution.batch_shape + distribution.event_shape
    x = jnp.broadcast_to(x, jnp.broadcast_shapes(jnp.shape(x), shape))
    if hasattr(distribution, "at_fixed_quantile"):
        return distribution.at_fixed_quantile(x)
    if is_map(distribution) and family_of(distribution) is None:
        y = x = lax.stop_gradient(x)
        for transform in reversed(distribution.transforms):
            y = lax.stop_gradient(transform.inv(y))
        moving = at_fixed_quantile(distribution.base_dist, y)
        for transform in distribution.transforms:
            moving = transform(moving)
        return x + (moving - lax.stop_gradient(moving))
    return fixed_quantile.at_fixed_quantile(NATIVE, *tails_and_density(distribution), x)
