"""Targets that no bar of the Hamiltonian guide names, and their evidences.

    python -m benchmarks.hvae_others

computes those that are not known in closed form, by annealed importance sampling (Neal 2001) from a Gaussian of NUTS'
draws, in float64: 400 chains of 1,000 temperatures, a Hamiltonian transition of 4 leapfrog steps at each; and writes
those that are not yet there with their standard errors to hvae_others.json.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as ndist
import pyro
import pyro.distributions as pdist
import torch
from jax import lax, random
from jax.flatten_util import ravel_pytree
from jax.scipy.special import gammaln, logsumexp
from numpyro.infer import MCMC, NUTS
from numpyro.infer.util import initialize_model
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

EVIDENCES = Path(__file__).parent / "hvae_others.json"
CHAINS, TEMPERATURES, LEAPS = 400, 1000, 4

# seeds that germinated, of how many, of two kinds in two extracts (Crowder 1978; BUGS's first example)
GERMINATED = [10, 23, 23, 26, 17, 5, 53, 55, 32, 46, 10, 8, 10, 8, 23, 0, 3, 22, 15, 32, 3]
SEEDS = [39, 62, 81, 51, 39, 6, 74, 72, 51, 79, 13, 16, 30, 28, 45, 4, 12, 41, 30, 51, 7]
KIND = [0.0] * 11 + [1.0] * 10
EXTRACT = [0.0] * 5 + [1.0] * 6 + [0.0] * 5 + [1.0] * 5


# failures of pumps, and hours of operation in thousands (Gaver, O'Muircheartaigh 1987; BUGS's second example)
FAILURES = [5, 1, 5, 14, 3, 19, 1, 1, 4, 22]
HOURS = [94.3, 15.7, 62.9, 126.0, 5.24, 31.4, 1.05, 1.05, 2.1, 10.5]

CHAIN_SD = 0.3


def standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / x.std(0)


def sonar_like() -> tuple[np.ndarray, np.ndarray]:
    """208 rows of 60 neighbouring bands, each much like the next, and a label that some of them tell."""
    rng = np.random.RandomState(0)
    bands = np.linalg.cholesky(0.9 ** np.abs(np.subtract.outer(np.arange(60), np.arange(60))))
    x = standardised(rng.randn(208, 60) @ bands.T)
    return x, (rng.rand(208) < 1.0 / (1.0 + np.exp(-x @ rng.randn(60)))).astype(float)


def two_groups() -> np.ndarray:
    rng = np.random.RandomState(1)
    return np.concatenate([rng.randn(12) - 2.0, rng.randn(8) + 2.0])


def models(sample: Callable, dist, array: Callable, xp, plate: Callable) -> dict[str, Callable]:
    """The targets in either library's words."""

    def normal(name, size, scale=1.0):
        return sample(name, dist.Normal(array(np.zeros(size)), scale).to_event(1))

    def ar(rho, size):
        cov = rho ** np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
        scale_tril = array(np.linalg.cholesky(cov))
        return lambda: sample("z", dist.MultivariateNormal(array(np.zeros(size)), scale_tril=scale_tril))

    def banana(sd):
        def model():
            z1 = sample("z1", dist.Normal(0.0, 1.0))
            sample("z2", dist.Normal(z1**2, sd))

        return model

    def funnel(size):
        def model():
            v = sample("v", dist.Normal(0.0, 3.0))
            sample("x", dist.Normal(array(np.zeros(size - 1)), xp.exp(v / 2)[..., None]).to_event(1))

        return model

    def dot(x, w):
        return (x * w).sum(-1)

    def logistic(x, y):
        x, y = array(np.column_stack([np.ones(len(x)), standardised(x)])), array(y)

        def model():
            w = normal("w", x.shape[1])
            with plate("rows", len(y)):
                sample("y", dist.Bernoulli(logits=dot(x, w)), obs=y)

        return model

    def germination():
        r, n, kind, extract = map(array, (GERMINATED, SEEDS, KIND, EXTRACT))
        b = [sample(f"b{i}", dist.Normal(0.0, 3.0)) for i in range(4)]
        scale = sample("scale", dist.HalfNormal(1.0))
        with plate("plates", len(SEEDS)):
            effect = sample("effect", dist.Normal(0.0, scale))
            logits = b[0] + b[1] * kind + b[2] * extract + b[3] * kind * extract + effect
            sample("r", dist.Binomial(n, logits=logits), obs=r)

    def regression(likelihood, weights):
        x, y = load_diabetes(return_X_y=True)
        x, y = array(standardised(x)), array(standardised(y))

        def model():
            fn = likelihood(dot(x, weights(x.shape[1])), sample("scale", dist.HalfNormal(1.0)))
            with plate("rows", len(y)):
                sample("y", fn, obs=y)

        return model

    def student(loc, scale):
        return dist.StudentT(4.0, loc, scale)

    def horseshoe(size):
        width = sample("width", dist.HalfCauchy(0.1))
        local = sample("local", dist.HalfCauchy(array(np.ones(size))).to_event(1))
        return normal("unit", size) * local * width[..., None]

    def mixture():
        y, half = array(two_groups()), array([0.5, 0.5])
        locs = normal("locs", 2, 3.0)
        with plate("rows", len(y)):
            parts = dist.Normal(locs, 1.0)
            sample("y", dist.MixtureSameFamily(dist.Categorical(half), parts), obs=y)

    def rosenbrock():
        x = sample("x", dist.Normal(array(np.ones(4)), 1.0).to_event(1))
        sample("links", dist.Normal(x[..., 1:] - x[..., :-1] ** 2, CHAIN_SD).to_event(1), obs=array(np.zeros(3)))

    def pumps():
        failures, hours = map(array, (FAILURES, HOURS))
        shape, rate = sample("shape", dist.Exponential(1.0)), sample("rate", dist.Gamma(0.1, 1.0))
        with plate("pumps", len(FAILURES)):
            intensity = sample("intensity", dist.Gamma(shape, rate))
            sample("failures", dist.Poisson(intensity * hours), obs=failures)

    iris, cancer = load_iris(return_X_y=True), load_breast_cancer(return_X_y=True)
    return {
        "AR(.99), d = 25": ar(0.99, 25),
        "banana, sd .1": banana(0.1),
        "Neal's funnel, d = 20": funnel(20),
        "logistic regression, d = 5": logistic(iris[0][50:], iris[1][50:] - 1.0),
        "logistic regression, d = 31": logistic(*cancer),
        "logistic regression, d = 61": logistic(*sonar_like()),
        "random effects, binomial, d = 26": germination,
        "Student-t regression, d = 11": regression(student, lambda size: normal("w", size)),
        "horseshoe regression, d = 22": regression(dist.Normal, horseshoe),
        "mixture of two, d = 2": mixture,
        "Rosenbrock chain, d = 4": rosenbrock,
        "pumps, Gamma and Poisson, d = 12": pumps,
    }


NUMPYRO = models(numpyro.sample, ndist, jnp.asarray, jnp, numpyro.plate)
PYRO = models(pyro.sample, pdist, lambda x: torch.as_tensor(np.asarray(x), dtype=torch.float32), torch, pyro.plate)
TARGETS = list(NUMPYRO)
KNOWN = TARGETS[:3]
"""Densities of total 1."""


def evidence(target: str) -> float:
    return 0.0 if target in KNOWN else json.loads(EVIDENCES.read_text())[target]["log evidence"]


def mixture_evidence() -> float:
    """By a grid over both locations."""
    loc = np.linspace(-12.0, 12.0, 1601)
    log_p = -0.5 * (loc / 3.0) ** 2 - math.log(3.0 * math.sqrt(2.0 * math.pi))
    log_p = log_p[:, None] + log_p[None]
    for y in two_groups():
        parts = -0.5 * (y - loc) ** 2 - math.log(2.0 * math.sqrt(2.0 * math.pi))
        log_p = log_p + np.logaddexp(parts[:, None], parts[None])
    return float(logsumexp(log_p) + 2.0 * math.log(loc[1] - loc[0]))


def chain_evidence() -> float:
    """By a grid over each two neighbours in turn."""
    x = np.linspace(-4.0, 6.0, 4001)
    log_prior = -0.5 * (x - 1.0) ** 2 - 0.5 * math.log(2.0 * math.pi) + math.log(x[1] - x[0])
    log_p = log_prior
    for _ in range(3):
        log_p = log_prior + np.array([logsumexp(log_p - 0.5 * ((to - x**2) / CHAIN_SD) ** 2) for to in x])
        log_p = log_p - math.log(CHAIN_SD * math.sqrt(2.0 * math.pi))
    return float(logsumexp(log_p))


def pumps_evidence() -> float:
    """By a grid over both hyperparameters' logarithms, the intensities integrated out."""
    log_a, log_b = np.meshgrid(np.linspace(-12.0, 6.0, 1201), np.linspace(-90.0, 6.0, 3201), indexing="ij")
    a, b = np.exp(log_a), np.exp(log_b)
    log_p = log_a - a + 0.1 * log_b - b - gammaln(0.1)
    for count, hours in zip(FAILURES, HOURS, strict=True):
        log_p = log_p + a * log_b + count * math.log(hours) + gammaln(a + count) - gammaln(a) - gammaln(count + 1.0)
        log_p = log_p - (a + count) * np.log(b + hours)
    return float(logsumexp(log_p)) + math.log((log_a[1, 0] - log_a[0, 0]) * (log_b[0, 1] - log_b[0, 0]))


EXACT: dict[str, Callable[[], float]] = {
    "mixture of two, d = 2": mixture_evidence,
    "Rosenbrock chain, d = 4": chain_evidence,
    "pumps, Gamma and Poisson, d = 12": pumps_evidence,
}


def annealed(model: Callable) -> tuple[float, float]:
    """log p(x) and the standard error of that."""
    mcmc = MCMC(NUTS(model), num_warmup=1000, num_samples=4000, progress_bar=False)
    mcmc.run(random.key(0))
    start = initialize_model(random.key(1), model)
    unconstrain = jax.jit(jax.vmap(lambda z: ravel_pytree(numpyro.infer.util.unconstrain_fn(model, (), {}, z))[0]))
    draws = unconstrain({name: x for name, x in mcmc.get_samples().items() if name in start.param_info.z})
    unpack = ravel_pytree(start.param_info.z)[1]
    loc, size = draws.mean(0), draws.shape[1]
    root = jnp.linalg.cholesky(1.5 * jnp.cov(draws.T).reshape(size, size))
    log_det = jnp.log(jnp.diagonal(root)).sum() + 0.5 * size * math.log(2.0 * math.pi)

    def target(u):
        return -start.potential_fn(unpack(loc + root @ u)) + log_det

    def tempered(u, beta):
        return beta * target(u) - (1.0 - beta) * 0.5 * jnp.sum(u * u)

    def chain(key):
        key, key_of_start = random.split(key)
        u = random.normal(key_of_start, (size,), root.dtype)
        # more of the temperatures near the start, where the target is far
        betas = jnp.linspace(0.0, 1.0, TEMPERATURES + 1) ** 2

        def move(state, now):
            (u, log_w), (key, before, beta) = state, now
            log_w = log_w + (beta - before) * (target(u) + 0.5 * jnp.sum(u * u))
            keys = random.split(key, 3)
            rho = random.normal(keys[0], u.shape, u.dtype)
            step = 0.6 * size**-0.25 * random.uniform(keys[1], (), u.dtype, 0.5, 1.0)
            slope = jax.grad(lambda u: tempered(u, beta))

            def leap(_, at):
                u, rho = at
                u = u + 0.5 * step * rho
                rho = rho + step * slope(u)
                return u + 0.5 * step * rho, rho

            there, after = lax.fori_loop(0, LEAPS, leap, (u, rho))
            gain = tempered(there, beta) - tempered(u, beta) + 0.5 * jnp.sum(rho * rho - after * after)
            good = jnp.log(random.uniform(keys[2], (), u.dtype)) < gain
            return (jnp.where(good, there, u), log_w), good

        steps = random.split(key, TEMPERATURES), betas[:-1], betas[1:]
        (_, log_w), accepted = lax.scan(move, (u, jnp.zeros((), u.dtype)), steps)
        return log_w, accepted.mean()

    log_w, accepted = jax.jit(lambda keys: lax.map(chain, keys, batch_size=50))(random.split(random.key(2), CHAINS))
    print(f"  acceptance {accepted.mean():.2f}, log-weights spread by {log_w.std():.2f}")
    w = jnp.exp(log_w - log_w.max())
    return float(logsumexp(log_w) - math.log(CHAINS)), float(w.std() / w.mean() / math.sqrt(CHAINS))


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    found = json.loads(EVIDENCES.read_text()) if EVIDENCES.exists() else {}
    for target, model in models(numpyro.sample, ndist, jnp.asarray, jnp, numpyro.plate).items():
        if target not in KNOWN and target not in found:
            value, error = (EXACT[target](), 0.0) if target in EXACT else annealed(model)
            found[target] = {"log evidence": round(value, 4), "standard error": round(error, 4)}
            print(target, found[target], flush=True)
            EVIDENCES.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
