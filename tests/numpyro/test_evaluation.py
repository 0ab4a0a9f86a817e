"""Importance weights, evidence and diagnostics of the Hamiltonian guide."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax.scipy.special import logsumexp
from numpyro.primitives import mutable

from numpyro_irg.infer import HVAE, AutoHVAE, AutoMixture, diagnostics, log_evidence, log_weights, weighted_draws
from numpyro_irg.infer.evaluation import pareto_k
from tests.numpyro.hvae import (
    DATA,
    encoder,
    jit,
    linear,
    log_p,
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


def test_chunks_give_the_same():
    """With a progress bar, the last chunk not full; of a subsample."""
    params = params_of(linear, encoder, DATA, size=60)
    options = {"size": 60, "num_samples": 700, "plate": "data"}
    one, other = (
        log_evidence(linear, encoder, params, jax.random.key(1), DATA, **options, **more)
        for more in ({}, {"progress_bar": True, "batch_size": 300})
    )
    for a, b in zip(one, other, strict=True):
        assert a.shape == (6,)
        np.testing.assert_allclose(a, b, rtol=1e-9)
    assert np.all(abs(one.log_evidence - log_p(DATA)) < 4.0 / np.sqrt(one.ess))


def test_pareto_k_under_jit():
    draws = np.random.default_rng(0).normal(size=(100, 5))
    assert np.isnan(jax.jit(pareto_k)(draws)).all()


def test_a_result_in_place_of_its_params():
    """NumPyro would take the guide's initial values, and return numbers like any others."""

    def model():
        numpyro.sample("z", dist.Normal(0.0, 1.0))

    guide = AutoMixture(model, 2)
    svi = numpyro.infer.SVI(model, guide, numpyro.optim.Adam(0.01), numpyro.infer.Trace_ELBO())
    result = svi.run(jax.random.key(0), 1, progress_bar=False)
    with pytest.raises(
        TypeError, match=r"log_evidence: params must be a dictionary, .* got SVIRunResult; write its \."
    ):
        log_evidence(model, guide, result, jax.random.key(1))
    for name, method in (("weighted_draws", weighted_draws), ("log_weights", log_weights)):
        with pytest.raises(TypeError, match=rf"{name}: params must be .* got SVIState; write svi.get_params\(state\)"):
            method(model, guide, result.state, jax.random.key(1))
    with pytest.raises(TypeError, match=r"AutoMixture.get_posterior: params must be a dictionary"):
        guide.sample_posterior(jax.random.key(1), result)


def with_scale(x):
    """A model with a parameter, which the guide sees too."""
    z = numpyro.sample("z", dist.Normal(0.0, numpyro.param("scale", 2.0)))
    numpyro.sample("x", dist.Normal(z, 1.0).expand(x.shape).to_event(1), obs=x)


def mean_field(x):
    loc = numpyro.param("loc", 0.3)
    numpyro.sample("z", dist.Normal(loc, 0.5))


def refined(transition):
    return HVAE(with_scale, mean_field, num_steps=1, transition=transition)


@pytest.mark.parametrize("missing", ["loc", "scale"])
@pytest.mark.parametrize("make", [lambda: mean_field, lambda: refined("leapfrog"), lambda: refined("refreshed")])
def test_a_parameter_without_a_value(make, missing):
    """NumPyro would take where it begins, and return numbers like any others."""
    guide, key = make(), jax.random.key(0)
    params = params_of(with_scale, guide, DATA)
    assert np.isfinite(log_weights(with_scale, guide, params, key, DATA, num_samples=2)).all()
    some = {name: value for name, value in params.items() if name != missing}
    for method in (log_weights, log_evidence, weighted_draws):
        with pytest.raises(ValueError, match=f"{method.__name__}: params has no value for the parameter '{missing}'"):
            method(with_scale, guide, some, key, DATA, num_samples=2)
    if isinstance(guide, HVAE):
        with pytest.raises(ValueError, match=f"diagnostics: params has no value for the parameter '{missing}'"):
            diagnostics(guide, some, key, DATA)


@pytest.mark.parametrize("make", [lambda model, guide: guide, lambda model, guide: HVAE(model, guide, num_steps=1)])
def test_mutable_state_without_a_value(make):
    """Such as a running mean: it would be the initial one."""

    def model(x):
        state = mutable("state", {"mean": jnp.array(0.0)})
        z = numpyro.sample("z", dist.Normal(state["mean"], 1.0))
        numpyro.sample("x", dist.Normal(z, 1.0).expand(x.shape).to_event(1), obs=x)

    guide = make(model, mean_field)
    svi = numpyro.infer.SVI(model, guide, numpyro.optim.Adam(0.01), numpyro.infer.Trace_ELBO())
    state = svi.init(jax.random.key(0), DATA)
    params, moved = svi.get_params(state), {"state": {"mean": jnp.array(3.0)}}
    found = [
        log_weights(model, guide, params | more, jax.random.key(1), DATA, num_samples=2)
        for more in (state.mutable_state, moved)
    ]
    assert np.isfinite(found).all() and not np.allclose(*found)
    message = r"params has no value for the mutable state 'state', .*; write svi.get_params\(state\) \| state.mutable"
    with pytest.raises(ValueError, match=message):
        log_weights(model, guide, params, jax.random.key(1), DATA, num_samples=2)
    if isinstance(guide, HVAE):
        diagnostics(guide, params | moved, jax.random.key(1), DATA)
        with pytest.raises(ValueError, match=message):
            diagnostics(guide, params, jax.random.key(1), DATA)


def test_autoguides_without_parameters():
    key = jax.random.key(0)
    guide = AutoHVAE(with_scale, num_steps=1).setup(DATA)
    for method in (guide.sample_posterior, lambda key, *args: guide.quantiles(*args[:1], [0.5], *args[1:])):
        with pytest.raises(ValueError, match=r"AutoHVAE.sample_posterior: params has .* write svi.get_params\(state\)"):
            method(key, {}, DATA)
    with pytest.raises(ValueError, match=r"AutoTransport.get_posterior: params has no value for"):
        guide.base.get_posterior({})
    mixture = AutoMixture(with_scale, 2).setup(DATA)
    with pytest.raises(ValueError, match=r"AutoMixture.get_posterior: params has no value for"):
        mixture.sample_posterior(key, {})


@pytest.mark.parametrize("weigh", [log_weights, log_evidence, weighted_draws])
def test_data_in_place_of_the_key(weigh):
    with pytest.raises(
        ValueError, match=rf"{weigh.__name__}: rng_key must be a JAX random key, got .*; write jax\.random"
    ):
        weigh(constrained, constrained, {}, DATA)
