"""Values of Gamma's tails by torch's own functions where those are right, and by Temme's expansion: in a tenth of the
time of the kernels.

In float64 torch's are right to 2e-14 up to a = 20, masses below 1e-50 to 2e-13, and to 2e-9 up to a = 1e5.  (The upper
tail of a tiny a is wrong by 3e-16 / a where z < 1.1, and both are where they are 0.)  In float32 they are wrong by 1e-6
to 1e-5: answers are rounded from float64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.special import gammainc, gammaincc

from irg_kernels.families import gamma
from irg_kernels.generic.family import Function, Quantile, cdf_of, precise_quantile_of
from irg_kernels.namespace import Namespace
from irg_kernels.numerics import gamma_small, gamma_uniform

from .. import by_numpy
from ..attach import CHUNK, FLOAT64, NATIVE, by_chunks, evaluate, in_transform

_LEAST_UPPER, _MOST, _MOST_SINGLE = gamma_small.MOST_A, gamma_uniform.MIDDLE.least_a, 3e4
"""of a: for torch's upper tail in a quantile, for both tails, and for both in answers of float32"""
_TINY = torch.finfo(torch.float64).tiny
_LEAST = 1e-300
"""of a mass by torch's functions, which are 0 where the exponential underflows"""


class _Way(NamedTuple):
    """A function of (xp, a, z) in float64, perhaps with axes before theirs, and where it is right."""

    where: Callable
    """of (xp, a, z)"""
    find: Callable
    safe: float
    """of a and z, a place for elements elsewhere"""
    least: float
    """of the result, above which it is right"""


class _Ways(NamedTuple):
    """In the order in which they are tried, for answers in each precision, of many elements and of few.

    Few take the fewest operations; of many each takes the cheapest.
    """

    double: tuple[_Way, ...]
    single: tuple[_Way, ...]
    few_double: tuple[_Way, ...]
    few_single: tuple[_Way, ...]
    native: Callable
    """torch's function"""
    least_a: float
    """above which it is right in float64"""

    def of(self, double: bool, size: int) -> tuple[_Way, ...]:
        if size > by_numpy.FEW:
            return self.double if double else self.single
        return self.few_double if double else self.few_single


def _by_torch(function: Callable, most_a: float, least_a: float = 0.0) -> _Way:
    def where(xp: Namespace[Any], a: Any, z: Any) -> Any:
        return (a > least_a) & (a <= most_a) & (z > _TINY) & (z < torch.inf)

    def find(xp: Namespace[Any], a: Any, z: Any) -> Any:
        if isinstance(a, Tensor):
            return function(a, z)
        return function(torch.from_numpy(a), torch.from_numpy(z)).numpy()

    return _Way(where, find, 1.0, _LEAST)


def _by_table(uniform: Callable, table: gamma_uniform.Table) -> _Way:
    def find(xp: Namespace[Any], a: Any, z: Any) -> Any:
        with np.errstate(all="ignore"):
            return uniform(table, xp, a, z)

    # of less the exponential has too few digits
    return _Way(functools.partial(gamma_uniform.serves, table), find, 1.5 * table.least_a, 1e-50)


def _ways(
    native: Callable, uniform: Callable, small: Callable, *near_0: _Way, double: float = 0.0, single: float = 0.0
) -> _Ways:
    """
    :param small: what serves a <= 1 in answers of float32.
    :param near_0: what serves small a where torch's does not.
    :param double: a above which torch's serves wherever z is, in each precision.
    """
    short, middle, large = (
        _by_table(uniform, table) for table in (gamma_uniform.SHORT, gamma_uniform.MIDDLE, gamma_uniform.LARGE)
    )

    def by_torch(most_a: float, least_a: float) -> tuple[_Way, ...]:
        ways = (_by_torch(native, most_a, least_a), *near_0)
        return (*ways, _by_torch(native, most_a)) if near_0 else ways

    few_single = by_torch(_MOST_SINGLE, single)
    return _Ways(
        (*by_torch(_MOST, double), large, middle),
        (short, _Way(gamma_small.by_table_serves, small, 0.5, 0.0), *by_torch(_MOST, single), large, middle),
        (*by_torch(_MOST, double), middle),
        (*few_single, short, middle),
        native,
        double,
    )


_SMALL = _Way(gamma_small.serves, gamma_small.upper, 0.1, 0.0)
GAMMAINC = _ways(gammainc, gamma_uniform.lower, gamma_small.lower_by_table)
# the error of torch's is 3e-16 / a, measured
GAMMAINCC = _ways(gammaincc, gamma_uniform.upper, gamma_small.upper_by_table, _SMALL, double=0.02, single=1e-5)
_BOTH = _ways(
    lambda a, z: torch.stack((gammainc(a, z), gammaincc(a, z))),
    gamma_uniform.both,
    gamma_small.both_by_table,
    double=_LEAST_UPPER,
    single=1e-5,
)


def _by_ways(ways: Sequence[_Way], ours: Callable, *args: Tensor) -> Tensor:
    """Of each element by the first way that is right there, or ours(*args, ...) where none is.

    :param args: a and z, and others that `ours` alone takes.
    """
    if in_transform() or torch.jit.is_tracing():
        return _masked(ways, ours, *args)
    if by_numpy.serves((), args):
        return _by_arrays(ways, ours, *args)
    found = _parted(torch, ways, ours, *(a.reshape(-1) for a in args))
    return found.view((*found.shape[:-1], *args[0].shape))


def _by_arrays(ways: Sequence[_Way], ours: Callable, *args: Tensor) -> Tensor:
    def ours_of_arrays(*arrays: Any) -> Any:
        return ours(*map(torch.from_numpy, arrays)).numpy()

    arrays = [a.detach().numpy().astype(np.float64, copy=False).reshape(-1) for a in args]
    found = torch.from_numpy(_parted(np, ways, ours_of_arrays, *arrays))
    return found.view((*found.shape[:-1], *args[0].shape))


def _masked(ways: Sequence[_Way], ours: Callable, *args: Tensor) -> Tensor:
    """All ways of all elements."""
    if not ways:
        return ours(*args)
    (where, find, safe, least), *others = ways
    inside = where(NATIVE, *args[:2])
    found = find(NATIVE, *(torch.where(inside, x, safe) for x in args[:2]))
    return torch.where(inside & _is_right(found, least, inside), found, _masked(others, ours, *args))


def _parted(library: Any, ways: Sequence[_Way], ours: Callable, *args: Any) -> Any:
    """Each element by one way, in arrays of one axis of the library, torch or NumPy."""
    if not ways:
        return ours(*args)
    (where, find, _, least), others = ways[0], ways[1:]
    xp = NATIVE if library is torch else by_numpy.NATIVE
    inside = where(xp, *args[:2])
    count = int(library.count_nonzero(inside))
    if not count:
        return _parted(library, others, ours, *args)
    if count < len(inside):
        rows, rest = library.where(inside)[0], library.where(~inside)[0]
        near = _parted(library, ways, ours, *(library.take(a, rows) for a in args))
        far = _parted(library, others, ours, *(library.take(a, rest) for a in args))
        whole = (np.empty if library is np else near.new_empty)((*near.shape[:-1], len(inside)))
        whole[..., rows], whole[..., rest] = near, far
        return whole
    found = find(xp, *args[:2])
    good = _is_right(found, least, inside)
    if not good.all():
        rows = library.where(~good)[0]
        found[..., rows] = _parted(library, others, ours, *(library.take(a, rows) for a in args))
    return found


def _is_right(found: Any, least: float, like: Any) -> Any:
    """Of each element, along what axis `found` may have before those of `like`."""
    right = found > least
    return right if right.ndim == like.ndim else right.all(0)


@functools.cache
def with_native(function: Function, ways: _Ways) -> Function:
    """`function` of (a, x), its value by the ways where they are right."""

    def value(xp: Namespace[Tensor], a: Tensor, x: Tensor) -> Tensor:
        if a.dtype != torch.float64:
            return function.value(xp, a, x)
        taken = ways.of(not xp.has_guard_digits, a.numel())
        return _by_ways(taken, functools.partial(_value, function.value, xp), a, x)

    return Function(value, function.partials)


def seen_value(function: Function, ways: _Ways, *args: Tensor) -> Tensor | None:
    """What `call` makes of `with_native`, in fewer steps, or None where elements are too many or cannot be seen."""
    if args[0].numel() > CHUNK or not by_numpy.serves((), args):
        return None
    dtype = args[0].dtype
    double = dtype == torch.float64
    ours = functools.partial(_value, function.value, NATIVE if double else FLOAT64)
    return _by_arrays(ways.of(double, args[0].numel()), ours, *args).to(dtype)


def whole(ways: _Ways, a: Tensor, x: Tensor) -> Tensor | None:
    """torch's function, with its own derivatives in x, where those are wanted; None unless it is right for all
    elements, which the ends of their range show in no time."""
    args = a.detach(), x.detach()
    if a.dtype != torch.float64 or not a.numel() or not by_numpy.serves((), args):
        return None
    a_ends, x_ends = (
        (np.minimum.reduce(array, axis=None), np.maximum.reduce(array, axis=None)) for array in map(Tensor.numpy, args)
    )
    if not (ways.least_a < a_ends[0] and a_ends[1] <= _MOST and x_ends[0] > _TINY and x_ends[1] < torch.inf):
        return None
    found = ways.native(a, x)
    return found if np.minimum.reduce(found.detach().numpy(), axis=None) > _LEAST else None


def _value(kernel: Callable, xp: Namespace[Tensor], *args: Tensor) -> Tensor:
    return kernel(xp, *args) if xp.has_guard_digits else evaluate(kernel, *args)


def faster(function: Function) -> Function:
    """The same, where a faster one is known."""
    return _FASTER.get(function, function)


def _mended(found: Tensor, good: Tensor, ours: Callable, *args: Tensor) -> Tensor:
    """`found` where it is `good`, ours(*args) elsewhere; either may have axes before those of `good`."""
    if in_transform() or torch.jit.is_tracing():
        return torch.where(good, found, ours(*args))
    if torch._is_all_true(good):
        return found
    rows = (~good).reshape(-1).nonzero()[:, 0]
    others = ours(*(a.reshape(-1)[rows] for a in args))
    return found.reshape(*others.shape[:-1], -1).index_copy(-1, rows, others).view(found.shape)


def _both(a: Tensor, z: Tensor) -> Tensor:
    return torch.stack(gamma.tails(NATIVE, z, a, torch.ones_like(a)))


def _cdf(xp: Namespace[Tensor], x: Tensor, a: Tensor, rate: Tensor) -> Tensor:
    if x.dtype != torch.float64:
        return _CDF.value(xp, x, a, rate)

    def ours(a: Tensor, z: Tensor, x: Tensor, rate: Tensor) -> Tensor:
        return _value(_CDF.value, xp, x, a, rate)

    taken = GAMMAINC.of(not xp.has_guard_digits, a.numel())
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
    lower, upper = _by_ways(_BOTH.of(True, a.numel()), _both, a, at.z)
    return lower.log(), upper.log(), front
