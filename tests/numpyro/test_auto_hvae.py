"""The Hamiltonian guide over automatic guides."""

import copy
import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax.scipy.special import logsumexp
from numpyro.handlers import seed
from numpyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoBNAFNormal, AutoMultivariateNormal, AutoNormal
from numpyro.infer.initialization import init_to_value

from numpyro_irg.infer import AutoHVAE, AutoMixture, diagnostics, log_evidence
from tests.numpyro.hvae import DATA, LEAPFROG, fit, jit, loss, params_of, settings


@pytest.fixture(autouse=True)
def float64():
    with settings():
        yield


def model(x, size=6):
    rate = numpyro.sample("rate", dist.Gamma(2.0, 2.0))
    share = numpyro.sample("share", dist.Dirichlet(jnp.array([2.0, 3.0, 4.0])))
    with numpyro.plate("data", size, subsample_size=len(x)):
        numpyro.sample("x", dist.Normal(share[0] - share[2], rate), obs=x)


def test_surface():
    options = {"init_scale": 0.2}
    guide = AutoHVAE(
        model, num_steps=2, base=AutoMultivariateNormal, base_options=options, tempering="free", transition="leapfrog"
    )
    seed(guide.base, 0)(DATA)  # an autoguide cannot be called inside `jit` for the first time
    params = params_of(model, guide, DATA)
    assert np.isfinite(jit(loss(model, guide, DATA, elbo=TraceMeanField_ELBO()))(params))
    assert set(params) == {"auto_loc", "auto_scale_tril", "auto_cooling", "auto_rate_step_size", "auto_share_step_size"}
    draws = guide.sample_posterior(jax.random.key(1), params, DATA, sample_shape=(2, 3))
    assert draws["rate"].shape == (2, 3) and draws["share"].shape == (2, 3, 3)
    single = guide.sample_posterior(jax.random.key(1), params, DATA)["rate"]
    other = pickle.loads(pickle.dumps(copy.deepcopy(guide)))
    assert other.sample_posterior(jax.random.key(1), params, DATA)["rate"] == single


def test_arguments_of_the_base():
    """`prefix` names everything, `init_loc_fn` and `create_plates` reach the base."""

    def local(x):
        with numpyro.plate("data", 6, subsample_size=len(x)):
            z = numpyro.sample("z", dist.Normal(0.0, 1.0))
            numpyro.sample("x", dist.Normal(z, 1.0), obs=x)

    values = {"z": jnp.array([0.4, 0.4])}
    plates = []

    def create_plates(x):
        plates.append(numpyro.plate("data", 6, subsample_size=len(x)))
        return plates[-1]

    options = {"prefix": "mine", "init_loc_fn": init_to_value(values=values), "create_plates": create_plates}
    guide = AutoHVAE(local, num_steps=2, **options, **LEAPFROG)
    svi = SVI(local, guide, numpyro.optim.Adam(0.02), Trace_ELBO())
    params = svi.get_params(svi.init(jax.random.key(0), DATA[:2]))
    assert set(params) == {"z_mine_loc", "z_mine_scale", "mine_z_step_size"} and plates
    np.testing.assert_allclose(params["z_mine_loc"], jnp.full(6, 0.4))


def test_prefix_that_the_base_does_not_take():
    def plain(model):
        return AutoNormal(model)

    for base, name in ((plain, "prefix"), (AutoBNAFNormal, "create_plates")):
        with pytest.raises(TypeError, match=f"does not take '{name}'; it takes"):
            AutoHVAE(model, num_steps=1, base=base, **{name: "mine"}, transition="leapfrog")


def interval(x):
    rate = numpyro.sample("rate", dist.Gamma(3.0, 2.0))
    top = numpyro.sample("top", dist.Uniform(0.0, rate))
    numpyro.sample("x", dist.Normal(top, rate).expand([6]).to_event(1), obs=x)


@pytest.mark.parametrize("base", [AutoNormal, AutoMultivariateNormal])
def test_support_that_depends_on_a_latent(base):
    """The autoguide knows the interval of its first call alone; the evidence is the one by draws from the prior."""
    guide = AutoHVAE(interval, num_steps=2, base=base, base_options={"init_scale": 0.6}, transition="leapfrog")
    params, _ = fit(interval, guide, DATA, steps=300)
    options = {"num_samples": 20_000, "batch_size": 5000}
    found = log_evidence(interval, guide, params, jax.random.key(1), DATA, **options)
    draws = guide.sample_posterior(jax.random.key(2), params, DATA, sample_shape=(500,))
    assert np.all((draws["top"] > 0.0) & (draws["top"] < draws["rate"]))

    def by_prior(key, size=100_000):
        keys = jax.random.split(key)
        rate = dist.Gamma(3.0, 2.0).sample(keys[0], (size, 1))
        top = rate * jax.random.uniform(keys[1], (size, 1))
        return logsumexp(dist.Normal(top, rate).log_prob(DATA).sum(-1)) - math.log(size)

    assert found.ess > 1000 and found.pareto_k < 0.7
    expected = jit(by_prior)(jax.random.key(7))
    np.testing.assert_allclose(found.log_evidence, expected, atol=4.0 / math.sqrt(found.ess))


def test_support_of_another_kind():
    def switch(bounded):
        numpyro.sample("z", dist.Beta(2.0, 2.0) if bounded else dist.Gamma(2.0, 2.0))

    guide = AutoHVAE(switch, num_steps=1, **LEAPFROG)
    with numpyro.handlers.seed(rng_seed=0):
        guide(True)
        with pytest.raises(ValueError, match=r"the support of site 'z' was .* at the autoguide's first call"):
            guide(False)


def test_gaussian_model():
    """A latent of 25 dimensions that feels all of the data; evidence and posterior in closed form."""
    x = 1.0 + jax.random.normal(jax.random.key(5), (20, 25))

    def gaussian(x):
        z = numpyro.sample("z", dist.Normal(jnp.zeros(25), 1.0).to_event(1))
        with numpyro.plate("data", len(x)):
            numpyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    guide = AutoHVAE(gaussian, num_steps=3, **LEAPFROG)
    params, losses = fit(gaussian, guide, x, steps=400)
    evidence = dist.MultivariateNormal(jnp.zeros(20), jnp.eye(20) + 1.0).log_prob(x.T).sum()
    gaps = evidence + losses
    assert gaps[0] > 400.0 and -0.2 < gaps[-50:].mean() < 1.0
    draws = guide.sample_posterior(jax.random.key(2), params, x, sample_shape=(2000,))["z"]
    # Adam's last steps at this rate wander by some tenths of the posterior's deviation
    np.testing.assert_allclose(draws.mean(0), x.sum(0) / 21, atol=0.6 * 21**-0.5)
    np.testing.assert_allclose(draws.std(0), 21**-0.5, rtol=0.2)
    assert diagnostics(guide, params, jax.random.key(0), x)["rejected"] == 0.0


@pytest.mark.parametrize("make", [AutoHVAE, lambda model: AutoMixture(model, 2)], ids=["AutoHVAE", "AutoMixture"])
def test_a_first_call_inside_jit(make):
    """Where the parameters begin is known inside alone; with parameters, the guide serves everywhere."""
    guide = make(model)
    svi = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO())
    params = svi.get_params(jax.jit(svi.init)(jax.random.key(0), DATA))
    assert np.isfinite(guide.sample_posterior(jax.random.key(1), params, DATA)["rate"])
    with pytest.raises(RuntimeError, match=r"^Auto\w+: the guide's first call was inside jit, .* new guide"):
        svi.init(jax.random.key(1), DATA)


def test_the_first_use_is_a_summary():
    """Of parameters that were saved; afterwards the guide begins as any other."""
    params = params_of(model, AutoHVAE(model, num_steps=1, base=AutoNormal), DATA)
    guide = AutoHVAE(model, num_steps=1, base=AutoNormal)
    assert np.isfinite(guide.median(params, DATA, num_samples=10)["rate"])
    assert np.isfinite(seed(guide, 0)(DATA)["rate"])
