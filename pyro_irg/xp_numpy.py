"""The NumPy `Namespace` of `irg_kernels`, for values of torch tensors on a CPU that nobody differentiates.

An operation of NumPy on a hundred elements takes a third of torch's time, and NumPy's exponentials and logarithms are
vectorised for more processors.  Arrays are float64.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from .xp import __all__ as __all__

Array = Any  # an ndarray, or where it has no axes NumPy's own scalar

exp, expm1, log, log1p, sqrt = np.exp, np.expm1, np.log, np.log1p, np.sqrt
arcsin, arcsinh, arctan2 = np.arcsin, np.arcsinh, np.arctan2
abs, round, copysign, where, matmul = np.abs, np.rint, np.copysign, np.where, np.matmul
minimum, maximum = np.minimum, np.maximum

has_guard_digits = False

# One group of nodes holds at most this many elements, as torch's
GROUP = 50_000

_LIMITS = torch.finfo(torch.float64)


def _by_torch(function: Callable) -> Callable[[Array], Array]:
    """What NumPy has not, or not vectorised."""

    def call(x: Array) -> Array:
        return function(torch.from_numpy(np.asarray(x))).numpy()

    return call


digamma, lgamma, i0e, i1e = map(_by_torch, (torch.digamma, torch.lgamma, torch.special.i0e, torch.special.i1e))
erf, erfc, ndtri = map(_by_torch, (torch.special.erf, torch.special.erfc, torch.special.ndtri))
log_ndtr, sin, cos = map(_by_torch, (torch.special.log_ndtr, torch.sin, torch.cos))


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def softplus(x: Array) -> Array:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def clip(x: Array, low: float, high: float) -> Array:
    return np.minimum(np.maximum(x, low), high)  # NumPy's own takes twice as long


def indicator(condition: Array, *, like: Array) -> Array:
    return condition.astype(np.float64)


def blend(x: Array, y: Array, weight: Array) -> Array:
    return np.where(weight > 0.5, y, x)


def sum(x: Array, *, axis: int, keepdims: bool = False) -> Array:
    return np.sum(x, axis=axis, keepdims=keepdims)


def max(x: Array, *, axis: int, keepdims: bool = False) -> Array:
    return np.max(x, axis=axis, keepdims=keepdims)


def sort(x: Array) -> Array:
    return np.sort(x, axis=0)


def log_softmax(x: Array) -> Array:
    below = x - np.max(x, axis=-1, keepdims=True)
    return below - np.log(np.sum(np.exp(below), axis=-1, keepdims=True))


def concatenate(arrays: Sequence[Array]) -> Array:
    return np.concatenate(tuple(arrays))


def stack(arrays: Sequence[Array], *, axis: int = 0) -> Array:
    shape = np.shape(arrays[0])
    axis %= len(shape) + 1
    found: Array = np.empty((*shape[:axis], len(arrays), *shape[axis:]))
    before: Any = (slice(None),) * axis
    for i, array in enumerate(arrays):  # NumPy's own takes twice as long
        found[(*before, i)] = array
    return found


def addcmul(x: Array, y: Array, z: Array, scale: float = 1.0) -> Array:
    product = y * z
    if scale == 1.0:
        return x + product
    return x - product if scale == -1.0 else x + scale * product


def bivariate(coefficients: tuple[tuple[float, ...], ...], x: Array, y: Array) -> Array:
    table, flat = _table(coefficients), np.ravel(x)
    powers = np.empty((table.shape[1], flat.size))
    powers[0] = 1.0
    for k in range(1, len(powers)):
        np.multiply(powers[k - 1], np.ravel(y), out=powers[k])
    rows = table @ powers
    found = rows[-1]
    for row in rows[-2::-1]:
        found *= flat
        found += row
    return found.reshape(np.shape(x))


def stop_gradient(x: Array) -> Array:
    return x


def frexp(x: Array) -> tuple[Array, Array]:
    mantissa, exponent = np.frexp(x)
    return mantissa, exponent.astype(np.float64)


def finfo(like: Array) -> torch.finfo:
    return _LIMITS


@functools.lru_cache(maxsize=256)
def _table(values: tuple) -> Array:
    return np.array(values, dtype=np.float64)


def constant(values: Sequence[float], *, like: Array) -> Array:
    return _table(tuple(values))


def converge(
    step: Callable[..., tuple], init: tuple, done: Callable[[tuple], Array], max_steps: int, *constants: Array
) -> tuple:
    state = init
    for i in range(max_steps):
        finished = done(state)
        if finished.all():
            break
        if constants:
            rows = np.flatnonzero(~finished)
            if 2 * len(rows) < finished.size:  # copies cost less than steps
                return _with_the_others(step, state, done, max_steps - i, rows, constants)
        state = step(state, *constants)
    return state


def _with_the_others(
    step: Callable, state: tuple, done: Callable, max_steps: int, rows: Array, constants: tuple[Array, ...]
) -> tuple:
    """`state`, whose `rows` alone, of the flattened elements, go on."""
    taken, fixed = (tuple(np.ravel(a)[rows] for a in arrays) for arrays in (state, constants))
    found = converge(step, taken, done, max_steps, *fixed)
    whole = tuple(np.array(a) for a in state)
    for a, b in zip(whole, found, strict=True):
        a.reshape(-1)[rows] = b
    return whole


def integrate(
    integrand: Callable[[Array], Array], nodes: Sequence[float], *weights: Sequence[float], like: Array
) -> tuple[Array, ...]:
    shape = np.shape(like)
    x, w = _table(tuple(nodes)).reshape((-1,) + (1,) * len(shape)), _table(weights)
    size = GROUP // (math.prod(shape) or 1) or 1
    groups = range(0, len(nodes), size)
    total = functools.reduce(np.add, (w[:, i : i + size] @ _rows(integrand(x[i : i + size])) for i in groups))
    return tuple(total.reshape(len(weights), *shape))


def _rows(x: Array) -> Array:
    return x if x.ndim == 2 else x.reshape(len(x), -1)
