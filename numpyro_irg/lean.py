"""Arrays whose operations are those of `jax.lax`, for functions that are traced.

Each operator of a JAX array, and most functions of `jax.numpy`, are under `jit` themselves: a trace goes through some
200 lines for each, and keeps inner functions that every later transformation enters anew.  Of a kernel with a thousand
operations that is more time than XLA takes to compile it.  Between arrays of one dtype, of one shape or of none, and
Python scalars, an operation is one of `lax`'s; everything else is left to `jax.numpy`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax


def _operation(own: Callable, general: Callable, *, swapped: bool = False) -> Any:
    def of(self: Lean, other: Any) -> Lean:
        x, y = self.x, _operand(self.x, other)
        if y is None:
            x, y, function = self.x, bare(other), general
        else:
            function = own
        return Lean(function(y, x) if swapped else function(x, y))

    return of


def _operand(x: Array, other: Any) -> Any:
    """`other` as an operand of `lax`, None where it is for `jax.numpy`."""
    kind = type(other)
    if kind is float or kind is int:
        return x.dtype.type(other) if x.dtype.kind == "f" else None
    if kind is not Lean:
        return None
    y = other.x
    return y if y.dtype == x.dtype and (y.shape == x.shape or not y.shape or not x.shape) else None


class Lean:
    """An array; see the module."""

    __slots__ = ("x",)

    def __init__(self, x: Array) -> None:
        self.x = x

    def __jax_array__(self) -> Array:
        return self.x

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape

    @property
    def ndim(self) -> int:
        return self.x.ndim

    @property
    def dtype(self) -> Any:
        return self.x.dtype

    def reshape(self, shape: tuple[int, ...]) -> Lean:
        return Lean(self.x.reshape(shape))

    def __getitem__(self, key: Any) -> Lean:
        return Lean(self.x[key])

    def __iter__(self) -> Iterator[Lean]:
        return map(Lean, self.x)

    def __bool__(self) -> bool:
        return bool(self.x)  # which raises while traced, as that of an array does

    def __neg__(self) -> Lean:
        return Lean(lax.neg(self.x))

    def __invert__(self) -> Lean:
        return Lean(lax.bitwise_not(self.x))

    def __pow__(self, power: Any) -> Lean:
        return Lean(lax.integer_pow(self.x, power) if type(power) is int else jnp.power(self.x, bare(power)))

    __add__ = _operation(lax.add, operator.add)
    __radd__ = _operation(lax.add, operator.add, swapped=True)
    __sub__ = _operation(lax.sub, operator.sub)
    __rsub__ = _operation(lax.sub, operator.sub, swapped=True)
    __mul__ = _operation(lax.mul, operator.mul)
    __rmul__ = _operation(lax.mul, operator.mul, swapped=True)
    __truediv__ = _operation(lax.div, operator.truediv)
    __rtruediv__ = _operation(lax.div, operator.truediv, swapped=True)
    __eq__ = _operation(lax.eq, operator.eq)
    __ne__ = _operation(lax.ne, operator.ne)
    __hash__ = None  # type: ignore[assignment]
    __lt__ = _operation(lax.lt, operator.lt)
    __le__ = _operation(lax.le, operator.le)
    __gt__ = _operation(lax.gt, operator.gt)
    __ge__ = _operation(lax.ge, operator.ge)
    __and__ = _operation(lax.bitwise_and, operator.and_)
    __or__ = _operation(lax.bitwise_or, operator.or_)
    __rand__ = _operation(lax.bitwise_and, operator.and_, swapped=True)
    __ror__ = _operation(lax.bitwise_or, operator.or_, swapped=True)


def bare(x: Any) -> Any:
    return x.x if type(x) is Lean else x


def leant(function: Callable, *args: Any) -> Any:
    """function(*args) of arrays that are lean inside, and bare again in the result, a tree."""
    return jax.tree.map(bare, function(*jax.tree.map(Lean, args)))


def unary(own: Callable) -> Callable:
    def of(x: Any) -> Any:
        return Lean(own(x.x)) if type(x) is Lean else own(x)

    return of


def binary(own: Callable, general: Callable) -> Callable:
    def of(x: Any, y: Any) -> Any:
        if type(x) is Lean:
            other = _operand(x.x, y)
            return Lean(general(x.x, bare(y)) if other is None else own(x.x, other))
        if type(y) is Lean:
            other = _operand(y.x, x)
            return Lean(general(x, y.x) if other is None else own(other, y.x))
        return general(x, y)

    return of


def where(condition: Any, x: Any, y: Any) -> Any:
    if not any(type(a) is Lean for a in (condition, x, y)):
        return jnp.where(condition, x, y)
    chooses, like = bare(condition), x if type(x) is Lean else y
    if type(like) is Lean:
        like = like.x
        cases = [_case(like, a) for a in (y, x)]
        if getattr(chooses, "shape", None) == like.shape and cases[0] is not None and cases[1] is not None:
            return Lean(lax.select_n(chooses, *cases))
    return Lean(jnp.where(chooses, bare(x), bare(y)))


def _case(like: Array, a: Any) -> Any:
    kind = type(a)
    if kind is float or kind is int:
        return lax.full_like(like, a)
    return a.x if kind is Lean and a.x.shape == like.shape and a.x.dtype == like.dtype else None
