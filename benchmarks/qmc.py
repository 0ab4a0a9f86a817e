"""`QMC_ELBO` against as many independent particles: variance of the gradient, and time of value and gradient.

    NPROC=1 OMP_NUM_THREADS=1 python -m benchmarks.qmc [--write] [--rows Gamma ...]

64 particles, in float32.  Variances are those of 200 gradients, summed over the parameters; times are CPU seconds of
runs that take turns in one process, the median ratio.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.infer
import pyro
import pyro.infer
import torch

import numpyro_irg.distributions as numpyro_dist
import numpyro_irg.infer
import pyro_irg.distributions as pyro_dist
import pyro_irg.infer
from benchmarks.tables import command_line, markdown, publish

PARTICLES, GRADIENTS, TURNS, REPEATS = 64, 200, 9, 8


def two(dist: Any, components: Callable) -> Callable:
    """A mixture whose logits come first."""
    return lambda p: dist.MixtureSameFamily(dist.Categorical(logits=p[:2]), components(p[2:4], p[4:6]))


# name -> (parameters of the guide, guide and model as functions of the module of distributions)
ROWS: dict[str, tuple] = {
    "Gamma": ((1.2, 0.7), lambda d: lambda p: d.Gamma(p[0] * p[0], p[1] * p[1]), lambda d: d.Gamma(2.0, 1.0)),
    "Beta": ((1.5, 1.2), lambda d: lambda p: d.Beta(p[0] * p[0], p[1] * p[1]), lambda d: d.Beta(3.0, 2.0)),
    "VonMises": ((0.5, 1.7), lambda d: lambda p: d.VonMises(p[0], p[1] * p[1]), lambda d: d.VonMises(0.0, 2.0)),
    "mixture of Normal": (
        (0.1, 0.5, -1.0, 1.0, 0.5, 0.8),
        lambda d: two(d, lambda loc, scale: d.Normal(loc, scale)),
        lambda d: d.Normal(0.5, 2.0),
    ),
    "mixture of Gamma": (
        (0.1, 0.5, 2.0, 5.0, 1.0, 0.8),
        lambda d: two(d, lambda a, rate: d.Gamma(a, rate)),
        lambda d: d.Gamma(2.0, 0.5),
    ),
    "AutoNormal": ((), None, None),
}


def regression(sample: Callable, dist: Any, like: Callable) -> Callable:
    def model() -> None:
        x = sample("x", dist.Normal(like([0.0, 0.0]), 1.0).to_event(1))
        sample("y", dist.Normal(x.sum(-1), 0.5), obs=like(1.0))

    return model


def in_pyro(name: str, *elbos: Any) -> list[Callable[[int], np.ndarray]]:
    """For each ELBO, seed -> gradient."""
    start, guide_of, model_of = ROWS[name]
    pyro.clear_param_store()
    if guide_of is None:
        model = regression(pyro.sample, pyro_dist, torch.tensor)
        guide: Any = pyro.infer.autoguide.AutoNormal(model, init_loc_fn=pyro.infer.autoguide.init_to_mean)
        guide()
        params = list(guide.parameters())
    else:
        params = [pyro.param("p", torch.tensor(start))]
        guide = lambda: pyro.sample("x", guide_of(pyro_dist)(pyro.param("p")))  # noqa: E731
        model = lambda: pyro.sample("x", model_of(pyro_dist))  # noqa: E731

    def gradient(elbo: Any, seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        for p in params:
            p.grad = None
        elbo.loss_and_grads(model, guide)
        return np.concatenate([p.grad.numpy().ravel() for p in params])

    return [partial(gradient, elbo) for elbo in elbos]


def in_numpyro(name: str, *elbos: Any) -> list[Callable[[int], np.ndarray]]:
    start, guide_of, model_of = ROWS[name]
    if guide_of is None:
        model = regression(numpyro.sample, numpyro_dist, jnp.asarray)
        guide: Any = numpyro.infer.autoguide.AutoNormal(model, init_loc_fn=numpyro.infer.init_to_mean)
        state = numpyro.infer.SVI(model, guide, numpyro.optim.Adam(1e-3), elbos[0])
        params: Any = state.get_params(state.init(jax.random.key(0)))
    else:
        params = {"p": jnp.asarray(start)}
        guide = lambda: numpyro.sample("x", guide_of(numpyro_dist)(numpyro.param("p", params["p"])))  # noqa: E731
        model = lambda: numpyro.sample("x", model_of(numpyro_dist))  # noqa: E731

    def gradient(elbo: Any) -> Callable[[int], np.ndarray]:
        step = jax.jit(jax.grad(lambda params, seed: elbo.loss(jax.random.key(seed), params, model, guide)))
        return lambda seed: np.concatenate([np.ravel(g) for g in jax.tree.leaves(step(params, seed))])

    return [gradient(elbo) for elbo in elbos]


def seconds(run: Callable[[int], Any]) -> float:
    start = process_time()
    for seed in range(REPEATS):
        run(seed)
    return process_time() - start


LIBRARIES = {
    "Pyro": (
        in_pyro,
        lambda: pyro.infer.Trace_ELBO(num_particles=PARTICLES, vectorize_particles=True, max_plate_nesting=0),
        lambda: pyro_irg.infer.QMC_ELBO(num_particles=PARTICLES, max_plate_nesting=0),
    ),
    "NumPyro": (
        in_numpyro,
        lambda: numpyro.infer.Trace_ELBO(num_particles=PARTICLES),
        lambda: numpyro_irg.infer.QMC_ELBO(num_particles=PARTICLES),
    ),
}


def row(library: str, name: str) -> list[str]:
    gradient_by, independent, quasi = LIBRARIES[library]
    plain, ours = gradient_by(name, independent(), quasi())
    spread = [np.var([run(seed) for seed in range(GRADIENTS)], axis=0).sum() for run in (plain, ours)]
    ratios = [seconds(ours) / seconds(plain) for _ in range(TURNS)]
    return [name, library, f"{spread[0] / spread[1]:.0f}", f"{statistics.median(ratios):.2f}"]


if __name__ == "__main__":
    options = command_line(__doc__, ROWS).parse_args()
    torch.set_num_threads(1)
    rows = [row(library, name) for name in options.rows for library in LIBRARIES]
    publish("qmc", markdown(["guide", "library", "variance, times less", "time ratio"], rows), options.write)
