"""The JAX `Namespace` of `irg_kernels`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import Array, lax
from jax.nn import sigmoid, softplus
from jax.numpy import abs, arcsin, cos, exp, expm1, log, log1p, max, maximum, minimum, sin, sqrt, sum, where
from jax.scipy.special import digamma, i0e, i1e

__all__ = [
    "abs", "arcsin", "constant", "cos", "digamma", "exp", "expm1", "finfo", "i0e", "i1e", "indicator", "integrate",
    "log", "log1p", "max", "maximum", "minimum", "sigmoid", "sin", "softplus", "spare_precision", "sqrt",
    "stop_gradient", "sum", "where",
]  # fmt: skip

spare_precision = False
stop_gradient = lax.stop_gradient


def indicator(condition: Array, *, like: Array) -> Array:
    return condition.astype(like.dtype)


def finfo(like: Array):
    return jnp.finfo(like.dtype)


def constant(values: Sequence[float], *, like: Array) -> Array:
    return jnp.asarray(values, dtype=like.dtype)


def integrate(
    integrand: Callable[[Array], Array], nodes: Sequence[float], weights: Sequence[float], *, like: Array
) -> Array:
    x, w = constant(nodes, like=like), constant(weights, like=like)

    def body(i, total):
        return total + w[i] * integrand(x[i])

    return lax.fori_loop(0, len(nodes), body, jnp.zeros_like(like))
