"""How a draw of a mixture of normal distributions with diagonal covariances moves: the rule of `attach_jointly`."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import normal
from irg_kernels.generic import mixture, normal_mixture

from ..attach import NATIVE, in_transform

# Components x dimensions x draws of one pass: some 20 arrays of as many elements, 200 KB each, stay near a core.
CHUNK = 25_000


def push(tangents: Any, x: Tensor, locs: Tensor, scales: Tensor, logits: Tensor) -> Tensor:
    """The tangent of x, (..., D), from those of `locs` and `scales`, (..., K, D), and of `logits`, (..., K)."""
    of, y, scales = _shares(x, locs, scales, logits)
    dloc, dscale = (torch.zeros_like(y) if t is None else t.mT for t in tangents[:2])
    dlogits = torch.zeros_like(logits) if tangents[2] is None else tangents[2]
    densities = (dloc * y + dscale * (y * y - 1.0)) / scales
    moved = mixture.pushforward(NATIVE, dlogits, densities, dloc + dscale * y, of, -y / scales)
    return torch.stack(moved, -1)


def pull(cotangent: Tensor, x: Tensor, locs: Tensor, scales: Tensor, logits: Tensor) -> tuple[Tensor, ...]:
    """The transpose of `push`: the cotangents of `locs`, `scales` and `logits`."""
    params = locs, scales, logits
    if torch.is_grad_enabled() or in_transform() or torch.jit.is_tracing() or x.numel() == 0:
        return tuple(g.sum_to_size(p.shape) for g, p in zip(_pull(cotangent, x, *params), params, strict=True))
    batch, total = x.shape[:-1], x.numel() // x.shape[-1]
    flat = [t.reshape(total, -1) for t in (cotangent, x)]
    # of what all draws share one copy serves, and its cotangent is their sum
    shared = [p.numel() == math.prod(p.shape[p.dim() - axes :]) for p, axes in zip(params, (2, 2, 1), strict=True)]
    rows = [
        p.reshape(1, *p.shape[p.dim() - axes :])
        if one
        else p.expand(batch + p.shape[p.dim() - axes :]).reshape(total, *p.shape[p.dim() - axes :])
        for p, axes, one in zip(params, (2, 2, 1), shared, strict=True)
    ]
    found: list[list[Tensor]] = [[], [], []]
    size = max(1, CHUNK // locs.shape[-1] // locs.shape[-2])
    for start in range(0, total, size):
        part = slice(start, start + size)
        slopes = _of_rows(
            *(t[part] for t in flat), *(r if one else r[part] for r, one in zip(rows, shared, strict=True))
        )
        for kept, slope, one in zip(found, slopes, shared, strict=True):
            kept.append(slope.sum(-1) if one else slope)
    joined = (sum(kept[1:], kept[0])[..., None] if one else torch.cat(kept, -1) for kept, one in zip(found, shared))
    ordered = [j.movedim(-1, 0) if j.dim() == 2 else j.permute(2, 1, 0) for j in joined]
    return tuple(
        o.reshape(p.shape) if one else o.reshape(batch + o.shape[1:]).sum_to_size(p.shape)
        for o, p, one in zip(ordered, params, shared, strict=True)
    )


def _of_rows(cotangent: Tensor, x: Tensor, locs: Tensor, scales: Tensor, logits: Tensor) -> list[Tensor]:
    """Of draws (N, D): cotangents (D, K, N), (D, K, N) and (K, N)."""
    columns = (cotangent.T.contiguous(), x.T.contiguous(), locs.permute(2, 1, 0), scales.permute(2, 1, 0), logits.T)
    slopes, log_p = normal_mixture.pull(NATIVE, *(c.contiguous() for c in columns))
    if torch._is_all_true(log_p > normal_mixture.LEAST_LOG_P):
        return list(slopes)
    count = len(x)
    by_logarithms = _pull(cotangent, x, *(p.expand(count, *p.shape[1:]) for p in (locs, scales, logits)))
    return [g.permute(*range(g.dim() - 1, -1, -1)) for g in by_logarithms]


def _shares(x, locs, scales, logits):
    """(shares, y, scales), of shape (..., D, K); y are the standardised coordinates."""
    scales = scales.mT
    y = (x[..., None] - locs.mT) / scales
    log_f = normal.log_density(NATIVE, y) - scales.log()
    first = logits[..., None, :].expand(*log_f.shape[:-2], 1, log_f.shape[-1])
    log_r = torch.cat([first, log_f[..., :-1, :]], -2).cumsum(-2)
    return mixture.shares(NATIVE, log_r, log_f, NATIVE.log_ndtr(y), NATIVE.log_ndtr(-y)), y, scales


def _pull(cotangent, x, locs, scales, logits):
    of, y, scales = _shares(x, locs, scales, logits)
    weights, densities, draws = mixture.pullback(NATIVE, cotangent, of, -y / scales)
    f, z = torch.stack(densities, -2), torch.stack(draws, -2)
    return (z + f * y / scales).mT, (z * y + f * (y * y - 1.0) / scales).mT, weights
