"""How far `AutoMixture` stays below a known evidence, from several seeds; the table of it in docs/guides.md.

    NPROC=1 OMP_NUM_THREADS=1 python -m benchmarks.auto_mixture [--write]     # some ten minutes

Every target is a normalised density, so that log Z = 0.  Four components, 16 particles, 2,000 steps (Pyro: 1,000) of
Adam from .03 down to .0006, default settings; the gap by 10,000 draws.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as ndist
import pyro
import pyro.distributions as pdist
import torch
from jax import lax, random
from numpyro.infer.autoguide import AutoMultivariateNormal
from pyro.infer import SVI as PyroSVI
from pyro.infer import Trace_ELBO as PyroTraceELBO

import numpyro_irg.infer
import pyro_irg.infer
from benchmarks.tables import markdown, publish

COMPONENTS, PARTICLES, RATE, DECAY, DRAWS = 4, 16, 0.03, 0.02, 10_000
SEEDS = {"NumPyro": 10, "Pyro": 4}
STEPS = {"NumPyro": 2_000, "Pyro": 1_000}


class Target(NamedTuple):
    """A mixture of Gaussians as an unnormalised posterior: a prior N(0, spread^2), and a factor that makes the rest."""

    locs: np.ndarray
    scale_trils: np.ndarray
    weights: np.ndarray
    spread: float = 3.0


def two(locs, scale: float = 1.0, weights=(0.5, 0.5), spread: float = 3.0) -> Target:
    """Modes at locs and -locs."""
    locs = np.array([locs, locs], np.float32) * np.array([[1.0], [-1.0]], np.float32)
    eye = np.eye(locs.shape[-1], dtype=np.float32)
    return Target(locs, np.stack([scale * eye] * 2), np.array(weights, np.float32), spread)


TILTED = np.array([[[0.6, 0.0], [0.5, 0.3]], [[1.0, 0.0], [-0.8, 0.4]], [[0.5, 0.0], [0.0, 1.0]]], np.float32)
TARGETS = {
    "two modes at ±3, d = 1": two([3.0]),
    "two modes at ±3, d = 2": two([3.0] * 2),
    "two modes at ±3, d = 10": two([3.0] * 10),
    "the same, weights .3 and .7, d = 5": two([3.0] * 5, weights=(0.3, 0.7)),
    "three correlated modes, d = 2": Target(
        np.array([[-4.0, 0.0], [4.0, 0.0], [0.0, 5.0]], np.float32), TILTED, np.array([0.2, 0.3, 0.5], np.float32)
    ),
    "two modes at ±300, d = 2": two([300.0] * 2, spread=300.0),
    "two modes at ±3 of scale .01, d = 2": two([3.0] * 2, scale=0.01),
}


def numpyro_model(target: Target):
    distribution = ndist.MixtureSameFamily(
        ndist.Categorical(target.weights), ndist.MultivariateNormal(target.locs, scale_tril=target.scale_trils)
    )
    prior = ndist.Normal(jnp.zeros(target.locs.shape[-1]), target.spread).to_event(1)

    def model():
        x = numpyro.sample("x", prior)
        numpyro.factor("target", distribution.log_prob(x) - prior.log_prob(x))

    return model


def pyro_model(target: Target):
    weights, locs, scale_trils = map(torch.from_numpy, (target.weights, target.locs, target.scale_trils))
    distribution = pdist.MixtureSameFamily(
        pdist.Categorical(weights), pdist.MultivariateNormal(locs, scale_tril=scale_trils)
    )
    prior = pdist.Normal(torch.zeros(locs.shape[-1]), target.spread).to_event(1)

    def model():
        x = pyro.sample("x", prior)
        pyro.factor("target", distribution.log_prob(x) - prior.log_prob(x))

    return model


def numpyro_gaps(model, guide, seeds: int) -> np.ndarray:
    steps = STEPS["NumPyro"]
    optimizer = numpyro.optim.ClippedAdam(lambda i: RATE * DECAY ** (i / steps))
    svi = numpyro.infer.SVI(model, guide, optimizer, numpyro.infer.Trace_ELBO(PARTICLES))
    svi.init(random.key(0))  # the guide's prototype, outside of jit

    @jax.jit
    def trained(key):
        state, _ = lax.scan(lambda state, _: svi.update(state), svi.init(key), None, length=steps)
        return svi.get_params(state)

    loss = jax.jit(lambda params: numpyro.infer.Trace_ELBO(DRAWS).loss(random.key(1), params, model, guide))
    return np.array([loss(trained(key)) for key in random.split(random.key(7), seeds)])


def pyro_gaps(model, new_guide, seeds: int) -> np.ndarray:
    found = []
    for seed in range(seeds):
        pyro.clear_param_store()
        pyro.set_rng_seed(seed)
        guide = new_guide(model)
        optimizer = pyro.optim.ClippedAdam({"lr": RATE, "lrd": DECAY ** (1 / STEPS["Pyro"])})
        svi = PyroSVI(model, guide, optimizer, PyroTraceELBO(PARTICLES, 1, vectorize_particles=True))
        for _ in range(STEPS["Pyro"]):
            svi.step()
        with torch.no_grad():
            found.append(PyroTraceELBO(DRAWS, 1, vectorize_particles=True).loss(model, guide))
    return np.array(found)


def row(name: str, target: Target) -> list[str]:
    model = numpyro_model(target)
    gaussian = numpyro_gaps(model, AutoMultivariateNormal(model), 1)[0]
    mixture = numpyro_gaps(model, numpyro_irg.infer.AutoMixture(model, COMPONENTS), SEEDS["NumPyro"])
    pyros = pyro_gaps(pyro_model(target), lambda model: pyro_irg.infer.AutoMixture(model, COMPONENTS), SEEDS["Pyro"])
    cells = [f"{np.median(gaps):.3f}, at most {gaps.max():.3f}" for gaps in (mixture, pyros)]
    print(name, gaussian, mixture.round(4), pyros.round(4), flush=True)
    return [name, f"{gaussian:.2f}", *cells]


if __name__ == "__main__":
    heads = [f"{library}, {seeds} seeds" for library, seeds in SEEDS.items()]
    rows = [row(name, target) for name, target in TARGETS.items()]
    publish("auto-mixture", markdown(["target", "one Gaussian", *heads], rows))
