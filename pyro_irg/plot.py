"""Pictures of a training and of a guide, by matplotlib: `pip install "pyro-irg[plot]"`.

Each function draws into the axes that it is given, or into new ones, and returns them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from irg_kernels.adapter.pictures import Pictures

from .infer.evaluation import pareto_k

__all__ = ["elbo", "pairs", "path", "weights"]


def _pyplot() -> Any:
    from matplotlib import pyplot

    return pyplot


def _floats(values: Any) -> list[float]:
    return torch.as_tensor(values).detach().double().flatten().tolist()


def _array(draws: Any) -> np.ndarray:
    return np.asarray(torch.as_tensor(draws).detach().cpu())


def _pareto_k(log_weights: Any) -> Tensor:
    return pareto_k(torch.as_tensor(log_weights))


_pictures = Pictures(_pyplot, _floats, _array, _pareto_k)
elbo, weights, path, pairs = _pictures.elbo, _pictures.weights, _pictures.path, _pictures.pairs
