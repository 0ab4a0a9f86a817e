"""Pictures of a training and of a guide, by matplotlib: `pip install "pyro-irg[plot]"`.

Each function draws into the axes that it is given, or into new ones, and returns them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from irg_kernels.adapter import plots

from .infer.evaluation import pareto_k

__all__ = ["elbo", "pairs", "path", "weights"]


def _pyplot(where: str) -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise plots.missing(where, "matplotlib", "plot", error) from error
    return pyplot


def elbo(losses: Sequence[float] | Tensor, *, window: int = 50, ax: Any = None) -> Any:
    """The bound of each step and its running mean.

    :param losses: what `SVI.step` returned, step by step.
    :param window: how many steps the mean is taken over.
    :param ax: matplotlib's axes; by default new ones.
    :returns: the axes.
    :raises ValueError: for no losses, or an empty window.
    """
    ax = ax or _pyplot("plot.elbo").subplots(layout="constrained")[1]
    return plots.elbo(ax, plots.numbers("plot.elbo", "losses", losses, _numbers), window)


def weights(log_weights: Tensor, *, ax: Any = None) -> Any:
    """How far a guide's importance weights can be trusted.

    :param log_weights: from `log_weights`: of shape (draws,), which shows the weights by rank with their k-hat, or
        (draws, data), which shows k-hat of each datum.
    :param ax: matplotlib's axes; by default new ones.
    :returns: the axes.
    :raises ValueError: where no weight is finite.
    """
    ax = ax or _pyplot("plot.weights").subplots(layout="constrained")[1]
    numbers = plots.numbers("plot.weights", "log_weights", log_weights, _numbers)
    log_weights = torch.as_tensor(log_weights)
    k = _numbers(pareto_k(log_weights))
    return plots.weights(ax, numbers, k[0]) if log_weights.ndim == 1 else plots.pareto_k(ax, k)


def path(found: Mapping[str, Any], *, axes: Any = None) -> Any:
    """The path of a Hamiltonian guide: energy errors of its steps, and its temperatures or the shares of its points.

    :param found: what `diagnostics(guide, ...)` returns.
    :param axes: two of matplotlib's axes; by default new ones.
    :returns: the two axes.
    :raises ValueError: for a guide without steps.
    """
    if axes is None:
        axes = _pyplot("plot.path").subplots(1, 2, figsize=(8, 3), layout="constrained")[1]
    return plots.path(axes, found, _numbers)


def pairs(
    draws: Mapping[str, Any],
    *others: Mapping[str, Any],
    labels: Sequence[str] = ("guide", "reference"),
    sites: Sequence[str] | None = None,
    size: float = 1.8,
) -> Any:
    """A guide's draws, two coordinates at a time, over those of others: a reference, the prior.

    :param draws: site -> draws along the first axis, as `weighted_draws` and `Predictive` give them.
    :param others: the same of what it is compared with.
    :param labels: a name for each.
    :param sites: which ones; by default all, of at most 6 coordinates together.
    :param size: of a panel, in inches.
    :returns: the figure.
    :raises ValueError: for too many coordinates, or sites that some lack.
    """
    groups = {
        label: plots.all_coordinates(label, group, sites, _array)
        for label, group in zip(labels, (draws, *others), strict=False)
    }
    return plots.pairs(_pyplot("plot.pairs"), groups, size)


def _numbers(values: Any) -> list[float]:
    return torch.as_tensor(values).detach().double().flatten().tolist()


def _array(draws: Any) -> np.ndarray:
    return np.asarray(torch.as_tensor(draws).detach().cpu())
