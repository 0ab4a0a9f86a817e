"""Path gradients: the mean is the usual gradient's, the noise vanishes at the posterior."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pytest
from numpyro.distributions import constraints
from numpyro.infer import RenyiELBO, Trace_ELBO
from numpyro.infer.autoguide import AutoMultivariateNormal, AutoNormal

import numpyro_irg.distributions as dist
from numpyro_irg.infer import HVAE, AutoMixture, PathGradientELBO
from tests.numpyro.hvae import DATA, fit, jit, mixed, mixed_base, mixed_log_p, settings, summed, summed_base


@pytest.fixture(autouse=True)
def float64():
    with settings():
        yield


def model(x):
    """With a parameter of its own; the posterior at centre 0 is N(sum x / 7, 1/7)."""
    mu = numpyro.sample("mu", dist.Normal(numpyro.param("centre", 0.4), 1.0))
    with numpyro.plate("data", len(x)):
        numpyro.sample("x", dist.Normal(mu, 1.0), obs=x)


def guide(x):
    scale = numpyro.param("scale", 0.6, constraint=constraints.positive)
    numpyro.sample("mu", dist.Normal(numpyro.param("m", 0.3), scale))


PARAMS = {"centre": jnp.array(0.4), "m": jnp.array(0.3), "scale": jnp.array(0.6)}


def slopes(elbo, count, params=PARAMS):
    """The gradients of `count` evaluations, columns centre, m, scale."""

    def one(key, params):
        found = jax.grad(lambda p: elbo.loss(key, p, model, guide, DATA))(params)
        return jnp.stack([found[name] for name in sorted(params)])

    params = {name: jnp.asarray(value, float) for name, value in params.items()}
    return jit(lambda keys: jax.lax.map(lambda key: one(key, params), keys))(jax.random.split(jax.random.key(1), count))


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (PathGradientELBO(50), Trace_ELBO(50)),
        (PathGradientELBO(50, 4), RenyiELBO(alpha=0.0, num_particles=4)),
    ],
)
def test_the_mean_gradient_is_the_usual_one(ours, theirs):
    path, usual = slopes(ours, 200), slopes(theirs, 4000)
    error = jnp.sqrt(path.var(0) / len(path) + usual.var(0) / len(usual))
    assert jnp.all(jnp.abs(path.mean(0) - usual.mean(0)) < 4.5 * error)


@pytest.mark.parametrize("num_importance", [1, 5])
def test_no_noise_at_the_posterior(num_importance):
    params = {"centre": 0.0, "m": DATA.sum() / 7.0, "scale": 7.0**-0.5}
    noise = slopes(PathGradientELBO(1, num_importance), 50, params)[:, 1:].std(0)
    assert jnp.all(noise < 1e-13)  # rounding
    assert jnp.all(slopes(Trace_ELBO(), 50, params)[:, 1:].std(0) > 0.1)


def test_the_value_is_the_hosts():
    key = jax.random.key(0)
    for ours, theirs in (
        (PathGradientELBO(20_000), Trace_ELBO(20_000)),
        (PathGradientELBO(1, 20_000), lambda: None),
    ):
        found = jit(lambda ours=ours: ours.loss(key, {}, mixed, mixed_base, DATA))()
        if isinstance(theirs, Trace_ELBO):
            expected = jit(lambda theirs=theirs: theirs.loss(key, {}, mixed, mixed_base, DATA))()
        else:
            expected = -mixed_log_p(DATA)
        # 5 standard errors of log-weights that spread by two nats
        np.testing.assert_allclose(found, expected, atol=0.1)


@pytest.mark.parametrize("make", [AutoNormal, AutoMultivariateNormal, lambda m: AutoMixture(m, 2, num_starts=2)])
def test_a_guide_that_can_be_the_posterior_becomes_it(make):
    automatic = make(summed)
    numpyro.handlers.seed(automatic, 0)(DATA)
    elbo = PathGradientELBO(8)
    params, _ = fit(summed, automatic, DATA, steps=400, rate=0.03, elbo=elbo)
    loss = jit(lambda params: elbo.loss(jax.random.key(5), params, summed, automatic, DATA))(params)
    # no noise: the gap is the optimiser's distance alone (2e-3 with a mixture, which the posterior is one half of)
    np.testing.assert_allclose(loss, -mixed_log_p_of_summed(), atol=5e-3)


def mixed_log_p_of_summed():
    return dist.MultivariateNormal(jnp.zeros(6), jnp.eye(6) + 1.0).log_prob(DATA)


def test_what_it_refuses():
    with pytest.raises(ValueError, match="must be at least 1, got 0 and 1"):
        PathGradientELBO(0)
    with pytest.raises(ValueError, match="a Hamiltonian guide needs Trace_ELBO"):
        PathGradientELBO().loss(jax.random.key(0), {}, summed, HVAE(summed, summed_base, num_steps=1), DATA)

    def discrete(x):
        numpyro.sample("mu", dist.Normal(0.0, 1.0).to_event(0))
        numpyro.sample("k", numpyro.distributions.Poisson(1.0), infer={"is_auxiliary": True})

    with pytest.raises(ValueError, match="site 'k' is not reparameterized"):
        PathGradientELBO().loss(jax.random.key(0), {}, summed, discrete, DATA)
