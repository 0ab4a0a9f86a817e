"""How elementwise functions are laid out for XLA, whose loops on the CPU run along the last axis of their last use and
take up to ten times as long where that is short.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax


def flat(function: Callable, *args: Array) -> Any:
    """function(*args), elementwise, of arrays of one shape: as if they had one axis.

    The function may put axes of its own before theirs.
    """
    shape = args[0].shape
    if len(shape) < 2:
        return function(*args)

    def shaped(found: Array) -> Array:
        return _apart(found).reshape((*found.shape[:-1], *shape))

    return jax.tree.map(shaped, function(*(a.reshape(-1) for a in args)))


@jax.custom_jvp
def _apart(x: Array) -> Array:
    """x, which XLA on the CPU computes once and by itself: it would repeat it in the loop of each use."""
    # outside of `jit` it is computed already
    return _computed(x) if x.size and isinstance(x, jax.core.Tracer) else x


@partial(jax.jit, inline=True)  # what outside of `jit` is traced all the same, by `vmap`, is compiled once
def _computed(x: Array) -> Array:
    def computed(x):
        return lax.cond(lax.optimization_barrier(jnp.asarray(True)), lambda x: x, lambda x: x * math.nan, x)

    return lax.platform_dependent(x, cpu=computed, default=lambda x: x)


@_apart.defjvp
def _apart_jvp(primals, tangents):
    return _apart(*primals), tangents[0]
