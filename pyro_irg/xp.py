"""The torch `Namespace` of `irg_kernels`."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.special import digamma, i0e, i1e

__all__ = [
    "abs", "arcsin", "constant", "cos", "digamma", "exp", "expm1", "finfo", "i0e", "i1e", "indicator", "integrate",
    "log", "log1p", "max", "maximum", "minimum", "sigmoid", "sin", "softplus", "spare_precision", "sqrt",
    "stop_gradient", "sum", "where",
]  # fmt: skip

exp, expm1, log, log1p, sqrt = torch.exp, torch.expm1, torch.log, torch.log1p, torch.sqrt
sin, cos, arcsin, abs, sigmoid, where = torch.sin, torch.cos, torch.arcsin, torch.abs, torch.sigmoid, torch.where

spare_precision = False

# One group of nodes holds at most this many elements (256 KiB in float32), so that its temporaries stay in cache.
GROUP = 65536


def minimum(x, y) -> Tensor:
    if not isinstance(y, Tensor):
        return x.clamp(max=y)
    return torch.minimum(x, y) if isinstance(x, Tensor) else y.clamp(max=x)


def maximum(x, y) -> Tensor:
    if not isinstance(y, Tensor):
        return x.clamp(min=y)
    return torch.maximum(x, y) if isinstance(x, Tensor) else y.clamp(min=x)


def indicator(condition: Tensor, *, like: Tensor) -> Tensor:
    return condition.to(like.dtype)


def softplus(x: Tensor) -> Tensor:
    return torch.logaddexp(x, torch.zeros_like(x))


def sum(x: Tensor, *, axis: int, keepdims: bool = False) -> Tensor:
    return torch.sum(x, dim=axis, keepdim=keepdims)


def max(x: Tensor, *, axis: int, keepdims: bool = False) -> Tensor:
    return torch.amax(x, dim=axis, keepdim=keepdims)


def stop_gradient(x: Tensor) -> Tensor:
    return x.detach()


def finfo(like: Tensor):
    return torch.finfo(like.dtype)


@lru_cache(maxsize=256)
def _table(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


def constant(values: Sequence[float], *, like: Tensor) -> Tensor:
    return _table(tuple(values), like.dtype, like.device)


def integrate(
    integrand: Callable[[Tensor], Tensor], nodes: Sequence[float], weights: Sequence[float], *, like: Tensor
) -> Tensor:
    x, w = constant(nodes, like=like), constant(weights, like=like)
    size = builtins.max(1, min(len(nodes), GROUP // builtins.max(1, like.numel())))
    shape = (-1,) + (1,) * like.dim()
    total = None
    for start in range(0, len(nodes), size):
        values = integrand(x[start : start + size].view(shape))
        part = torch.tensordot(w[start : start + size], values, dims=1)
        total = part if total is None else total + part
    return total
