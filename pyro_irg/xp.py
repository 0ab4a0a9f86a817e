"""The torch `Namespace` of `irg_kernels`."""

from __future__ import annotations

import builtins
import functools
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.special import digamma, erf, erfc, i0e, i1e, ndtri

from irg_kernels.namespace import Namespace
from irg_kernels.numerics import normal_tail

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

exp, expm1, log, log1p, sqrt = torch.exp, torch.expm1, torch.log, torch.log1p, torch.sqrt
sin, cos, arcsin, arctan2, sigmoid = torch.sin, torch.cos, torch.arcsin, torch.arctan2, torch.sigmoid
abs, round, copysign, lgamma, matmul = torch.abs, torch.round, torch.copysign, torch.lgamma, torch.matmul
where: Callable[[Tensor, Tensor | float, Tensor | float], Tensor] = torch.where  # type: ignore[assignment]

has_guard_digits = False

# One group of nodes holds at most this many elements, 400 KB in float64: more temporaries leave a core's cache, fewer
# cost more calls.
GROUP = 50_000


def arcsinh(x: Tensor) -> Tensor:
    # beyond 1e8, where it is log(2 |x|), the native derivative squares x, which overflows
    far = torch.abs(x) > 1e8
    large, near = torch.where(far, x, 1.0), torch.where(far, 0.0, x)
    return torch.where(far, torch.copysign(torch.log(torch.abs(large)) + math.log(2.0), large), torch.asinh(near))


class _LogNdtr(torch.autograd.Function):
    """The native value; the native derivative loses x**2 / 2 units in the last place, and the second all digits."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.special.log_ndtr(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * normal_tail.dlog_ndtr_dx(_SELF, x)


def log_ndtr(x: Tensor) -> Tensor:
    # torch has no batching rule for its own, and a jvp rule of a Function is wrong when nested
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return normal_tail.log_ndtr(_SELF, x)
    return _LogNdtr.apply(x) if x.requires_grad and torch.is_grad_enabled() else torch.special.log_ndtr(x)


def minimum(x: Any, y: Any) -> Tensor:
    if not isinstance(y, Tensor):
        return x.clamp(max=y)
    return torch.minimum(x, y) if isinstance(x, Tensor) else y.clamp(max=x)


def maximum(x: Any, y: Any) -> Tensor:
    if not isinstance(y, Tensor):
        return x.clamp(min=y)
    return torch.maximum(x, y) if isinstance(x, Tensor) else y.clamp(min=x)


def clip(x: Tensor, low: float, high: float) -> Tensor:
    return x.clamp(low, high)


def indicator(condition: Tensor, *, like: Tensor) -> Tensor:
    return condition.to(like.dtype)


def blend(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    return torch.lerp(x, y, weight)


def softplus(x: Tensor) -> Tensor:
    return torch.logaddexp(x, torch.zeros_like(x))


def sum(x: Tensor, *, axis: int, keepdims: bool = False) -> Tensor:
    return torch.sum(x, dim=axis, keepdim=keepdims)


def stack(arrays: Sequence[Tensor], *, axis: int = 0) -> Tensor:
    return torch.stack(tuple(arrays), dim=axis)


def concatenate(arrays: Sequence[Tensor]) -> Tensor:
    return torch.cat(tuple(arrays))


def max(x: Tensor, *, axis: int, keepdims: bool = False) -> Tensor:
    return torch.amax(x, dim=axis, keepdim=keepdims)


def sort(x: Tensor) -> Tensor:
    return torch.sort(x, dim=0).values


def log_softmax(x: Tensor) -> Tensor:
    return torch.log_softmax(x, -1)


def addcmul(x: Tensor, y: Tensor, z: Tensor, scale: float = 1.0) -> Tensor:
    return torch.addcmul(x, y, z, value=scale)


def bivariate(coefficients: tuple[tuple[float, ...], ...], x: Tensor, y: Tensor) -> Tensor:
    table = _matrix(coefficients, y.dtype, y.device)
    flat, powers = x.reshape(-1), y.reshape(-1).expand(table.shape[1] - 1, y.numel()).cumprod(0)
    rows = torch.addmm(table[:, :1], table[:, 1:], powers)
    found, *others = rows.unbind()[::-1]
    for row in others:
        found = torch.addcmul(row, found, flat)
    return found.view(x.shape)


def stop_gradient(x: Tensor) -> Tensor:
    return x.detach()


def frexp(x: Tensor) -> tuple[Tensor, Tensor]:
    mantissa, exponent = torch.frexp(x.detach())
    return mantissa, exponent.to(x.dtype)


def finfo(like: Tensor) -> torch.finfo:
    return torch.finfo(like.dtype)


def _kept(function: Callable) -> Callable:
    """With the results of earlier calls; not of calls under a transformation, whose tensors die with it."""
    kept = functools.lru_cache(maxsize=256)(function)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return (function if torch._C._are_functorch_transforms_active() else kept)(*args)

    return call


@_kept
def _table(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


@_kept
def _matrix(values: tuple[tuple[float, ...], ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


def constant(values: Sequence[float], *, like: Tensor) -> Tensor:
    return _table(tuple(values), like.dtype, like.device)


def converge(
    step: Callable[..., tuple], init: tuple, done: Callable[[tuple], Tensor], max_steps: int, *constants: Tensor
) -> tuple:
    # a value under a transformation has no truth, and a trace would keep today's count
    looks = not (torch._C._are_functorch_transforms_active() or torch.jit.is_tracing())
    state = init
    for i in range(max_steps):
        if looks:
            finished = done(state)
            if torch._is_all_true(finished):
                break
            if constants:
                rows = (~finished).reshape(-1).nonzero()[:, 0]
                if 2 * len(rows) < finished.numel():  # copies cost less than steps
                    return _with_the_others(step, state, done, max_steps - i, rows, constants)
        state = step(state, *constants)
    return state


def _with_the_others(
    step: Callable, state: tuple, done: Callable, max_steps: int, rows: Tensor, constants: tuple[Tensor, ...]
) -> tuple:
    """`state`, whose `rows` alone, of the flattened elements, go on."""
    taken, fixed = (tuple(a.reshape(-1)[rows] for a in arrays) for arrays in (state, constants))
    found = converge(step, taken, done, max_steps, *fixed)
    pairs = zip(state, found, strict=True)
    return tuple(a.reshape(-1).index_copy(0, rows, b).view(a.shape) for a, b in pairs)


def integrate(
    integrand: Callable[[Tensor], Tensor], nodes: Sequence[float], *weights: Sequence[float], like: Tensor
) -> tuple[Tensor, ...]:
    x, w = _rule((tuple(nodes), weights), like.dtype, like.device)
    x = x.view((-1,) + (1,) * like.dim())
    size = builtins.max(1, GROUP // builtins.max(1, like.numel()))
    if size >= len(nodes):
        total = w @ _rows(integrand(x))
    else:
        total = _by_groups(integrand, x, w, size)
    return (total if like.dim() == 1 else total.view(len(weights), *like.shape)).unbind()


def _by_groups(integrand: Callable[[Tensor], Tensor], x: Tensor, w: Tensor, size: int) -> Tensor:
    parts = (w[:, i : i + size] @ _rows(integrand(x[i : i + size])) for i in range(0, len(x), size))
    return functools.reduce(torch.add, parts)


@_kept
def _rule(rule: tuple, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    nodes, weights = rule
    return torch.tensor(nodes, dtype=dtype, device=device), torch.tensor(weights, dtype=dtype, device=device)


def _rows(x: Tensor) -> Tensor:
    return x if x.dim() == 2 else x.reshape(x.shape[0], x[0].numel())


_SELF: Namespace[Tensor] = sys.modules[__name__]
