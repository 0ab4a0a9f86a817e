"""How good a guide is: importance weights, evidence, diagnostics."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pyro
import torch
from pyro.ops.stats import fit_generalized_pareto
from pyro.poutine import replay, trace
from torch import Tensor
from tqdm import tqdm

from .hvae import HVAE

__all__ = ["Evidence", "diagnostics", "log_evidence", "log_weights"]


class Evidence(NamedTuple):
    """An importance sampling estimate of log p(x), for each datum or in all, and how far to trust it."""

    log_evidence: Tensor
    """log mean w"""
    ess: Tensor
    """effective sample size, between 1 and the number of samples"""
    pareto_k: Tensor
    """k-hat of the largest weights (Vehtari et al. 2024): below 0.7 the estimate is reliable"""


def log_weights(
    model: Callable, guide: Callable, *args: Any, num_samples: int = 100, plate: str | None = None, **kwargs: Any
) -> Tensor:
    r"""log w = log p(x, z) - log q(z) of draws z from a guide, auxiliary sites included.

    :param plate: the name of the plate over data, if every latent is local to it: a weight for each datum.  All sites
        must then lie inside it; their scales (of a subsample) are left out.  Otherwise one weight for each draw, with
        every scale, so that the mean of the weights is p(x) only where nothing is subsampled.
    :returns: tensor of shape (num_samples,) or (num_samples, size of the plate or of its subsample).
    :raises ValueError: for a site outside `plate`.
    """
    if num_samples < 1:
        raise ValueError(f"log_weights: num_samples must be at least 1, got {num_samples}")
    with torch.no_grad():
        return torch.stack([_log_weight(model, guide, plate, args, kwargs) for _ in range(num_samples)])


def _log_weight(model: Callable, guide: Callable, plate: str | None, args: tuple, kwargs: dict) -> Tensor:
    guide_trace = trace(guide).get_trace(*args, **kwargs)
    model_trace = trace(replay(model, trace=guide_trace)).get_trace(*args, **kwargs)
    return _log_density(model_trace, plate) - _log_density(guide_trace, plate)


def _log_density(sites: Any, plate: str | None) -> Tensor:
    if plate is None:
        return sites.log_prob_sum()
    total: Any = 0.0
    for name, site in sites.nodes.items():
        if site["type"] != "sample" or type(site["fn"]).__name__ == "_Subsample":
            continue
        dims = [frame.dim for frame in site["cond_indep_stack"] if frame.name == plate]
        if not dims:
            raise ValueError(
                f"log_weights: site {name!r} is not inside the plate {plate!r}, so that a datum has no weight of its "
                "own; leave `plate` out"
            )
        density = site["fn"].log_prob(site["value"])
        if site["mask"] is not None:
            density = torch.where(torch.as_tensor(site["mask"]), density, 0.0)
        others = [d for d in range(-density.dim(), 0) if d != dims[0]]
        total = total + (density.sum(others) if others else density)
    return total


def log_evidence(
    model: Callable,
    guide: Callable,
    *args: Any,
    num_samples: int = 1000,
    plate: str | None = None,
    progress_bar: bool = False,
    **kwargs: Any,
) -> Evidence:
    r"""log p(x) ~ log (1/S) sum_s w_s, a lower bound in expectation that tightens with S; NLL is its negative.

    One draw is held in memory at a time, and its weights.

    :param num_samples: S.
    :param plate: as in `log_weights`.
    :returns: `Evidence`, each field of shape () or (size of the plate,).
    """
    draws = tqdm(range(num_samples), desc="log evidence", disable=not progress_bar)
    weights = torch.cat([log_weights(model, guide, *args, num_samples=1, plate=plate, **kwargs) for _ in draws])
    total = weights.logsumexp(0)
    ess = (2.0 * total - (2.0 * weights).logsumexp(0)).exp()
    flat = weights.reshape(num_samples, -1)
    k = torch.stack([_pareto_k(column) for column in flat.unbind(1)]).reshape(total.shape)
    return Evidence(total - math.log(num_samples), ess, k)


def _pareto_k(log_weight: Tensor) -> Tensor:
    """k-hat of the largest min(S/5, 3 sqrt(S)) weights, by Pyro's fit."""
    count = min(len(log_weight) // 5, int(3 * math.sqrt(len(log_weight))))
    if count < 5:
        return torch.tensor(math.nan)
    largest = log_weight.sort(descending=True).values[: count + 1]
    excess = (largest[:-1] - largest[0]).exp() - (largest[-1] - largest[0]).exp()
    return torch.as_tensor(fit_generalized_pareto(excess.double())[0], dtype=log_weight.dtype)


def diagnostics(guide: HVAE, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """What a Hamiltonian guide has learned, and how its paths fare on the given data.

    :returns: "step_sizes" (site -> tensor), "inverse_temperatures" (tensor of K + 1), "energy_errors" (tensor of K,
        the change of U + |rho|^2/2 over each step before cooling, over all data), "momentum_second_moment" (site ->
        float, 1 where the momenta end in their law), "left_out" (site -> share of diverged paths).
    """
    if guide.num_steps == 0:
        return {}
    with torch.no_grad(), pyro.poutine.block():
        guide(*args, **kwargs)
        logs = torch.stack([torch.as_tensor(a) for a in guide.cooling()]).log()
    sites = guide.path["sites"]
    passed = torch.cat([torch.zeros(1), logs.cumsum(0)])
    return {
        "step_sizes": {name: guide.step_size(name).detach() for name in sites},
        "inverse_temperatures": (2.0 * (logs.sum() - passed)).exp(),
        "energy_errors": guide.path["energy_errors"],
        "momentum_second_moment": {n: float((r**2).mean()) for n, r in zip(sites, guide.path["momenta"], strict=True)},
        "left_out": dict.fromkeys(sites, guide.path["left_out"]),
    }
