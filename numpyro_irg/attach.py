"""`attach`: hang known partial derivatives on a drawn sample.  The only autodiff machinery of the package."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jax.custom_derivatives import SymbolicZero

from irg_kernels.families import beta
from irg_kernels.generic.family import Function
from irg_kernels.namespace import Namespace, reads_last_axis

from . import xp
from .layout import flat
from .lean import Lean, bare, leant

NATIVE: Namespace[Array] = xp  # the module is a namespace: a static check


def attach(partials: Sequence[Callable | None], draw: Array, *params: Array) -> Array:
    """`draw`, with d draw / d params[i] = partials[i](xp, draw, *params).

    :param partials: one kernel per parameter, None for a parameter without derivative; each returns an array of the
        draw's shape that acts elementwise.  (What it reads may be more than the one element: all along the last axis.)
    :param draw: the sample; its own history, if any, is cut.
    :param params: the parameters, of the draw's shape.

    The partials are differentiable expressions, evaluated only for the parameters whose derivative is asked for;
    derivatives of any order, in forward and reverse mode, `vmap`, `jit` and `scan` work.
    """
    return _attach(tuple(partials), lax.stop_gradient(draw), *params)


def call(function: Function, *args: Array) -> Array:
    """The function's value at `args`, of one shape and dtype, with its partial derivatives."""
    value = evaluate(function.value, *map(lax.stop_gradient, args))
    return attach(function.partials, value, *args)


def attach_jointly(push: Callable, draw: Array, params: Any) -> Array:
    """`attach` for a draw each element of which depends on many elements of the parameters, a pytree.

    :param push: push(tangents, draw, params), the tangent of the draw, a differentiable expression.
    """
    return _attach_jointly(push, lax.stop_gradient(draw), params)


def evaluate(kernel: Callable, *args: Any) -> Array:
    """kernel(NATIVE, *args), in float32 arithmetic for lesser precisions."""
    if any(type(a) is Lean for a in args):  # inside another kernel
        return Lean(evaluate(kernel, *map(bare, args)))  # type: ignore[return-value]
    dtype = args[0].dtype
    if jnp.finfo(dtype).bits < 32:
        args = tuple(a.astype(jnp.float32) for a in args)
    run = compiled(kernel)
    found = run(*args) if reads_last_axis(kernel) else flat(run, *args)
    return found.astype(dtype)


def compiled(kernel: Callable) -> Callable:
    """kernel(NATIVE, ...) under `jit`: outside of a user's `jit` one call in place of hundreds of operations, of which
    every loop would be compiled anew at each; inside, it is traced once for all the places of one shape."""
    found = _compiled.get(kernel)
    if found is None:
        # it must not keep alive what it is found by
        name, of = getattr(kernel, "__name__", type(kernel).__name__), weakref.ref(kernel)

        def run(*args):
            function = of()
            assert function is not None
            return leant(partial(function, NATIVE), *args)

        run.__name__ = run.__qualname__ = name
        found = _compiled[kernel] = jax.jit(run)
    return found


_compiled: weakref.WeakKeyDictionary[Callable, Callable] = weakref.WeakKeyDictionary()


def once(function: Callable) -> Callable:
    """A module's function of arrays and distributions under `jit`, compiled once for all arguments of one structure."""
    run = jax.jit(function)

    @wraps(function)
    def wrapper(*args):
        try:
            hash(jax.tree.structure(args))
        except TypeError:  # a user's distribution may have parts that no cache can know again
            return function(*args)
        return run(*args)

    return wrapper


def side_by_side(function: Callable) -> Callable:
    """function(constants, array), values only, of an array that may have more axes before its own: which is how it is
    mapped over the array, since a loop that JAX maps chooses for each row anew at every step."""
    run = custom_vmap(function)

    @run.def_vmap
    def _(size: int, is_mapped: Any, constants: Any, array: Array) -> Any:
        if any(jax.tree.leaves(is_mapped[0])):
            axes = jax.tree.map(lambda mapped: 0 if mapped else None, is_mapped)
            found = jax.vmap(function, axes, axis_size=size)(constants, array)
        else:
            found = run(constants, array)
        return found, jax.tree.map(lambda _: True, found)

    return run


_TOGETHER: dict[Any, Callable] = {(beta.dlogit_da, beta.dlogit_db): beta.dlogit_by_shapes}
"""One kernel in place of several, which XLA would compile one by one: the partials along a new first axis."""


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _attach(partials: tuple[Callable | None, ...], draw: Array, *params: Array) -> Array:
    return draw


def _attach_jvp(partials, primals, tangents):
    # the rule attaches again, so that the draw inside the partials moves under a further derivative
    draw = _attach(partials, *primals)
    total, together = jnp.zeros_like(draw), _TOGETHER.get(partials)
    if together and not any(isinstance(tangent, SymbolicZero) for tangent in tangents[1:]):
        slopes = evaluate(together, draw, *primals[1:])
        return draw, sum((slope * t for slope, t in zip(slopes, tangents[1:], strict=True)), total)
    for kernel, tangent in zip(partials, tangents[1:], strict=True):
        if kernel and not isinstance(tangent, SymbolicZero):
            total = total + evaluate(kernel, draw, *primals[1:]) * tangent
    return draw, total


_attach.defjvp(_attach_jvp, symbolic_zeros=True)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _attach_jointly(push: Callable, draw: Array, params: Any) -> Array:
    return draw


@_attach_jointly.defjvp
def _attach_jointly_jvp(push, primals, tangents):
    draw = _attach_jointly(push, *primals)
    return draw, push(tangents[1], draw, primals[1])
