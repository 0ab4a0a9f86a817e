"""The Hamiltonian guide with refreshed momenta, whose every point is weighed."""

import copy
import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pytest
from jax.scipy.special import gammaln, logsumexp
from numpyro.handlers import replay, seed, substitute, trace
from numpyro.infer import SVI, RenyiELBO, Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoMultivariateNormal, AutoNormal
from numpyro.infer.initialization import init_to_value

import numpyro_irg.distributions as dist
from numpyro_irg.infer import HVAE, AutoHVAE, diagnostics, log_weights
from tests.numpyro.hvae import (
    DATA,
    encoder,
    fit,
    jit,
    linear,
    log_p,
    mixed,
    mixed_base,
    params_of,
    settings,
    summed,
    summed_base,
)


@pytest.fixture(autouse=True)
def float64():
    with settings():
        yield


def mixed_log_p(x):
    return dist.MultivariateNormal(jnp.zeros(len(x)), jnp.eye(len(x)) + 1.0).log_prob(x)


CASES = {
    "local": (linear, encoder, lambda x: log_p(x).sum()),
    "global": (summed, summed_base, mixed_log_p),
    "mixed": (mixed, mixed_base, mixed_log_p),
}


def shaken(model, guide, *args, deviation=0.2):
    """Random parameters that the guide has never been trained to."""
    if isinstance(guide, AutoHVAE):
        seed(guide.guide, 0)(*args)
    key, found = jax.random.key(1), {}
    for i, (name, value) in enumerate(params_of(model, guide, *args).items()):
        noise = deviation * jax.random.normal(jax.random.fold_in(key, i), jnp.shape(value))
        if name.endswith("persistence"):
            value = jnp.tanh(jnp.arctanh(value) + noise)
        elif not name.endswith(("origin", "unit", "scale", "scale_tril", "s")):
            value = value + noise
        found[name] = value
    return found


def weights_of(model, guide, params, *args, num_samples=20_000, plate=None):
    def draw(params):
        options = {"num_samples": num_samples, "batch_size": num_samples // 4, "plate": plate}
        return log_weights(model, guide, params, jax.random.key(2), *args, **options)

    return jit(draw)(params)


def assert_mean_weight(weights, exact):
    """E[w] is the evidence: within 4.5 standard errors, which six tests in a million exceed."""
    ratio = jnp.exp(weights - exact)
    error = ratio.std(0) / math.sqrt(len(ratio))
    assert jnp.all(error < 0.1), error  # else the test would say nothing
    assert jnp.all(jnp.abs(ratio.mean(0) - 1.0) < 4.5 * error), (ratio.mean(0), error)


@pytest.mark.parametrize("name", CASES)
def test_mean_weight(name):
    model, base, evidence = CASES[name]
    guide = HVAE(model, base, num_steps=3, transition="refreshed")
    assert_mean_weight(weights_of(model, guide, shaken(model, guide, DATA), DATA), evidence(DATA))


def test_mean_weight_of_each_datum():
    guide = HVAE(linear, encoder, num_steps=3, transition="refreshed")
    params = shaken(linear, guide, DATA)
    assert_mean_weight(weights_of(linear, guide, params, DATA, plate="data"), log_p(DATA))
    # minibatches average to the full loss: the same particles, so that the halves differ by their draws alone
    loss = jit(lambda x: Trace_ELBO(20_000).loss(jax.random.key(3), params, linear, guide, x, 6))
    mean = weights_of(linear, guide, params, DATA).mean()
    # 5 standard errors of means of log-weights that spread by .7
    np.testing.assert_allclose(0.5 * (loss(DATA[:3]) + loss(DATA[3:])), -mean, atol=0.05)


def counts(x):
    """A constrained latent: rate ~ Gamma(3, 2), x_i ~ Poisson(rate)."""
    rate = numpyro.sample("rate", dist.Gamma(3.0, 2.0))
    with numpyro.plate("data", len(x)):
        numpyro.sample("x", numpyro.distributions.Poisson(rate), obs=x)


COUNTS = np.array([1, 0, 3, 2])


def counts_evidence(x):
    n, total = len(x), x.sum()
    found = 3.0 * math.log(2.0) - math.lgamma(3.0) + math.lgamma(3.0 + total) - (3.0 + total) * math.log(2.0 + n)
    return found - gammaln(x + 1.0).sum()


BASES = [{}, *({"base": base, "base_options": {"init_scale": 0.6}} for base in (AutoNormal, AutoMultivariateNormal))]


@pytest.mark.parametrize("options", BASES)
def test_mean_weight_over_an_automatic_base(options):
    """And the draws, weighted, are the posterior's, a Gamma(3 + sum x, 2 + n)."""
    guide = AutoHVAE(counts, num_steps=3, **options)
    params = shaken(counts, guide, COUNTS)

    def one(key):
        with substitute(data=params):
            drawn = trace(seed(guide, key)).get_trace(COUNTS)
        joint = trace(replay(seed(counts, 0), drawn)).get_trace(COUNTS)

        def total(sites):
            found = 0.0
            for site in sites.values():
                if site["type"] == "sample":
                    inner = (site["intermediates"],) if site["intermediates"] else ()
                    found = found + jnp.sum(site["fn"].log_prob(site["value"], *inner))
            return found

        return total(joint) - total(drawn), drawn["rate"]["value"]

    log_w, rate = jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 20_000))
    assert_mean_weight(log_w, counts_evidence(COUNTS))
    w = jax.nn.softmax(log_w)
    for power, exact in ((1, 9.0 / 6.0), (2, 9.0 * 10.0 / 36.0)):
        mean = jnp.sum(w * rate**power)
        # 4.5 standard errors of a ratio of means
        assert abs(mean - exact) < 4.5 * jnp.sqrt(jnp.sum(w**2 * (rate**power - mean) ** 2))


def test_mean_weight_of_latents_in_a_plate():
    guide = AutoHVAE(mixed, num_steps=2)
    params = shaken(mixed, guide, DATA[:2], deviation=0.05)
    assert_mean_weight(weights_of(mixed, guide, params, DATA[:2]), mixed_log_p(DATA[:2]))


def test_more_latents_than_a_dense_map_has():
    def model():
        numpyro.sample("z", dist.Normal(jnp.zeros(120), 1.0).to_event(1))

    start = init_to_value(values={"z": jnp.zeros(120)})
    guide = AutoHVAE(model, num_steps=2, init_loc_fn=start, base_options={"init_scale": 1.0})
    params = shaken(model, guide, deviation=0.005)
    assert params["auto_unit"].shape == (120,) and params["auto_lower"].shape == (11, 120)
    assert_mean_weight(weights_of(model, guide, params, num_samples=4000), 0.0)


def test_global_latents_of_minibatches_are_weighed_at_the_last_point():
    """A mean of weights that are scaled up from a part of the data would lie above the evidence."""

    def part(x, size=6):
        mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
        with numpyro.plate("data", size, subsample_size=len(x)):
            numpyro.sample("x", dist.Normal(mu, 1.0), obs=x)

    guide = HVAE(part, lambda *args: summed_base(None), num_steps=2, transition="refreshed")
    params = params_of(part, guide, DATA[:2])
    assert diagnostics(guide, params, jax.random.key(0), DATA[:2])["posterior_shares"].tolist() == [0.0, 0.0, 1.0]
    assert all(diagnostics(guide, params, jax.random.key(0), DATA)["posterior_shares"] > 0.0)
    # before training the last point is a draw of the base
    loss = jit(lambda: Trace_ELBO(20_000).loss(jax.random.key(3), params, part, guide, DATA[:2]))()
    base = jit(lambda: Trace_ELBO(20_000).loss(jax.random.key(4), {}, part, lambda *_: summed_base(None), DATA[:2]))()
    # 4.5 standard errors of two means of log-weights that spread by about 4
    np.testing.assert_allclose(loss, base, atol=4.5 * 4.0 * (2.0 / 20_000) ** 0.5)


@pytest.mark.parametrize("name", CASES)
def test_every_elbo_sees_the_same_loss(name):
    model, base, evidence = CASES[name]
    guide = HVAE(model, base, num_steps=3, transition="refreshed")
    params = shaken(model, guide, DATA)

    def loss(elbo):
        return jit(lambda: elbo.loss(jax.random.key(1), params, model, guide, DATA))()

    expected = loss(Trace_ELBO(2000))
    np.testing.assert_allclose(loss(TraceGraph_ELBO(2000)), expected, rtol=1e-10)
    np.testing.assert_allclose(loss(TraceMeanField_ELBO(2000)), expected, rtol=1e-10)
    assert -expected < -loss(RenyiELBO(alpha=0.0, num_particles=2000)) < evidence(DATA) + 0.1


def test_before_training_it_is_the_importance_weighted_bound():
    """K + 1 independent draws of the base, for each datum."""
    guide = HVAE(linear, encoder, num_steps=4, transition="refreshed")
    params = params_of(linear, guide, DATA)
    base = weights_of(linear, encoder, params, DATA, num_samples=50_000, plate="data")
    bound = logsumexp(base.reshape(10_000, 5, len(DATA)), axis=1) - math.log(5.0)
    found = weights_of(linear, guide, params, DATA, num_samples=10_000, plate="data")
    error = jnp.sqrt((bound.var(0) + found.var(0)) / 10_000)
    assert jnp.all(jnp.abs(bound.mean(0) - found.mean(0)) < 4.5 * error)


def test_gradients():
    """Of the model's parameter and of the guide's, by finite differences on the same draws."""
    guide = HVAE(linear, encoder, num_steps=2, transition="refreshed")
    params = shaken(linear, guide, DATA)

    def elbo(params):
        return Trace_ELBO(4).loss(jax.random.key(5), params, linear, guide, DATA)

    loss, slopes = jit(elbo), jit(jax.grad(elbo))(params)
    for name in ("s", "slope", "hvae_z_strength", "hvae_z_angle", "hvae_z_persistence", "hvae_shares"):
        flat = params[name].reshape(-1)
        up, down = (params | {name: flat.at[0].add(h).reshape(params[name].shape)} for h in (1e-6, -1e-6))
        expected = (loss(up) - loss(down)) / 2e-6
        # the differences' own error, 1e-12 of the second order and rounding over 2e-6
        np.testing.assert_allclose(slopes[name].reshape(-1)[0], expected, rtol=1e-6, atol=1e-7)


def test_a_point_without_a_density_does_no_harm():
    def model():
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.factor("beyond", jnp.log(jnp.sqrt(2.0 - z)))

    def base():
        numpyro.sample("z", dist.Normal(numpyro.param("m", 0.0), 1.0))

    guide = HVAE(model, base, num_steps=3, transition="refreshed")
    params = params_of(model, guide)
    run = jit(jax.value_and_grad(lambda p: Trace_ELBO(2000).loss(jax.random.key(0), p, model, guide)))
    loss, slopes = run(params)
    assert jnp.isfinite(loss) and all(jnp.all(jnp.isfinite(x)) for x in slopes.values())
    assert diagnostics(guide, params, jax.random.key(3))["rejected"] <= 1.0


def banana():
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.sample("b", dist.Normal(a**2, 0.3))


def test_training_the_automatic_guide():
    """The banana's curvature costs a full-rank Gaussian .78 nats."""
    guide = AutoHVAE(banana, num_steps=5)
    params, _ = fit(banana, guide, steps=400, elbo=Trace_ELBO(16))
    loss = jit(lambda: Trace_ELBO(4000).loss(jax.random.key(9), params, banana, guide))()
    # so few steps; after 4,000 it is below .1
    assert -0.02 < loss < 0.4
    found = diagnostics(guide, params, jax.random.key(0))
    assert found["strengths"][""].shape == found["angles"][""].shape == (5, 2)
    assert found["persistences"][""].shape == (4, 2) and found["energy_errors"].shape == (5,)
    assert found["rejected"] == 0.0
    np.testing.assert_allclose([found["shares"].sum(), found["posterior_shares"].sum()], 1.0, rtol=1e-6)
    draws = guide.sample_posterior(jax.random.key(1), params, sample_shape=(10,))
    other = pickle.loads(pickle.dumps(copy.deepcopy(guide)))
    again = other.sample_posterior(jax.random.key(1), params, sample_shape=(10,))
    np.testing.assert_array_equal(draws["a"], again["a"])


def test_settings_of_the_leapfrog_are_refused():
    with pytest.raises(ValueError, match=r"\['step_size', 'tempering'\] are settings of transition='leapfrog'"):
        AutoHVAE(summed, step_size=0.3, tempering="free")


def test_svi_runs():
    guide = AutoHVAE(counts, num_steps=2)
    found = SVI(counts, guide, numpyro.optim.Adam(0.02), Trace_ELBO(4)).run(
        jax.random.key(0), 50, COUNTS, progress_bar=False
    )
    assert jnp.isfinite(found.losses).all()
