"""Maps onto the simplex near its corners, and what does not stay finite there."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from numpyro.contrib.module import flax_module
from numpyro.distributions import biject_to, constraints
from numpyro.infer import SVI, Trace_ELBO

import numpyro_irg.distributions as dist
from numpyro_irg import implicit
from numpyro_irg.infer import HVAE, diagnostics
from numpyro_irg.infer.bijections import bijection


def test_it_is_the_hosts_map():
    x = jax.random.normal(jax.random.key(0), (5, 3))
    ours, theirs = bijection(constraints.simplex), biject_to(constraints.simplex)
    # 6 units in the last place of float32
    np.testing.assert_allclose(ours(x), theirs(x), rtol=4e-7)
    np.testing.assert_allclose(ours._inverse(ours(x)), x, atol=1e-6)
    log_det = ours.log_abs_det_jacobian(x, ours(x))
    np.testing.assert_allclose(log_det, theirs.log_abs_det_jacobian(x, theirs(x)), rtol=1e-6)


def test_corners_go_there_and_back():
    for y in ([0.3, 0.7, 1e-18], [1e-12, 1.0, 1e-30], [1.0, 1e-9, 1e-20]):
        ours, y = bijection(constraints.simplex), jnp.array(y)
        x = ours._inverse(y)
        # a logarithm of 1e-30 has 4e-6 of absolute rounding in float32, which exp makes relative
        np.testing.assert_allclose(ours(x), y, rtol=2e-5)
        assert jnp.all(jnp.isfinite(jax.jacrev(ours._inverse)(y)))


WORDS, TOPICS, DOCUMENTS = 30, 8, 40


class Encoder(nn.Module):
    @nn.compact
    def __call__(self, counts, training):
        h = nn.Dropout(0.2, deterministic=not training)(nn.softplus(nn.Dense(16)(counts)))
        h = nn.BatchNorm(use_bias=False, use_scale=False, use_running_average=not training)(nn.Dense(TOPICS)(h))
        return jnp.exp(h)  # concentrations down to .1, of which one draw in a hundred is below 1e-19


class Decoder(nn.Module):
    @nn.compact
    def __call__(self, shares, training):
        h = nn.Dense(WORDS, use_bias=False)(nn.Dropout(0.2, deterministic=not training)(shares))
        return nn.BatchNorm(use_bias=False, use_scale=False, use_running_average=not training)(h)


def module(name, net, size, training):
    options = {"apply_rng": ["dropout"], "mutable": ["batch_stats"], "training": training}
    return flax_module(name, net, input_shape=(1, size), **options)


def topics_model(counts, training=True):
    """NumPyro's ProdLDA program."""
    decoder = module("decoder", Decoder(), TOPICS, training)
    with numpyro.plate("documents", len(counts), subsample_size=20):
        batch = numpyro.subsample(counts, event_dim=1)
        shares = numpyro.sample("theta", host.Dirichlet(jnp.ones(TOPICS)))
        logits = decoder(shares, training, rngs={"dropout": numpyro.prng_key()})
        numpyro.sample("obs", host.Multinomial(50, logits=logits, total_count_max=50), obs=batch)


def topics_guide(counts, training=True):
    encoder = module("encoder", Encoder(), WORDS, training)
    with numpyro.plate("documents", len(counts), subsample_size=20):
        batch = numpyro.subsample(counts, event_dim=1)
        numpyro.sample("theta", host.Dirichlet(encoder(batch, training, rngs={"dropout": numpyro.prng_key()})))


def test_topics_with_mutable_state_train():
    counts = jax.random.multinomial(jax.random.key(0), 50.0, jnp.full((DOCUMENTS, WORDS), 1.0 / WORDS))
    guide = implicit(HVAE(topics_model, topics_guide, num_steps=5))
    svi = SVI(topics_model, guide, numpyro.optim.Adam(1e-2), Trace_ELBO())
    result = svi.run(jax.random.key(1), 60, counts, progress_bar=False)
    assert jnp.all(jnp.isfinite(result.losses)) and result.losses[-20:].mean() < result.losses[:20].mean()
    assert all(jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(result.params))


def flat(x):
    with numpyro.plate("data", len(x)):
        theta = numpyro.sample("theta", host.Gamma(0.5, 1.0))
        numpyro.sample("x", host.Normal(jnp.log1p(theta), 1.0), obs=x)


def small(x):
    with numpyro.plate("data", len(x)):
        numpyro.sample("theta", dist.LogNormal(numpyro.param("loc", jnp.array([-50.0, 0.0, 1.0])), 0.1))


def test_an_overflowing_curvature_reaches_no_parameter_and_is_told():
    """theta = e^-50: (a - 1) / theta^2 overflows in float32."""
    guide, x = HVAE(flat, small, num_steps=2), jnp.zeros(3)
    svi = SVI(flat, guide, numpyro.optim.Adam(1e-2), Trace_ELBO())
    state, _ = svi.update(svi.init(jax.random.key(0), x), x)
    params = svi.get_params(state)
    assert all(jnp.all(jnp.isfinite(v)) for v in params.values()) and jnp.all(params["loc"] != small_start())
    (why,) = diagnostics(guide, params, jax.random.key(1), x)["why"]
    assert why.startswith("33.3% of the model's curvatures in 'theta' overflow")


def small_start():
    return jnp.array([-50.0, 0.0, 1.0])


@pytest.mark.parametrize("num_steps", [1])
def test_nothing_to_tell(num_steps):
    guide, x = HVAE(flat, small, num_steps=num_steps), jnp.zeros(3)
    params = {"loc": jnp.zeros(3), "hvae_theta_step_size": jnp.full(num_steps, 0.1)}
    assert diagnostics(guide, params, jax.random.key(1), x)["why"] == []
