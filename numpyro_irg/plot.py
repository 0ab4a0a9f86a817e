"""Pictures of a training and of a guide, by matplotlib: `pip install "pyro-irg[plot]"`.

Each function draws into the axes that it is given, or into new ones, and returns them.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from irg_kernels.adapter.pictures import Pictures

from .infer.evaluation import pareto_k

__all__ = ["elbo", "pairs", "path", "weights"]


def _pyplot() -> Any:
    from matplotlib import pyplot

    return pyplot


def _floats(values: Any) -> list[float]:
    return np.asarray(values, float).ravel().tolist()


def _pareto_k(log_weights: Any) -> Array:
    return pareto_k(jnp.asarray(log_weights))


_pictures = Pictures(_pyplot, _floats, np.asarray, _pareto_k)
elbo, weights, path, pairs = _pictures.elbo, _pictures.weights, _pictures.path, _pictures.pairs
