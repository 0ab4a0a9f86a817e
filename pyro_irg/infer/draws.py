"""A guide's draws with their weights, for other tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pyro.poutine.util import prune_subsample_sites
from torch import Tensor

from irg_kernels import __version__
from irg_kernels.adapter import arviz
from irg_kernels.adapter.arviz import Draws

from .evaluation import batches, check_programs, log_density, runs

__all__ = ["to_arviz", "weighted_draws"]


@torch.no_grad()
def weighted_draws(
    model: Callable, guide: Callable, *args: Any, num_samples: int = 1000, batch_size: int = 1, **kwargs: Any
) -> Draws:
    """Draws of a model's latents from any guide, with their importance weights.

    :param batch_size: as in `log_weights`: how many draws run side by side.
    :returns: `latents` (site -> tensor with a leading axis of draws, deterministic sites too), `log_weights` (tensor of
        `num_samples`), `observed` (site -> data).
    """
    check_programs(model, guide, "weighted_draws")
    sizes = list(batches("weighted_draws", num_samples, batch_size))
    parts: dict[str, list[Tensor]] = {}
    weights: list[Tensor] = []
    observed: dict[str, Tensor] = {}
    shapes: dict[str, torch.Size] = {}
    for size, (joint, drawn, dim) in zip(sizes, runs(model, guide, args, kwargs, sizes, batch_size), strict=True):
        weight = log_density(joint, None, dim) - log_density(drawn, None, dim)
        weights.append(weight.reshape(size))
        if not shapes:  # those of one draw
            shapes = _shapes(joint if dim is None else next(runs(model, guide, args, kwargs, [1], 1))[0])
        for name, site in prune_subsample_sites(joint).nodes.items():
            if name not in shapes:
                continue
            value = torch.as_tensor(site["value"])
            if site["is_observed"] and not _is_deterministic(site):
                if value.numel():  # a factor has none
                    observed[name] = value
            else:  # of what does not depend on the draws there is one for all
                whole = value if value.numel() == size * shapes[name].numel() else value.expand(size, *shapes[name])
                parts.setdefault(name, []).append(whole.reshape(size, *shapes[name]))
    return Draws({name: torch.cat(values) for name, values in parts.items()}, torch.cat(weights), observed)


def _shapes(joint: Any) -> dict[str, torch.Size]:
    nodes = prune_subsample_sites(joint).nodes
    return {name: torch.as_tensor(site["value"]).shape for name, site in nodes.items() if site["type"] == "sample"}


def _is_deterministic(site: Any) -> bool:
    return bool(site["infer"].get("_deterministic", False))


def to_arviz(
    model: Callable, guide: Callable, *args: Any, num_samples: int = 1000, batch_size: int = 1, **kwargs: Any
) -> Any:
    """A guide's draws as ArviZ's `DataTree`, for its plots and summaries.

    One chain in the group "posterior"; "sample_stats" has `log_weight`, the logarithm of each draw's importance weight;
    "observed_data" has the observed sites.

    :param num_samples, batch_size: as in `weighted_draws`.
    :raises ImportError: without arviz-base.
    """
    try:
        from arviz_base import from_dict
    except ImportError as error:
        raise arviz.missing("arviz", error) from error
    draws = weighted_draws(model, guide, *args, num_samples=num_samples, batch_size=batch_size, **kwargs)
    return from_dict(
        arviz.groups(draws, lambda x: x.detach().cpu().numpy()), attrs=arviz.attributes("pyro_irg", __version__)
    )
