"""Draws side by side, under one vectorizing plate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyro
import torch
from pyro.poutine import block, replay, trace
from pyro.poutine.util import prune_subsample_sites

__all__ = ["batches", "plate_nesting", "side_by_side"]


def batches(where: str, num_samples: int, batch_size: int) -> Iterator[int]:
    """Sizes of at most `batch_size` that add up to `num_samples`."""
    for name, number in (("num_samples", num_samples), ("batch_size", batch_size)):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{where}: {name} must be an integer, at least 1, got {number!r}")
    whole, rest = divmod(num_samples, batch_size)
    return iter([batch_size] * whole + [rest] * bool(rest))


@torch.no_grad()
def plate_nesting(model: Callable, guide: Callable, args: tuple, kwargs: dict) -> int:
    """How many dimensions the plates take, from one run of both (as `pyro.infer.ELBO` guesses it)."""
    with block():
        guide_trace = trace(guide).get_trace(*args, **kwargs)
        model_trace = trace(replay(model, trace=guide_trace)).get_trace(*args, **kwargs)
    dims = [
        frame.dim
        for sites in (guide_trace, model_trace)
        for site in prune_subsample_sites(sites).nodes.values()
        if site["type"] == "sample"
        for frame in site["cond_indep_stack"]
        if frame.dim is not None
    ]
    return -min(dims, default=0)


def side_by_side(fn: Callable, size: int, nesting: int) -> Callable:
    """`fn` under a plate of `size` draws, left of all its own plates."""
    return pyro.plate("_hvae_draws", size, dim=-1 - nesting)(fn)
