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
from jax.scipy import special

from irg_kernels.namespace import Namespace
from irg_kernels.numerics import normal_tail
from irg_kernels.numerics.elementary import horner

from . import lean
from .layout import flat
from .lean import Lean, bare, binary, unary, where

__all__ = [
    "abs",
    "addcmul",
    "arcsin",
    "arcsinh",
    "arctan2",
    "bivariate",
    "blend",
    "clip",
    "concatenate",
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
    "log_softmax",
    "matmul",
    "max",
    "maximum",
    "minimum",
    "ndtri",
    "round",
    "sigmoid",
    "sin",
    "softplus",
    "sort",
    "sqrt",
    "stack",
    "stop_gradient",
    "sum",
    "where",
]  # fmt: skip

has_guard_digits = False

exp, expm1, log, log1p, sqrt = (unary(f) for f in (jnp.exp, jnp.expm1, jnp.log, jnp.log1p, jnp.sqrt))
sin, cos, arcsin, abs, round = (unary(f) for f in (jnp.sin, jnp.cos, jnp.arcsin, jnp.abs, jnp.round))
sigmoid, softplus, log_softmax, stop_gradient = (
    unary(f) for f in (jax.nn.sigmoid, jax.nn.softplus, jax.nn.log_softmax, lax.stop_gradient)
)
digamma, lgamma, erf, erfc, i0e, i1e, ndtri = (
    unary(f)
    for f in (
        special.digamma,
        special.gammaln,
        special.erf,
        special.erfc,
        special.i0e,
        special.i1e,
        special.ndtri,
    )
)
maximum, minimum = binary(lax.max, jnp.maximum), binary(lax.min, jnp.minimum)
arctan2, copysign = binary(lax.atan2, jnp.arctan2), binary(jnp.copysign, jnp.copysign)


def matmul(x: Any, y: Any) -> Any:
    return _as(x, jnp.matmul(bare(x), bare(y)))


def sum(x: Any, *, axis: int, keepdims: bool = False) -> Any:
    return _as(x, jnp.sum(bare(x), axis=axis, keepdims=keepdims))


def max(x: Any, *, axis: int, keepdims: bool = False) -> Any:
    return _as(x, jnp.max(bare(x), axis=axis, keepdims=keepdims))


def sort(x: Any) -> Any:
    return _as(x, jnp.sort(bare(x), axis=0))


def stack(arrays: Sequence[Any], *, axis: int = 0) -> Any:
    return _as(arrays[0], jnp.stack([bare(a) for a in arrays], axis=axis))


def concatenate(arrays: Sequence[Any]) -> Any:
    return _as(arrays[0], jnp.concatenate([bare(a) for a in arrays]))


def _as(like: Any, x: Array) -> Any:
    return Lean(x) if type(like) is Lean else x


_arcsinh = unary(jnp.arcsinh)


def arcsinh(x: Any) -> Any:
    # beyond 1e8, where it is log(2 |x|), the native derivative squares x, which overflows
    far = abs(x) > 1e8
    large = where(far, x, 1.0)
    return where(far, copysign(log(abs(large)) + math.log(2.0), large), _arcsinh(where(far, 0.0, x)))


@jax.custom_jvp
def _log_ndtr(x: Array) -> Array:
    # JAX's own is right near 0 in absolute terms only, and its derivative loses x**2 / 2 units in the last place
    return flat(partial(lean.leant, partial(normal_tail.log_ndtr, _SELF)), x)


@_log_ndtr.defjvp
def _log_ndtr_jvp(primals, tangents):
    slope = partial(lean.leant, partial(normal_tail.dlog_ndtr_dx, _SELF))
    return _log_ndtr(*primals), flat(slope, *primals) * tangents[0]


log_ndtr = unary(_log_ndtr)


def clip(x: Any, low: float, high: float) -> Any:
    # of a maximum JAX takes half the derivative where both are equal, as at an angle of pi
    return where(x < low, low, where(x > high, high, x))


def indicator(condition: Any, *, like: Any) -> Any:
    return _as(condition, lax.convert_element_type(bare(condition), like.dtype))


def addcmul(x: Any, y: Any, z: Any, scale: float = 1.0) -> Any:
    return x + (y * z if scale == 1.0 else scale * y * z)


def blend(x: Any, y: Any, weight: Any) -> Any:
    return where(weight > 0.5, y, x)


def bivariate(coefficients: tuple[tuple[float, ...], ...], x: Any, y: Any) -> Any:
    found = 0.0 * x
    for row in reversed(coefficients):
        found = found * x + horner(y, row)
    return found


def frexp(x: Any) -> tuple[Any, Any]:
    mantissa, exponent = jnp.frexp(lax.stop_gradient(bare(x)))
    return _as(x, mantissa), _as(x, exponent.astype(x.dtype))


def finfo(like: Any) -> Any:
    return jnp.finfo(like.dtype)


def constant(values: Sequence[float], *, like: Any) -> Any:
    return _as(like, jnp.asarray(values, dtype=like.dtype))


def converge(
    step: Callable[..., tuple], init: tuple, done: Callable[[tuple], Any], max_steps: int, *constants: Any
) -> tuple:
    wrap = Lean if any(type(a) is Lean for a in init) else bare

    def unfinished(carry):
        i, state = carry
        return (i < max_steps) & ~jnp.all(bare(done(jax.tree.map(wrap, state))))

    def advance(carry):
        i, state = carry
        return i + 1, jax.tree.map(bare, step(jax.tree.map(wrap, state), *constants))

    return jax.tree.map(wrap, lax.while_loop(unfinished, advance, (0, jax.tree.map(bare, init)))[1])


def integrate(
    integrand: Callable[[Any], Any], nodes: Sequence[float], *weights: Sequence[float], like: Any
) -> tuple[Any, ...]:
    rows = jnp.asarray([nodes, *weights], dtype=like.dtype)

    def body(i, totals):
        x, *ws = (_as(like, row) for row in lax.dynamic_index_in_dim(rows, i, axis=1, keepdims=False))
        value = integrand(x)
        return tuple(bare(_as(like, total) + w * value) for total, w in zip(totals, ws, strict=True))

    found = lax.fori_loop(0, len(nodes), body, (lax.full_like(bare(like), 0.0),) * len(weights))
    return tuple(_as(like, total) for total in found)


_SELF: Namespace[Array] = sys.modules[__name__]
