"""Worst relative error of the partial derivatives, against mpmath: ours in both libraries, beside what they have.

    python -m benchmarks.accuracy [--write]

Ours: every reference point of `tests/references.json` (parameters 1e-6..1e8, quantiles 1e-12..1 - 1e-12), each in the
coordinate in which the sampler carries its derivative (log z, logit z, log|t|, the angle).  The libraries' own
functions take z itself; they are given only points whose z is exact enough to tell (|logit z| < 5 for Beta, z >= 1e-30
for Gamma).  Student-t and von Mises: neither library has a one-dimensional derivative in df or concentration.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import lax

import numpyro_irg.attach
import pyro_irg.attach
from benchmarks.tables import markdown, publish
from tests.cases import CASES, Case

NONE = "none"


def worst(values: np.ndarray, truth: np.ndarray, floor: float = 0.0) -> str:
    known = np.abs(truth) > floor
    error = np.abs(values[known] / truth[known] - 1.0)
    return "not finite" if not np.isfinite(error).all() else f"{error.max():.0e}"


def ours(case: Case, precision: str, evaluate, array) -> str:
    values, truths = [], []
    for coordinate, kernels in case.kernels.items():
        points = case.points(coordinate, precision)
        args = [array(points.at), *map(array, points.params)]
        for kernel, truth in zip(kernels, points.partials, strict=True):
            values.append(np.asarray(evaluate(kernel, *args), dtype=np.float64))
            truths.append(truth)
    return worst(np.concatenate(values), np.concatenate(truths))


def torch_gamma(a, z):
    return torch._standard_gamma_grad(torch.tensor(a), torch.tensor(z)).numpy()


def torch_beta(a, b, z):
    a, b, z = map(torch.tensor, (a, b, z))
    x = torch.stack([z, 1.0 - z], -1)
    # as torch's own backward of a draw from Dirichlet([a, b]) uses it
    return ((1.0 - z) * torch._dirichlet_grad(x, torch.stack([a, b], -1), (a + b)[:, None].expand_as(x))[:, 0]).numpy()


def peer_gamma(precision: str, gradient) -> str:
    (case,) = (c for c in CASES if c.family == "gamma")
    points = case.points("z", precision)
    a, z = (v.astype(precision) for v in (points.params[0], points.at))
    return worst(np.asarray(gradient(a, z), dtype=np.float64), points.partials[0])


def peer_beta(precision: str) -> str:
    (case,) = (c for c in CASES if c.family == "beta")
    (coordinate,) = case.kernels
    points = case.points(coordinate, precision)
    inside = np.abs(points.at) < 5.0
    a, b = (p[inside].astype(precision) for p in points.params)
    z = 1.0 / (1.0 + np.exp(-points.at[inside]))
    values = np.asarray(torch_beta(a, b, z.astype(precision)), dtype=np.float64)
    return worst(values, z * (1.0 - z) * points.partials[0][inside])


def arithmetic(precision: str) -> list[tuple]:
    """(evaluate, array) of each library, as `ours` takes them."""
    dtype = getattr(torch, precision)
    return [
        (pyro_irg.attach.evaluate, lambda v: torch.tensor(v, dtype=dtype)),
        (numpyro_irg.attach.evaluate, lambda v: jnp.asarray(v, dtype=precision)),
    ]


def rows() -> list[list[str]]:
    table = []
    for case in CASES:
        for precision in ("float32", "float64"):
            with jax.enable_x64(precision == "float64"):
                peers = [NONE, NONE]
                if case.family == "gamma":
                    peers = [peer_gamma(precision, torch_gamma), peer_gamma(precision, lax.random_gamma_grad)]
                if case.family == "beta":
                    peers = [peer_beta(precision), NONE]
                both = [ours(case, precision, *how) for how in arithmetic(precision)]
                table.append([case.distribution, precision, *peers, *both])
    return table


if __name__ == "__main__":
    header = ["family", "precision", "torch", "JAX", "ours, Pyro", "ours, NumPyro"]
    publish("accuracy", markdown(header, rows()))
