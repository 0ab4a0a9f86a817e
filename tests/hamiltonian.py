"""Models whose evidence is known, and guides for them: what the tests of the Hamiltonian guide share."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

DATA = np.array([0.5, -1.0, 2.0, 0.3, 1.1, -0.4])
COUNTS = np.array([1.0, 0.0, 3.0, 2.0])
WEIGHTS = np.array([1.0, 0.5])


@dataclass(frozen=True)
class Case:
    """A model and a base guide of some data, and whether the latents are of one datum each."""

    model: Callable
    base: Callable
    evidence: Callable
    """log p(x), of each datum where there is a plate of latents alone"""
    plate: str | None = None


@functools.cache
def local(adapter) -> Case:
    """z_i ~ N(0, I) in two dimensions, x_i ~ N(w.z_i + bias, .7^2)."""
    array, dist = adapter.array, adapter.dist

    def model(x, size=None):
        bias = adapter.param("bias", array(0.2))
        with adapter.plate("data", len(x), subsample_size=size) as rows:
            z = adapter.sample("z", dist.Normal(array(np.zeros(2)), 1.0).to_event(1))
            adapter.sample("x", dist.Normal(z @ array(WEIGHTS) + bias, 0.7), obs=x[rows])

    def base(x, size=None):
        slope = adapter.param("slope", array([0.5, 0.3]))
        scale = adapter.param("scale", array([0.6, 0.9]), adapter.constraints.positive)
        with adapter.plate("data", len(x), subsample_size=size) as rows:
            adapter.sample("z", dist.Normal(x[rows][:, None] * slope, scale).to_event(1))

    def evidence(x):
        return stats.norm.logpdf(x, 0.2, math.sqrt(0.49 + np.sum(WEIGHTS**2)))

    return Case(model, base, evidence, "data")


def _evidence_of_one_mean(x):
    return stats.multivariate_normal.logpdf(x, cov=np.eye(len(x)) + 1.0)


@functools.cache
def shared(adapter) -> Case:
    """mu ~ N(0, 1), x_i ~ N(mu, 1); of the data there may be more than are given."""
    dist = adapter.dist

    def model(x, size=None):
        mu = adapter.sample("mu", dist.Normal(0.0, 1.0))
        with adapter.plate("data", len(x) if size is None else size, subsample_size=len(x)):
            adapter.sample("x", dist.Normal(mu, 1.0), obs=x)

    def base(x, size=None):
        adapter.sample("mu", dist.Normal(adapter.param("m", adapter.array(0.3)), 0.5))

    return Case(model, base, _evidence_of_one_mean)


@functools.cache
def mixed(adapter) -> Case:
    """mu ~ N(0, 1), z_i ~ N(mu, .8^2), x_i ~ N(z_i, .6^2); the base's scale of z depends on mu."""
    dist = adapter.dist

    def model(x):
        mu = adapter.sample("mu", dist.Normal(0.0, 1.0))
        with adapter.plate("data", len(x)):
            z = adapter.sample("z", dist.Normal(mu, 0.8))
            adapter.sample("x", dist.Normal(z, 0.6), obs=x)

    def base(x):
        mu = adapter.sample("mu", dist.Normal(0.3, 0.5))
        with adapter.plate("data", len(x)):
            adapter.sample("z", dist.Normal(0.5 * (x + mu), 0.5 + 0.1 * mu**2))

    return Case(model, base, _evidence_of_one_mean)


CASES = {"local": local, "global": shared, "mixed": mixed}


@functools.cache
def counts(adapter) -> Callable:
    """A constrained latent: rate ~ Gamma(3, 2), x_i ~ Poisson(rate); the posterior is Gamma(3 + sum x, 2 + n)."""

    def model(x):
        rate = adapter.sample("rate", adapter.dist.Gamma(3.0, 2.0))
        with adapter.plate("data", len(x)):
            adapter.sample("x", adapter.host.Poisson(rate), obs=x)

    return model


def counts_evidence(x: np.ndarray) -> float:
    n, total = len(x), x.sum()
    found = 3.0 * math.log(2.0) - math.lgamma(3.0) + math.lgamma(3.0 + total) - (3.0 + total) * math.log(2.0 + n)
    return found - sum(math.lgamma(k + 1.0) for k in x)


@functools.cache
def banana(adapter) -> Callable:
    """Evidence 1."""

    def model():
        a = adapter.sample("a", adapter.dist.Normal(0.0, 1.0))
        adapter.sample("b", adapter.dist.Normal(a * a, 0.3))

    return model


def leapfrog(adapter, base="AutoNormal") -> dict:
    """The paper's steps over a mean-field base."""
    return {"base": getattr(adapter.autoguide, base), "transition": "leapfrog"}


def assert_mean_weight(weights: np.ndarray, exact: np.ndarray, within: float = 0.1) -> None:
    """E[w] is the evidence: within 4.5 standard errors, which six tests in a million exceed."""
    ratio = np.exp(weights - exact)
    error = ratio.std(0) / math.sqrt(len(ratio))
    assert np.all(error < within), error  # else the test would say nothing
    assert np.all(np.abs(ratio.mean(0) - 1.0) < 4.5 * error), (ratio.mean(0), error)


def check_mean_weight(adapter, model, guide, params, *args, exact, num_samples=20_000, plate=None, within=0.1):
    options = {"num_samples": num_samples, "batch_size": num_samples // 2, "plate": plate}
    assert_mean_weight(adapter.log_weights(model, guide, params, *args, **options), exact, within)
