"""How a truncated draw moves with its quantile, bounds and parameters: the rule that `attach_jointly` wants."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from irg_kernels.families import normal
from irg_kernels.generic import truncated_normal, truncation
from irg_kernels.generic.family import Family
from irg_kernels.generic.fixed_quantile import unit_of

from ..attach import FLOAT64, NATIVE, by_chunks, in_transform, pulled, pushed


def normal_quantile(u: Tensor, low: Tensor | None, high: Tensor | None, loc: Tensor, scale: Tensor) -> Tensor | None:
    """The quantile of a truncated normal distribution, by its tails, for an answer in less than float64; None where
    they do not do, or values may not be looked at."""
    if u.dtype == torch.float64 or u.device.type == "mps" or in_transform() or torch.jit.is_tracing():
        return None
    args = (None if a is None else a.double() for a in (u, low, high, loc, scale))
    x, right = truncated_normal.quantile(FLOAT64, torch.special.ndtri, *args)
    return x if torch._is_all_true(right) else None


@functools.cache
def rule_of(family: Family, has_low: bool, has_high: bool, has_q: bool, is_wide: bool) -> tuple[Callable, Callable]:
    """How a draw moves with (q, bounds, parameters): `push` and `pull` of `attach_jointly`; wider than the answer?"""
    kind = family, has_low, has_high, has_q
    slopes, residual = truncation.slopes_of(*kind), truncation.residual_of(*kind)
    by_tails: Any = _by_tails(*kind)

    def push(tangents: Any, x: Tensor, *args: Tensor) -> Any:
        if slopes:
            return sum(m * slope for m, slope in zip(tangents, slopes(NATIVE, x, *args), strict=True) if m is not None)
        return -unit_of(NATIVE, x) * pushed(lambda *a: residual(NATIVE, x, *a), tangents, *args)

    def by_masses(cotangent: Tensor, x: Tensor, *args: Tensor) -> Tensor:
        if slopes:
            return cotangent * torch.stack(slopes(NATIVE, x, *args))
        return torch.stack(pulled(lambda *a: residual(NATIVE, x, *a), -cotangent * unit_of(NATIVE, x), *args))

    def pull(cotangent: Tensor, x: Tensor, *args: Tensor) -> Any:
        looks = is_wide and by_tails and not (in_transform() or torch.jit.is_tracing())
        part = functools.partial(by_tails, by_masses) if looks else by_masses
        return by_chunks(part, (cotangent, x, *args)).unbind()

    return push, pull


def _by_tails(family: Family, *kind: bool) -> Callable | None:
    """(otherwise, cotangent, x, *args) -> the cotangents of args, by differences of tails where no digits cancel."""
    if not family.tails_are_closed:
        return None
    is_normal = family is normal.FAMILY
    slopes = truncated_normal.slopes_of(*kind) if is_normal else truncation.slopes_by_tails(family, *kind)

    def at(otherwise: Callable, cotangent: Tensor, x: Tensor, *args: Tensor) -> Tensor:
        found, right = slopes(FLOAT64, x, *args)
        if torch._is_all_true(right):
            return cotangent * torch.stack(found)
        flat = [a.reshape(-1) for a in (cotangent, x, *args)]
        rows, others = right.reshape(-1).nonzero()[:, 0], (~right).reshape(-1).nonzero()[:, 0]
        # anew for the rows: what is NaN in others would be so in their derivatives
        taken = [a[rows] for a in flat]
        by_rows = taken[0] * torch.stack(slopes(FLOAT64, *taken[1:])[0])
        whole = flat[0].new_empty((len(args), len(flat[0])))
        whole = whole.index_copy(1, rows, by_rows).index_copy(1, others, otherwise(*(a[others] for a in flat)))
        return whole.view(len(args), *x.shape)

    return at
