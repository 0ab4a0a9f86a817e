"""Importance weights, evidence and diagnostics of the Hamiltonian guide."""

import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax.scipy.special import logsumexp

from numpyro_irg.infer import HVAE, diagnostics, log_evidence, log_weights
from numpyro_irg.infer.evaluation import pareto_k
from tests.numpyro.hvae import (
    DATA,
    encoder,
    jit,
    linear,
    log_p,
    mixed,
    mixed_base,
    mixed_log_p,
    params_of,
    settings,
)


@pytest.fixture(autouse=True)
def float64():
    with settings():
        yield


def constrained(x):
    rate = numpyro.sample("rate", dist.Gamma(2.0, 2.0))
    share = numpyro.sample("share", dist.Dirichlet(jnp.array([2.0, 3.0, 4.0])))
    top = numpyro.sample("top", dist.Uniform(0.0, rate))  # a support that depends on another latent
    with numpyro.plate("data", len(x)):
        numpyro.sample("x", dist.Normal(top + share[0] - share[2], rate), obs=x)


def test_constrained_sites():
    """The evidence by the flow is the one by draws from the prior."""

    def base(x):
        rate = numpyro.sample("rate", dist.LogNormal(0.0, 0.5))
        numpyro.sample("share", dist.Dirichlet(jnp.array([2.0, 3.0, 4.0])))
        numpyro.sample("top", dist.Uniform(0.0, rate))

    guide = HVAE(constrained, base, num_steps=2, tempering="fixed")
    params = params_of(constrained, guide, DATA)
    found = log_evidence(constrained, guide, params, jax.random.key(1), DATA, num_samples=20_000, batch_size=4000)

    def by_prior(key, size=100_000):
        keys = jax.random.split(key, 3)
        rate = dist.Gamma(2.0, 2.0).sample(keys[0], (size, 1))
        share = dist.Dirichlet(jnp.array([2.0, 3.0, 4.0])).sample(keys[1], (size,))
        centre = rate * jax.random.uniform(keys[2], (size, 1)) + share[:, :1] - share[:, 2:]
        return logsumexp(dist.Normal(centre, rate).log_prob(DATA).sum(-1)) - math.log(size)

    assert found.ess > 400
    np.testing.assert_allclose(found.log_evidence, jit(by_prior)(jax.random.key(7)), atol=0.1)


def test_global_and_local_sites():
    """Evidence of a hierarchical model in closed form; the base's local distribution depends on the global draw."""
    hvae = HVAE(mixed, mixed_base, num_steps=3, step_size=0.3, tempering="fixed")
    params = params_of(mixed, hvae, DATA)
    found = log_evidence(mixed, hvae, params, jax.random.key(1), DATA, num_samples=8000, batch_size=2000)
    np.testing.assert_allclose(found.log_evidence, mixed_log_p(DATA), atol=0.1)
    told = diagnostics(hvae, params, jax.random.key(0), DATA)
    assert told["rejected"] == 0.0 and told["inverse_temperatures"].shape == (4,)


TAILS = jnp.array([0.2, 0.5, 0.9])


def pareto_base():
    with numpyro.plate("data", 3):
        return numpyro.sample("z", dist.Exponential(1.0))


def pareto_model():
    z = pareto_base()
    with numpyro.plate("data", 3):
        numpyro.factor("tilt", TAILS * z)


def test_pareto_k():
    """w = e^(k z) of an exponential z is Pareto distributed with shape k; the error of the fit is about 0.06."""
    found = log_evidence(pareto_model, pareto_base, {}, jax.random.key(0), num_samples=40_000, plate="data")
    np.testing.assert_allclose(found.pareto_k, TAILS, atol=0.2)
    np.testing.assert_allclose(found.log_evidence[:1], -jnp.log1p(-TAILS[:1]), atol=0.02)
    assert log_evidence(pareto_model, pareto_base, {}, jax.random.key(0), num_samples=100).pareto_k.shape == ()


def test_pareto_k_where_there_is_none():
    """NaN or infinite weights; one weight for all of the tail, here the last 20 of 100; `jit`; few draws."""
    draws = np.random.default_rng(0).normal(size=(100, 5))
    draws[0, 0], draws[0, 1] = np.nan, np.inf
    draws[:, 2] = np.minimum(draws[:, 2], np.sort(draws[:, 2])[-20])
    draws[:, 3] = -1.0
    found = pareto_k(jnp.asarray(draws))
    assert np.isnan(found[:2]).all() and np.isneginf(found[2:4]).all() and np.isfinite(found[4])
    assert np.isnan(jax.jit(pareto_k)(draws)).all() and np.isnan(pareto_k(jnp.asarray(draws[:20, 4])))


def test_arviz_stats_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz_stats.base", None)
    with pytest.raises(ImportError, match=r'pip install "pyro-irg\[numpyro\]"'):
        log_evidence(pareto_model, pareto_base, {}, jax.random.key(0), num_samples=100)


def test_evidence_of_each_datum():
    """The same in chunks with a progress bar; the last chunk is not full."""
    guide = HVAE(linear, encoder, num_steps=3, step_size=0.3, tempering="fixed")
    params = params_of(linear, guide, DATA, size=60)
    options = {"size": 60, "num_samples": 700, "plate": "data"}
    one, other = (
        log_evidence(linear, guide, params, jax.random.key(1), DATA, **options, **more)
        for more in ({}, {"progress_bar": True, "batch_size": 300})
    )
    for a, b in zip(one, other, strict=True):
        assert a.shape == (6,)
        np.testing.assert_allclose(a, b, rtol=1e-9)
    assert np.all(one.pareto_k < 0.7) and np.all(one.ess > 200)
    assert np.all(abs(one.log_evidence - log_p(DATA)) < 4.0 / np.sqrt(one.ess))


def test_bad_arguments():
    with pytest.raises(ValueError, match="num_samples must be an integer >= 1, got 0"):
        log_weights(pareto_model, pareto_base, {}, jax.random.key(0), num_samples=0)
    with pytest.raises(ValueError, match="'z' is not inside the plate 'rows'"):
        log_weights(pareto_model, pareto_base, {}, jax.random.key(0), plate="rows")


def test_no_steps_have_no_diagnostics():
    assert diagnostics(HVAE(linear, encoder, num_steps=0), {}, jax.random.key(0), DATA) == {}
