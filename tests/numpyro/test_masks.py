"""Latents that the model masks out, with guides that do not repeat the mask."""

import math

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as host
import pytest
from numpyro import handlers
from numpyro.infer import SVI, Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoMultivariateNormal, AutoNormal

import numpyro_irg.distributions as dist
from numpyro_irg.infer import HVAE, AutoHVAE, AutoMixture, log_weights
from tests.numpyro.hvae import LEAPFROG

DATA = jnp.array([1.0, 2.0, math.nan, 0.5])
SEEN = DATA[~jnp.isnan(DATA)]
EVIDENCE = sum(math.log(2.0) - 3.0 * math.log1p(y) for y in (1.0, 2.0, 0.5))  # -4.512: 2 / (1 + y)^3 each
LEAP = {"num_steps": 3, "step_size": 0.3, "tempering": "fixed"}
NORMAL_EVIDENCE = float(host.Normal(0.0, math.sqrt(2.0)).log_prob(SEEN).sum())


def model(y):
    """z_i ~ Gamma(2, 1), y_i ~ Exponential(z_i), where there is a y_i."""
    mask = ~jnp.isnan(y)
    with numpyro.plate("data", len(y)), handlers.mask(mask=mask):
        z = numpyro.sample("z", dist.Gamma(2.0, 1.0))
        numpyro.sample("y", dist.Exponential(z), obs=jnp.where(mask, y, 1.0))


def encoder(y):
    loc = jnp.where(jnp.isnan(y), 0.0, 0.8 - jnp.log1p(jnp.nan_to_num(y)))
    with numpyro.plate("data", len(y)):
        numpyro.sample("z", dist.LogNormal(loc, 0.6))


def a_normal(y):
    """A law whose KL from the guide's is known to `TraceMeanField_ELBO`; log p(y_i) = log N(y_i; 0, sqrt(2))."""
    mask = ~jnp.isnan(y)
    with numpyro.plate("data", len(y)), handlers.mask(mask=mask):
        z = numpyro.sample("z", host.Normal(0.0, 1.0))
        numpyro.sample("y", host.Normal(z, 1.0), obs=jnp.where(mask, y, 1.0))


def normal_encoder(y):
    with numpyro.plate("data", len(y)):
        numpyro.sample("z", host.Normal(0.5 * jnp.nan_to_num(y), 0.8))


def nested(y):
    """As `model`, with rows of events: a mask over each row, and one over numbers of the rows' latents."""
    mask = ~jnp.isnan(y)
    with numpyro.plate("data", len(y)), handlers.mask(mask=mask):
        z = numpyro.sample("z", dist.Gamma(2.0, 1.0).expand([2]).mask(jnp.array([True, False])).to_event(1))
        numpyro.sample("y", dist.Exponential(z[..., 0]), obs=jnp.where(mask, y, 1.0))


def assert_mean_weight(weights, exact):
    # 5 standard errors; the entropy of a latent without a density raised log-weights by 9 nats and more
    ratio = jnp.exp(weights - exact)
    error = jnp.std(ratio) / len(ratio) ** 0.5
    assert abs(jnp.mean(ratio) - 1.0) < 5.0 * error and error < 0.05
    assert exact - 2.5 < jnp.mean(weights) < exact


GUIDES = {
    "base alone": lambda m: AutoHVAE(m, num_steps=0, **LEAPFROG),
    "steps": lambda m: AutoHVAE(m, num_steps=2, step_size=0.3, tempering="free", **LEAPFROG),
    "joint base": lambda m: AutoHVAE(m, num_steps=2, base=AutoMultivariateNormal, transition="leapfrog"),
    "refreshed": lambda m: AutoHVAE(m, num_steps=2, base_options={"num_starts": 2}),
    "refreshed, mean field": lambda m: AutoHVAE(m, num_steps=2, base=AutoNormal),
    "mixture": lambda m: AutoMixture(m, 2, num_starts=2),
}


@pytest.mark.parametrize(
    "case, make", [*((model, make) for make in GUIDES.values()), (nested, GUIDES["steps"])], ids=[*GUIDES, "nested"]
)
def test_elbo_stays_below_the_evidence(make, case):
    guide = make(case)
    svi = SVI(case, guide, numpyro.optim.Adam(0.05), Trace_ELBO(8))
    params = svi.run(jax.random.key(0), 60, DATA, progress_bar=False).params
    weights = log_weights(case, guide, params, jax.random.key(1), DATA, num_samples=4000, batch_size=4000)
    assert_mean_weight(weights, EVIDENCE)


@pytest.mark.parametrize("settings", [{"num_steps": 0}, LEAP, {"num_steps": 3, "transition": "refreshed"}])
@pytest.mark.parametrize("case, base, exact", [(model, encoder, EVIDENCE), (a_normal, normal_encoder, NORMAL_EVIDENCE)])
def test_a_guide_of_ones_own(settings, case, base, exact):
    guide = HVAE(case, base, **settings)
    svi = SVI(case, guide, numpyro.optim.Adam(0.05), Trace_ELBO())
    params = svi.get_params(svi.init(jax.random.key(0), DATA))
    weights = log_weights(case, guide, params, jax.random.key(1), DATA, num_samples=10_000, batch_size=10_000)
    assert_mean_weight(weights, exact)
    for elbo in (Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO):
        loss = jax.jit(lambda key, elbo=elbo: elbo(4000).loss(key, params, case, guide, DATA))(jax.random.key(2))
        # 5 standard errors of two means of log-weights, of 4,000 and of 10,000
        assert abs(loss + weights.mean()) < 5.0 * weights.std() * (1 / 4000 + 1 / 10_000) ** 0.5


def test_the_same_mask_in_both_gives_the_same_mean():
    def masked(y):
        with handlers.mask(mask=~jnp.isnan(y)):
            encoder(y)

    guide = HVAE(model, masked, num_steps=2, step_size=0.3)
    svi = SVI(model, guide, numpyro.optim.Adam(0.05), Trace_ELBO())
    params = svi.get_params(svi.init(jax.random.key(0), DATA))
    weights = log_weights(model, guide, params, jax.random.key(1), DATA, num_samples=4000, batch_size=4000)
    assert_mean_weight(weights, EVIDENCE)


@pytest.mark.parametrize("num_steps", [0, 2])
def test_a_mask_of_the_guide_alone_is_named(num_steps):
    def masked(y, mask):
        with handlers.mask(mask=mask):
            encoder(y)

    def same(y, mask):
        model(y)

    mask = jnp.array([True, False, True, True])
    svi = SVI(same, HVAE(same, masked, num_steps=num_steps), numpyro.optim.Adam(0.05), Trace_ELBO())
    with pytest.raises(ValueError, match="the guide masks site 'z' where the model does not"):
        svi.init(jax.random.key(0), DATA, mask)
    # inside `jit`, where the masks have no values yet, the loss says so
    state = svi.init(jax.random.key(0), DATA, ~jnp.isnan(DATA))
    assert jnp.isnan(jax.jit(svi.evaluate)(state, DATA, mask))
    assert jnp.isfinite(jax.jit(svi.evaluate)(state, DATA, ~jnp.isnan(DATA)))


def test_a_mask_inside_the_guides_event_is_named():
    def rows(y):
        with numpyro.plate("data", len(y)):
            law = dist.LogNormal(0.0, 1.0).expand([2]).mask(jnp.array([True, False])).to_event(1)
            numpyro.sample("z", law)

    with pytest.raises(ValueError, match="base guide's site 'z' is masked inside its event; leave the mask out"):
        handlers.seed(HVAE(nested, rows, num_steps=1), 0)(DATA)


@pytest.mark.parametrize("law", [dist.Normal(0.0, 1.0), host.Uniform(-3.0, 3.0)], ids=["normal", "uniform"])
@pytest.mark.parametrize(
    "make", [lambda m: AutoHVAE(m, num_steps=1, **LEAPFROG), lambda m: AutoMixture(m, 2, num_starts=2)]
)
def test_a_mask_meant_as_a_flat_prior_is_named(make, law):
    def flat(x):
        with handlers.mask(mask=False):
            w = numpyro.sample("w", law)
            numpyro.sample("unused", host.Normal(0.0, 1.0))
        numpyro.sample("x", dist.Normal(w, 1.0), obs=x)

    with pytest.raises(ValueError, match=r"masks its latent 'w', but terms .* depend on it.*dist\.ImproperUniform"):
        handlers.seed(make(flat), 0)(jnp.ones(()))


def test_nothing_of_missing_data_reaches_a_gradient():
    guide = AutoHVAE(model, num_steps=2, **LEAPFROG)
    svi = SVI(model, guide, numpyro.optim.Adam(0.05), Trace_ELBO())
    params = svi.get_params(svi.init(jax.random.key(0), DATA))
    slopes = jax.grad(lambda p: Trace_ELBO().loss(jax.random.key(1), p, model, guide, DATA))(params)
    assert all(jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(slopes))
