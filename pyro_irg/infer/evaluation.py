"""How good a guide is: importance weights, evidence, diagnostics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from pyro.distributions import (
    Delta,
    RelaxedBernoulliStraightThrough,
    RelaxedOneHotCategoricalStraightThrough,
    Unit,
    constraints,
)
from pyro.distributions.util import scale_and_mask
from pyro.poutine import block, replay, trace
from pyro.poutine.util import prune_subsample_sites
from torch import Tensor
from tqdm import tqdm

from irg_kernels.adapter import arviz, guide_messages, messages, settings

from .hvae import HVAE
from .sites import side_by_side


class Evidence(NamedTuple):
    """An importance sampling estimate of log p(x), for each datum or in all, and how far to trust it.

    Of the weights w = p(x, z) / q(z) of the draws z, as `log_weights` gives them.
    """

    log_evidence: Tensor
    """logarithm of the mean of w"""
    ess: Tensor
    """effective sample size (sum w)^2 / sum w^2, between 1 and the number of samples"""
    pareto_k: Tensor
    """k-hat of the largest weights (Vehtari et al. 2024): below 0.7 the estimate is reliable, but for mass that no draw
    has met, such as another mode; -inf where those are all equal, NaN below 25 draws and where the largest is not
    finite"""


def log_weights(
    model: Callable,
    guide: Callable,
    *args: Any,
    num_samples: int = 100,
    plate: str | None = None,
    batch_size: int = 1,
    **kwargs: Any,
) -> Tensor:
    r"""log w = log p(x, z) - log q(z) of draws z from a guide, auxiliary sites included.

    :param plate: the name of the plate over data, if every latent is local to it: a weight for each datum.  All sites
        must then lie inside it; their scales (of a subsample) are left out.  Otherwise one weight for each draw, with
        every scale, so that the mean of the weights is p(x) only where nothing is subsampled.
    :param batch_size: how many draws run side by side, under one more plate left of all others.  That needs a model
        and a guide that are vectorizable, as `vectorize_particles` does; with 1 the draws come one after the other,
        for any model and in least memory.
    :returns: tensor of shape (num_samples,) or (num_samples, size of the plate or of its subsample).
    :raises TypeError: for a model or guide that cannot be called.
    :raises ValueError: for a site outside `plate`, counts below 1, model and guide swapped or of other latents, and a
        guide of points (`Delta`) alone, which has no weights.
    """
    check_programs(model, guide, "log_weights")
    sizes = batches("log_weights", num_samples, batch_size)
    return torch.cat(list(_weights("log_weights", model, guide, args, kwargs, plate, sizes, batch_size)))


@torch.no_grad()
def _weights(
    where: str,
    model: Callable,
    guide: Callable,
    args: tuple,
    kwargs: dict,
    plate: str | None,
    sizes: Iterable[int],
    batch_size: int,
) -> Iterator[Tensor]:
    shares: dict[str, list[Tensor]] = {}
    for p_trace, q_trace, draws_dim in runs(model, guide, args, kwargs, sizes, batch_size):
        guide_messages.check_order(where, p_trace.nodes, q_trace.nodes, Unit)
        _refuse_points(where, q_trace)
        guide_messages.check_same_latents(where, *(prune_subsample_sites(each).nodes for each in (p_trace, q_trace)))
        for name, site in q_trace.nodes.items():
            if _is_drawn(site):
                shares.setdefault(name, []).append(_at_the_end(site["value"]))
        weight = log_density(p_trace, plate, draws_dim) - log_density(q_trace, plate, draws_dim)
        yield weight[None] if draws_dim is None else weight
    guide_messages.warn_of_held({name: float(torch.stack(found).mean()) for name, found in shares.items()})


def _refuse_points(where: str, guide: Any) -> None:
    """:raises ValueError: for a guide that draws points alone, which have no weights."""
    sites = prune_subsample_sites(guide).nodes.items()
    drawn = {name: messages.innermost(s["fn"]) for name, s in sites if s["type"] == "sample" and not s["is_observed"]}
    if drawn and all(isinstance(fn, Delta) and not torch.any(fn.log_density) for fn in drawn.values()):
        raise ValueError(guide_messages.only_points(where, drawn))


def _is_drawn(site: Any) -> bool:
    """Whether a guide draws a site from a density of numbers or vectors that ends; matrices have zeros of their own."""
    if site["type"] != "sample" or site["is_observed"]:
        return False
    if not (torch.is_tensor(site["value"]) and site["value"].is_floating_point()):
        return False
    fn = site["fn"]
    while hasattr(fn, "base_dist") and not hasattr(fn, "transforms"):
        fn = fn.base_dist
    if isinstance(fn, (Delta, RelaxedBernoulliStraightThrough, RelaxedOneHotCategoricalStraightThrough)):
        return False
    try:
        support = fn.support
        if support is constraints.simplex and fn.event_shape == (1,):  # which is 1
            return False
        is_bounded = getattr(support, "base_constraint", support) is not constraints.real
        return support is not None and is_bounded and not support.is_discrete and support.event_dim < 2
    except NotImplementedError:  # there is none, or it cannot say
        return False


def _at_the_end(value: Tensor) -> Tensor:
    """The share of numbers that are the last ones of their dtype: next to 0, next to 1, or the largest."""
    limits = torch.finfo(value.dtype)
    size = value.abs()
    next_to_1 = (value >= 1.0 - limits.eps) & (value <= 1.0)
    return ((size <= limits.tiny) | (size >= limits.max) | next_to_1).double().mean()


@torch.no_grad()
def runs(
    model: Callable, guide: Callable, args: tuple, kwargs: dict, sizes: Iterable[int], batch_size: int
) -> Iterator[tuple[Any, Any, int | None]]:
    """Traces of the model at a guide's draws and of the guide; if several lie side by side, the dimension of that."""
    draws_dim = None if batch_size == 1 else -1 - plate_nesting(model, guide, args, kwargs)
    for size in sizes:
        p, q = model, guide
        if draws_dim is not None:
            p, q = (side_by_side(fn, size, -1 - draws_dim) for fn in (model, guide))
        q_trace = trace(q).get_trace(*args, **kwargs)
        yield trace(replay(p, trace=q_trace)).get_trace(*args, **kwargs), q_trace, draws_dim


def log_density(sites: Any, plate: str | None, draws_dim: int | None) -> Tensor:
    """Of shape (), (data,), (draws,) or (draws, data)."""
    total: Any = 0.0
    nodes: dict[str, Any] = prune_subsample_sites(sites).nodes
    for name, site in nodes.items():
        if site["type"] != "sample":
            continue
        density: Tensor = site["fn"].log_prob(site["value"])
        density = scale_and_mask(density, site["scale"] if plate is None else 1.0, site["mask"])
        kept = () if draws_dim is None else (draws_dim,)
        if plate is not None:
            kept = (*kept, _plate_dim(name, site, plate))
        others = [d for d in range(-density.dim(), 0) if d not in kept]
        total = total + (density.sum(others) if others else density)
    return total


def _plate_dim(name: str, site: Any, plate: str) -> int:
    for frame in site["cond_indep_stack"]:
        if frame.name == plate:
            return frame.dim
    raise ValueError(guide_messages.outside_plate(name, plate))


def check_programs(model: Any, guide: Any, where: str) -> None:
    guide_messages.check_program(where, "model", model)
    guide_messages.check_program(where, "guide", guide)


def log_evidence(
    model: Callable,
    guide: Callable,
    *args: Any,
    num_samples: int = 1000,
    plate: str | None = None,
    batch_size: int = 1,
    progress_bar: bool = False,
    **kwargs: Any,
) -> Evidence:
    r"""log p(x) ~ log (1/S) sum_s w_s, a lower bound in expectation that tightens with S; NLL is its negative.

    In memory are `batch_size` draws at a time, and all the weights.

    :param num_samples: the number S of draws.
    :param plate: as in `log_weights`, and so is `batch_size`.
    :param progress_bar: show how many draws are done.
    :returns: `Evidence`, each field of shape () or (size of the plate,).
    :raises TypeError: as `log_weights`.
    :raises ValueError: as `log_weights`.
    :raises ImportError: without ArviZ, which estimates k-hat.
    """
    check_programs(model, guide, "log_evidence")
    sizes = tqdm(list(batches("log_evidence", num_samples, batch_size)), "log evidence", disable=not progress_bar)
    weights = torch.cat(list(_weights("log_evidence", model, guide, args, kwargs, plate, sizes, batch_size)))
    total = weights.logsumexp(0)
    ess = (2.0 * total - (2.0 * weights).logsumexp(0)).exp()
    return Evidence(total - math.log(num_samples), ess, pareto_k(weights))


def pareto_k(log_weights: Tensor) -> Tensor:
    """k-hat of importance weights: below 0.7 what is estimated by them is reliable (Vehtari et al. 2024).

    :param log_weights: draws along the first axis, as `log_weights` gives them.
    :returns: of the shape of one draw; -inf where the largest weights are all equal, inf where the others vanish
        beside them, NaN below 25 draws, where many of the largest are tied, and where the largest is not finite.
    :raises ImportError: without ArviZ.
    """
    log_weights = torch.as_tensor(log_weights)
    shape = log_weights.shape[1:]
    if len(log_weights) < 25:  # the fit wants five draws in the tail, a fifth of so few
        return log_weights.new_full(shape, math.nan)
    try:
        from arviz_stats.base import array_stats
    except ImportError as error:
        raise ImportError('k-hat needs ArviZ; pip install "pyro-irg[pyro]"') from error
    columns = log_weights.detach().double().cpu().numpy().reshape(len(log_weights), -1).T
    with np.errstate(all="ignore"):
        return log_weights.new_tensor(arviz.k_hats(columns, array_stats.psislw)).reshape(shape)


def batches(where: str, num_samples: int, batch_size: int) -> Iterator[int]:
    """Sizes of at most `batch_size` that add up to `num_samples`."""
    settings.check_count(where, "num_samples", num_samples)
    settings.check_count(where, "batch_size", batch_size)
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


def diagnostics(guide: HVAE, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """What a Hamiltonian guide has learned, and how its paths fare on the given data.

    :returns: of steps that are not the leapfrog's: "strengths", "angles" and "persistences" (part of the coordinates ->
        tensor of K, or K - 1, and the part's shape), "shares" (of the K + 1 points, as learned), "posterior_shares"
        (how often a draw is each of them), "energy_errors" (tensor of K, the change of -log w over each step),
        "momentum_second_moment" (float), "rejected" (share of points without a finite density), "why"
        (sentences: whether such points are many or the path diverges, and what helps); of coupled ones too
        "log_jacobians" (tensor of K, of the steps, over all data).

        Otherwise "step_sizes" (site -> tensor), "inverse_temperatures" (tensor of K + 1), "energy_errors" (tensor of K,
        the change of `U + |rho|^2/2` over each step before cooling, over all data), "momentum_second_moment" (site ->
        float, 1 where the momenta end in their distribution), "rejected" (float, the share of steps that diverged, of
        all systems), "why" (sentences: which site's draws, slopes or curvatures are not finite, and what helps).

    A smaller `step_size` and `max_step_size` serve better where the energy changes by about a nat per datum and step,
    the second moment is far from 1, or more than a few hundredths of the steps are rejected: a model can grow used to
    steps that are too long, so that none diverges.

    :raises TypeError: for any other guide.
    """
    guide_messages.check_diagnosed(guide, HVAE)
    if guide.num_steps == 0:
        return {}
    watched: list[Any] = []
    guide._watched = watched
    with torch.no_grad(), block():
        guide(*args, **kwargs)
        guide._watched = None
        if guide.transition != "leapfrog":
            return guide.refreshed_diagnostics()
        logs = torch.stack([torch.as_tensor(a) for a in guide.cooling()]).log()
        overflows = watched[0].overflows()
    sites = guide.path["sites"]
    passed = torch.cat([torch.zeros(1), logs.cumsum(0)])
    return {
        "step_sizes": {name: guide.step_size(name).detach() for name in sites},
        "inverse_temperatures": (2.0 * (logs.sum() - passed)).exp(),
        "energy_errors": guide.path["energy_errors"],
        "momentum_second_moment": {n: float((r**2).mean()) for n, r in zip(sites, guide.path["momenta"], strict=True)},
        "rejected": guide.path["rejected"],
        "why": guide_messages.reasons(overflows, guide.path["rejected"]),
    }
