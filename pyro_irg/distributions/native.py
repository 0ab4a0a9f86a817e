"""Values of Gamma's tails by torch's own functions where those are right, and by Temme's expansion: in a tenth of the
time of the kernels.

In float64 torch's are right to 1e-14 up to a = 20, and to 2e-9 beyond.  (The upper tail of a tiny a is wrong by 2e-11
where it is near 1, and far out, where it is 0, wholly.)  In float32 they are wrong by 1e-6 to 1e-5: answers are rounded
from float64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.special import gammainc, gammaincc

from irg_kernels.families import gamma
from irg_kernels.generic.family import Function, Quantile, cdf_of, precise_quantile_of
from irg_kernels.namespace import Namespace
from irg_kernels.numerics import gamma_small, gamma_uniform

from ..attach import FLOAT64, NATIVE, by_chunks, evaluate, in_transform, seen

__all__ = ["GAMMAINC", "GAMMAINCC", "faster", "precise_quantile", "with_native"]

_LEAST_UPPER, _MOST = gamma_small.MOST_A, gamma_uniform.MIDDLE.least_a
"""of a, for torch's upper tail where that is near 1, and for both"""


class _Way(NamedTuple):
    """A function of (a, z) in float64, perhaps with axes before theirs, and where it is right."""

    where: Callable
    """of (xp, a, z)"""
    find: Callable
    safe: float
    """of a and z, a place for elements elsewhere"""
    least: float
    """of the result, above which it is right"""


class _Ways(NamedTuple):
    """In the order in which they are tried, for answers in each precision."""

    double: tuple[_Way, ...]
    single: tuple[_Way, ...]


def _ways(native: Callable, uniform: Callable, least_a: float, least: float) -> _Ways:
    def is_native(xp: Namespace[Any], a: Any, z: Any) -> Any:
        return (a > least_a) & (a <= _MOST) & (z > torch.finfo(torch.float64).tiny) & (z < torch.inf)

    def by_table(table: gamma_uniform.Table) -> _Way:
        find = functools.partial(evaluate, functools.partial(uniform, table))
        # below, the exponential has too few digits
        return _Way(functools.partial(gamma_uniform.serves, table), find, 1.5 * table.least_a, 1e-50)

    by_torch, large = _Way(is_native, native, 1.0, least), by_table(gamma_uniform.LARGE)
    middle, short = by_table(gamma_uniform.MIDDLE), by_table(gamma_uniform.SHORT)
    return _Ways((by_torch, large, middle), (short, by_torch, large, middle))


_SMALL = _Way(gamma_small.serves, functools.partial(evaluate, gamma_small.upper), 0.1, 0.0)
GAMMAINC = _ways(gammainc, gamma_uniform.lower, 0.0, 0.0)
GAMMAINCC = _Ways(*((_SMALL, *ways) for ways in _ways(gammaincc, gamma_uniform.upper, 0.0, 1e-12)))
_BOTH = _ways(lambda a, z: torch.stack((gammainc(a, z), gammaincc(a, z))), gamma_uniform.both, _LEAST_UPPER, 0.0)


def _by_ways(ways: Sequence[_Way], ours: Callable, *args: Tensor) -> Tensor:
    """Of each element by the first way that is right there, or ours(*args, ...) where none is.

    :param args: a and z, and others that `ours` alone takes.
    """
    if not ways:
        return ours(*args)
    (where, find, safe, least), further = ways[0], functools.partial(_by_ways, ways[1:], ours)
    if in_transform() or torch.jit.is_tracing():
        inside = where(NATIVE, *args[:2])
        found = find(*(torch.where(inside, x, safe) for x in args[:2]))
        return torch.where(inside & _is_right(found, least, inside), found, further(*args))
    inside = seen(where, *args[:2])
    count = int(inside.count_nonzero())
    if not count:
        return further(*args)
    if count == inside.numel():
        found = find(*args[:2])
        return _mended(found, _is_right(found, least, inside), further, *args)
    flat, mask = [a.reshape(-1) for a in args], inside.reshape(-1)
    rows, others = mask.nonzero()[:, 0], (~mask).nonzero()[:, 0]
    near = [a.index_select(0, rows) for a in flat]
    found = find(*near[:2])
    found = _mended(found, _is_right(found, least, rows), further, *near)
    far = further(*(a.index_select(0, others) for a in flat))
    whole = found.new_empty(*found.shape[:-1], mask.numel())
    whole.index_copy_(-1, rows, found).index_copy_(-1, others, far)
    return whole.view(*found.shape[:-1], *inside.shape)


def _is_right(found: Tensor, least: float, like: Tensor) -> Tensor:
    """Of each element, along what axes `found` may have before those of `like`."""
    right = found > least
    return right if right.dim() == like.dim() else right.all(0)


def with_native(function: Function, ways: _Ways) -> Function:
    """`function` of (a, x), its value by the ways where they are right."""

    def value(xp: Namespace[Tensor], a: Tensor, x: Tensor) -> Tensor:
        if a.dtype != torch.float64:
            return function.value(xp, a, x)
        taken = ways.single if xp.has_guard_digits else ways.double
        return _by_ways(taken, functools.partial(_value, function.value, xp), a, x)

    return Function(value, function.partials)


def _value(kernel: Callable, xp: Namespace[Tensor], *args: Tensor) -> Tensor:
    return kernel(xp, *args) if xp.has_guard_digits else evaluate(kernel, *args)


def faster(function: Function) -> Function:
    """The same, where a faster one is known."""
    return _FASTER.get(function, function)


def _mended(native: Tensor, good: Tensor, ours: Callable, *args: Tensor) -> Tensor:
    """`native` where that is `good`, ours(*args) elsewhere; either may have axes before those of `good`."""
    if in_transform() or torch.jit.is_tracing():
        return torch.where(good, native, ours(*args))
    if torch._is_all_true(good):
        return native
    rows = (~good).reshape(-1).nonzero()[:, 0]
    others = ours(*(a.reshape(-1)[rows] for a in args))
    return native.reshape(*others.shape[:-1], -1).index_copy(-1, rows, others).view(native.shape)


def _both(a: Tensor, z: Tensor) -> Tensor:
    return torch.stack(gamma.tails(NATIVE, z, a, torch.ones_like(a)))


def _cdf(xp: Namespace[Tensor], x: Tensor, a: Tensor, rate: Tensor) -> Tensor:
    if x.dtype != torch.float64:
        return _CDF.value(xp, x, a, rate)

    def ours(a: Tensor, z: Tensor, x: Tensor, rate: Tensor) -> Tensor:
        return _value(_CDF.value, xp, x, a, rate)

    taken = GAMMAINC.single if xp.has_guard_digits else GAMMAINC.double
    return _by_ways(taken, ours, a, x * rate, x, rate)


_CDF, _QUANTILE = cdf_of(gamma.FAMILY), cast(Quantile, gamma.FAMILY.quantile)
_FASTER = {_CDF: Function(_cdf, _CDF.partials)}


def precise_quantile(of: Quantile, *args: Tensor) -> tuple[Tensor, Tensor]:
    """(y, x) of a quantile whose coordinate y is a logarithm, at (q, 1 - q, *params)."""
    dtype = args[0].dtype
    if of is not _QUANTILE or args[0].device.type == "mps":
        return evaluate(precise_quantile_of(of), *args).unbind()  # type: ignore[return-value]
    xp = NATIVE if dtype == torch.float64 else FLOAT64

    def values(*args: Tensor) -> Tensor:
        return _gamma_quantile(xp, *(a.double() for a in args)).to(dtype)

    return by_chunks(values, args).unbind()  # type: ignore[return-value]


def _gamma_quantile(xp: Namespace[Tensor], q: Tensor, one_minus_q: Tensor, a: Tensor, rate: Tensor) -> Tensor:
    good = (a >= _LEAST_UPPER) & (a < 1e12) & (torch.minimum(q, one_minus_q) > 1e-11)
    lower, upper, shape = (torch.where(good, x, rest) for x, rest in ((q, 0.5), (one_minus_q, 0.5), (a, 1.0)))
    y = gamma.log_quantile(xp, lower, upper, shape, _log_tails) - rate.log()
    ours = functools.partial(precise_quantile_of(_QUANTILE), xp)
    return _mended(torch.stack((y, y.exp())), good, ours, q, one_minus_q, a, rate)


def _log_tails(xp: Namespace[Tensor], at: gamma.Point, a: Tensor) -> tuple[Tensor, ...]:
    """And the logarithm of what scales a step, of which fewer digits will do."""
    front = a * at.log_z - at.z - (a + 1.0).lgamma()
    lower, upper = _by_ways(_BOTH.double, _both, a, at.z)
    return lower.log(), upper.log(), front
