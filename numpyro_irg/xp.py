"""The JAX `Namespace` of `irg_kernels`."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.nn import sigmoid, softplus
from jax.numpy import (
    abs,
    arcsin,
    arctan2,
    copysign,
    cos,
    exp,
    expm1,
    log,
    log1p,
    matmul,
    maximum,
    minimum,
    sin,
    sqrt,
    stack,
    where,
)
from jax.numpy import max as max
from jax.numpy import sum as sum
from jax.scipy.special import digamma, erf, erfc, i0e, i1e, ndtri
from jax.scipy.special import gammaln as lgamma

from irg_kernels.namespace import Namespace
from irg_kernels.numerics import normal_tail
from irg_kernels.numerics.elementary import horner

from .layout import flat

__all__ = [
    "abs",
    "addcmul",
    "arcsin",
    "arcsinh",
    "arctan2",
    "bivariate",
    "blend",
    "constant",
    "converge",
    "copysign",
    "cos",
    "digamma",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "finfo",
    "frexp",
    "has_guard_digits",
    "i0e",
    "i1e",
    "indicator",
    "integrate",
    "lgamma",
    "log",
    "log1p",
    "log_ndtr",
    "matmul",
    "max",
    "maximum",
    "minimum",
    "ndtri",
    "sigmoid",
    "sin",
    "softplus",
    "sqrt",
    "stack",
    "stop_gradient",
    "sum",
    "where",
]  # fmt: skip

has_guard_digits = False
stop_gradient = lax.stop_gradient


def arcsinh(x: Array) -> Array:
    # beyond 1e8, where it is log(2 |x|), the native derivative squares x, which overflows
    far = abs(x) > 1e8
    large = where(far, x, 1.0)
    return where(far, copysign(log(abs(large)) + math.log(2.0), large), jnp.arcsinh(where(far, 0.0, x)))


@jax.custom_jvp
def log_ndtr(x: Array) -> Array:
    # JAX's own is right near 0 in absolute terms only, and its derivative loses x**2 / 2 units in the last place
    return flat(partial(normal_tail.log_ndtr, _SELF), x)


@log_ndtr.defjvp
def _log_ndtr_jvp(primals, tangents):
    return log_ndtr(*primals), flat(partial(normal_tail.dlog_ndtr_dx, _SELF), *primals) * tangents[0]


def indicator(condition: Array, *, like: Array) -> Array:
    return condition.astype(like.dtype)


def addcmul(x: Array, y: Array, z: Array, scale: float = 1.0) -> Array:
    return x + (y * z if scale == 1.0 else scale * y * z)


def blend(x: Array, y: Array, weight: Array) -> Array:
    return where(weight > 0.5, y, x)


def bivariate(coefficients: tuple[tuple[float, ...], ...], x: Array, y: Array) -> Array:
    found = 0.0 * x
    for row in reversed(coefficients):
        found = found * x + horner(y, row)
    return found


def frexp(x: Array) -> tuple[Array, Array]:
    mantissa, exponent = jnp.frexp(lax.stop_gradient(x))
    return mantissa, exponent.astype(x.dtype)


def finfo(like: Array) -> Any:
    return jnp.finfo(like.dtype)


def constant(values: Sequence[float], *, like: Array) -> Array:
    return jnp.asarray(values, dtype=like.dtype)


def converge(
    step: Callable[..., tuple], init: tuple, done: Callable[[tuple], Array], max_steps: int, *constants: Array
) -> tuple:
    def unfinished(carry):
        i, state = carry
        return (i < max_steps) & ~jnp.all(done(state))

    return lax.while_loop(unfinished, lambda carry: (carry[0] + 1, step(carry[1], *constants)), (0, init))[1]


def integrate(
    integrand: Callable[[Array], Array], nodes: Sequence[float], *weights: Sequence[float], like: Array
) -> tuple[Array, ...]:
    x, ws = constant(nodes, like=like), tuple(constant(w, like=like) for w in weights)

    def body(i, totals):
        value = integrand(x[i])
        return tuple(total + w[i] * value for total, w in zip(totals, ws, strict=True))

    return lax.fori_loop(0, len(nodes), body, (jnp.zeros_like(like),) * len(ws))


_SELF: Namespace[Array] = sys.modules[__name__]
