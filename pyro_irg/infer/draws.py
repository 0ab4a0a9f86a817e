"""A guide's draws with their weights, for other tools."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from pyro.poutine.util import prune_subsample_sites
from torch import Tensor

from irg_kernels import __version__
from irg_kernels.adapter import arviz
from irg_kernels.adapter.arviz import Draws
from irg_kernels.adapter.guide_messages import check_same_latents
from irg_kernels.adapter.settings import check_count

from .evaluation import batches, check_programs, log_density, runs


@torch.no_grad()
def weighted_draws(
    model: Callable,
    guide: Callable,
    *args: Any,
    num_samples: int = 1000,
    num_importance: int = 1,
    batch_size: int = 1,
    **kwargs: Any,
) -> Draws:
    """Draws of a model's latents from any guide, with their importance weights.

    :param num_importance: m: each draw is one of m of the guide's, taken in proportion to their weights (sampling
        importance resampling: Smith, Gelfand 1992), and its weight is the mean of theirs.  They are the draws to which
        the bound of m by `RenyiELBO` (alpha = 0) or `PathGradientELBO` belongs (Domke, Sheldon 2018): nearer to the
        posterior, and the weights nearer to p(x).
    :param batch_size: as in `log_weights`: how many draws run side by side.
    :returns: `latents` (site -> tensor with a leading axis of draws, deterministic sites too), `log_weights` (tensor of
        `num_samples`), `observed` (site -> data).
    :raises ValueError: for counts below 1, and a model and a guide of other latents.
    :raises TypeError: for a model or guide that cannot be called.
    """
    check_programs(model, guide, "weighted_draws")
    check_count("weighted_draws", "num_samples", num_samples)
    check_count("weighted_draws", "num_importance", num_importance)
    sizes = list(batches("weighted_draws", num_samples * num_importance, batch_size))
    parts: dict[str, list[Tensor]] = {}
    weights: list[Tensor] = []
    observed: dict[str, Tensor] = {}
    shapes: dict[str, torch.Size] = {}
    for size, (joint, drawn, dim) in zip(sizes, runs(model, guide, args, kwargs, sizes, batch_size), strict=True):
        check_same_latents("weighted_draws", *(prune_subsample_sites(each).nodes for each in (joint, drawn)))
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
    latents = {name: torch.cat(values) for name, values in parts.items()}
    if num_importance == 1:
        return Draws(latents, torch.cat(weights), observed)
    rows, log_means = _resampled(torch.cat(weights).reshape(num_samples, num_importance))
    return Draws({name: values[rows] for name, values in latents.items()}, log_means, observed)


def _resampled(log_weights: Tensor) -> tuple[Tensor, Tensor]:
    """Of S rows of m: the number of one of all S m, drawn in proportion to the weights, and the log of their mean."""
    likely = torch.where(log_weights.isnan(), -math.inf, log_weights)  # NaN is never taken, and shows in the mean
    # the largest of logits with Gumbel noise is a draw of these, also where all are -inf
    chosen = (likely - torch.empty_like(log_weights).exponential_().log()).argmax(1)
    count, size = log_weights.shape
    rows = torch.arange(count, device=chosen.device) * size + chosen
    return rows, log_weights.logsumexp(1) - math.log(size)


def _shapes(joint: Any) -> dict[str, torch.Size]:
    nodes = prune_subsample_sites(joint).nodes
    return {name: torch.as_tensor(site["value"]).shape for name, site in nodes.items() if site["type"] == "sample"}


def _is_deterministic(site: Any) -> bool:
    return bool(site["infer"].get("_deterministic", False))


def to_arviz(
    model: Callable,
    guide: Callable,
    *args: Any,
    num_samples: int = 1000,
    num_importance: int = 1,
    batch_size: int = 1,
    **kwargs: Any,
) -> Any:
    """A guide's draws as ArviZ's `DataTree`, for its plots and summaries.

    One chain in the group "posterior"; "sample_stats" has `log_weight`, the logarithm of each draw's importance weight;
    "observed_data" has the observed sites.

    :param num_samples: as in `weighted_draws`, and so are `num_importance` and `batch_size`.
    :raises ValueError: as `weighted_draws`.
    :raises TypeError: as `weighted_draws`.
    :raises ImportError: without arviz-base.
    """
    try:
        from arviz_base import from_dict
    except ImportError as error:
        raise arviz.missing("arviz", error) from error
    counts = {"num_samples": num_samples, "num_importance": num_importance, "batch_size": batch_size}
    draws = weighted_draws(model, guide, *args, **counts, **kwargs)
    return from_dict(
        arviz.groups(draws, lambda x: x.detach().cpu().numpy()), attrs=arviz.attributes("pyro_irg", __version__)
    )
