"""Values of kernels by NumPy: what nobody differentiates, on a CPU, where that is faster than eager torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor
from torch.autograd import forward_ad
from torch.distributions import constraints

from irg_kernels.generic.by_region import ByRegion
from irg_kernels.namespace import Namespace

from . import xp_numpy, xp_numpy64, xp_numpy_tame

# the modules are namespaces: a static check
NATIVE: Namespace[Any] = xp_numpy
FLOAT64: Namespace[Any] = xp_numpy64
TAME: Namespace[Any] = xp_numpy_tame

FEW = 2_000
"""elements up to which torch pays more for the operations than for the elements, and has nothing for its threads"""
# beyond, NumPy's exponentials and logarithms are twice as fast as torch's if they use AVX-512, and else slower
IS_WIDE = torch.backends.cpu.get_cpu_capability() == "AVX512"

_WIDTHS = {torch.float32, torch.float64}


def serves(kernels: Sequence[Callable | None], args: Sequence[Tensor]) -> bool:
    """Whether `kernels` of `args`, without derivatives, are to be had from NumPy, and faster so."""
    if torch.jit.is_tracing() or torch.compiler.is_compiling():  # in a trace the number of elements is a tensor
        return False
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return False
    like = args[0]
    if like.dtype not in _WIDTHS or like.device.type != "cpu" or not (like.numel() <= FEW or _is_wide()):
        return False
    # cotangents side by side (is_grads_batched) are no transformation of torch.func
    if not all(type(a) is Tensor and not (a.is_neg() or is_legacy_batchedtensor(a)) for a in args):
        return False
    if torch.is_grad_enabled() and any(a.requires_grad for a in args):
        return False
    return all(kernel is None or _is_pure(kernel) for kernel in kernels)


def _is_wide() -> bool:
    return IS_WIDE and torch.get_num_threads() <= 2


def _is_pure(kernel: Callable) -> bool:
    """Of another one torch may be the only library."""
    return getattr(kernel, "func", kernel).__module__.startswith("irg_kernels.")


def library(like: Tensor) -> tuple[Any, Callable[[Tensor], Any], Callable[[Any], Tensor]]:
    """(numpy or torch, whichever is the faster for such a tensor, the way in, the way out); dtypes stay."""
    if serves((), (like,)) and like.numel() <= FEW:
        return np, Tensor.numpy, lambda array: torch.from_numpy(np.asarray(array))
    return torch, Tensor.detach, Tensor.detach


@np.errstate(all="ignore")
def all_pass(params: Iterable[Tensor], kinds: Iterable[constraints.Constraint]) -> bool:
    """Whether all numbers are seen to be finite, and positive where they must be; False where they cannot be seen."""
    for param, kind in zip(params, kinds, strict=True):
        param = param.detach()
        if kind not in (constraints.real, constraints.positive) or not serves((), (param,)):
            return False
        values = param.numpy()
        if kind is constraints.real:
            if not math.isfinite(np.add.reduce(values, axis=None)):
                return False
        elif (
            values.size
            and not 0.0 < np.minimum.reduce(values, axis=None) <= np.maximum.reduce(values, axis=None) < math.inf
        ):
            return False
    return True


def value(kernel: Callable, *args: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """kernel(xp, *args), of the arguments' dtype unless another is asked for."""
    given = args[0].dtype
    with np.errstate(all="ignore"):
        return _tensor(kernel(NATIVE if given == torch.float64 else FLOAT64, *_arrays(args)), dtype or given)


def several(kernel: Callable, p: Any, q: Any, *groups: tuple[Tensor, ...]) -> Any:
    """kernel(xp, p, q, *groups of arrays), a named tuple of arrays; their dtypes stay."""
    with np.errstate(all="ignore"):
        found = kernel(NATIVE, p, q, *(tuple(v.numpy() for v in group) for group in groups))
        return type(found)(*(torch.from_numpy(np.asarray(array)) for array in found))


def products(
    partials: Sequence[Callable | None], by_region: ByRegion | None, wanted: Sequence[bool], *args: Tensor
) -> list[Tensor]:
    """The first of `args` times each partial that is wanted, at the others."""
    dtype = args[0].dtype
    narrow = dtype != torch.float64
    with np.errstate(all="ignore"):
        factor, *at = _arrays(args)
        if by_region is None:
            xp = FLOAT64 if narrow else NATIVE
            found = [partial(xp, *at) for partial in itertools.compress(partials, wanted) if partial]
        else:
            spaces, regions = (
                ((FLOAT64, FLOAT64), by_region.regions) if narrow else ((TAME, NATIVE), by_region.regions_f64)
            )
            slopes = _slopes(spaces, regions, by_region.place(spaces[0], *at), by_region.share if narrow else 0.0)
            found = list(itertools.compress(by_region.partials(spaces[1], slopes, *at), wanted))
        return [_tensor(factor * partial, dtype) for partial in found]


def _slopes(spaces: tuple, regions: Sequence[tuple], place: Sequence[Any], share: float) -> Sequence[Any]:
    """By the first of two namespaces in a region, by the second everywhere else."""
    (where, slopes), *others = regions
    if where is None:
        return slopes(spaces[1], *place)
    inside = np.ravel(where(spaces[0], *place))
    count = np.count_nonzero(inside)
    if count == inside.size:
        return slopes(spaces[0], *place)
    if count <= share * inside.size:
        return _slopes(spaces, others, place, share)
    outside, flat = ~inside, [np.ravel(p) for p in place]
    near = slopes(spaces[0], *(p[inside] for p in flat))
    far = _slopes(spaces, others, [p[outside] for p in flat], share)
    whole = [np.empty(np.shape(place[0])) for _ in near]
    for all_of, here, there in zip(whole, near, far, strict=True):
        all_of.reshape(-1)[inside], all_of.reshape(-1)[outside] = here, there
    return whole


def _arrays(args: Sequence[Tensor]) -> list[Any]:
    return [a.detach().numpy().astype(np.float64, copy=False) for a in args]


def _tensor(array: Any, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(np.asarray(array)).to(dtype)
