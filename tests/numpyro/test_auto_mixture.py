"""AutoMixture on posteriors of two modes with known evidence."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from numpyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoMultivariateNormal

from numpyro_irg.infer import AutoMixture

LOCS = jnp.array([[-2.0, -1.0], [2.0, 1.0]])
SCALE_TRILS = jnp.array([[[0.6, 0.0], [0.4, 0.5]], [[0.8, 0.0], [-0.5, 0.4]]])


def model():
    """The posterior is a mixture of two Gaussians in (x, log y), and log p(data) = 0."""
    x = numpyro.sample("x", host.Normal(0.0, 3.0))
    y = numpyro.sample("y", host.LogNormal(0.0, 3.0))
    z = jnp.stack([x, jnp.log(y)], -1)
    components = host.MultivariateNormal(LOCS, scale_tril=SCALE_TRILS)
    target = host.MixtureSameFamily(host.Categorical(jnp.full(2, 0.5)), components)
    numpyro.factor("target", target.log_prob(z) - host.Normal(0.0, 3.0).log_prob(z).sum())


def trained(guide, seed):
    optimiser = numpyro.optim.ClippedAdam(lambda i: 0.03 * 0.99**i)
    return SVI(model, guide, optimiser, Trace_ELBO(16)).run(jax.random.key(seed), 400, progress_bar=False).params


def gap(guide, params):
    return float(Trace_ELBO(10_000).loss(jax.random.key(1), params, model, guide))


def test_search_finds_both_modes_from_every_seed():
    guide = AutoMixture(model, 4)
    svi = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO())
    states = jax.jit(jax.vmap(svi.init))(jax.random.split(jax.random.key(0), 20))
    params = jax.vmap(svi.get_params)(states)
    left = params["auto_origins"][..., 0] < 0.0
    weights = jax.nn.softmax(params["auto_log_weights"], -1)
    assert (left.sum(-1) == 2).all()
    np.testing.assert_allclose((weights * left).sum(-1), 0.5, atol=0.15)  # 256 draws; off by .15 costs .05 nats


def test_what_the_search_found_stands_still():
    guide = AutoMixture(model, 2)
    svi = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO())
    state = svi.init(jax.random.key(0))
    before, after = svi.get_params(state), svi.get_params(svi.update(state)[0])
    for name in ("auto_log_weights", "auto_origins", "auto_units"):
        np.testing.assert_array_equal(before[name], after[name])
    assert (before["auto_shifts"] != after["auto_shifts"]).all()


@pytest.mark.slow
def test_finds_both_modes():
    guide = AutoMixture(model, 4)
    params = trained(guide, seed=3)
    assert -0.02 < gap(guide, params) < 0.05
    found = guide.quantiles(params, [0.1, 0.5, 0.9])
    assert found["x"].shape == (3,) and found["x"][0] < -1.5 and found["x"][2] > 1.5
    assert (found["y"] > 0.0).all()
    assert set(guide.median(params)) == {"x", "y"}
    assert guide.sample_posterior(jax.random.key(0), params, sample_shape=(5, 2))["y"].shape == (5, 2)
    gaussian = AutoMultivariateNormal(model)
    assert gap(gaussian, trained(gaussian, seed=0)) > 0.5  # one mode of two: log 2


def initial(guide):
    svi = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO())
    return svi.get_params(svi.init(jax.random.key(0)))


def test_one_component_is_a_gaussian():
    guide = AutoMixture(model, 1, num_starts=0, init_scale=0.3)
    params = initial(guide)
    posterior = guide.get_posterior(params)
    assert posterior.has_rsample and posterior.event_shape == (2,)
    np.testing.assert_allclose(posterior.mean, params["auto_origins"][0], rtol=1e-6)
    np.testing.assert_allclose(posterior.variance, 0.09, rtol=1e-5)


def test_mean_field_elbo_keeps_the_jacobian():
    guide = AutoMixture(model, 3)
    params = initial(guide)
    losses = [elbo().loss(jax.random.key(1), params, model, guide) for elbo in (Trace_ELBO, TraceMeanField_ELBO)]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="num_components must be an integer >= 1, got 0"):
        AutoMixture(model, 0)
    with pytest.raises(ValueError, match="num_starts must be an integer >= 0, got -1"):
        AutoMixture(model, 2, num_starts=-1)
    with pytest.raises(ValueError, match=r"init_scale must be positive and finite, got -1\.0"):
        AutoMixture(model, 2, init_scale=-1.0)
    with pytest.raises(ValueError, match="init_spread must be positive and finite, got inf"):
        AutoMixture(model, 2, init_spread=float("inf"))


def test_quantiles_are_those_of_the_constrained_latents():
    def turned():
        numpyro.sample("below", host.RightTruncatedDistribution(host.Normal(0.0, 1.0), 0.0))
        numpyro.sample("shares", host.Dirichlet(jnp.array([1.0, 1.0, 5.0])))

    guide = AutoMixture(turned, 1, num_starts=0, init_scale=0.5)
    params = initial(guide)
    found = guide.quantiles(params, [0.1, 0.9], num_samples=4000)
    draws = guide.sample_posterior(jax.random.key(1), params, sample_shape=(4000,))
    for name, (low, high) in found.items():
        assert (low < high).all(), name
        np.testing.assert_allclose((draws[name] < low).mean(0), 0.1, atol=0.04)  # 5 standard errors of 4,000 draws
