"""The rest of NumPyro's inference over our distributions, in guides and in models."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as host
import pytest
from numpyro.infer import MCMC, NUTS, SVI, Trace_ELBO, autoguide, init_to_value
from numpyro.optim import Adam

import numpyro_irg.distributions as dist
from tests.adapters import numpyro as adapter
from tests.adapters.numpyro import arrays, numpy
from tests.checks import STANDARD_ERRORS, standardised
from tests.conjugate import CONJUGATES
from tests.matrix import MODELS

KEY = jax.random.key(4)
conjugates = {conjugate.family: conjugate for conjugate in CONJUGATES}
families = {family.name: family for family in MODELS}
# one of each kind of support, for every family takes seconds to compile
various = [families[name] for name in ("InverseGamma", "Dirichlet", "VonMises")]


# ------------------------------------------------------------------------------------------------------------- guides


@pytest.fixture(scope="module")
def svi():
    return SVI(*conjugates["VonMises"].programs(adapter, dist), Adam(0.05), Trace_ELBO(num_particles=10))


def test_run_is_a_scan_of_updates(svi):
    """`SVI.run` without a progress bar scans; step by step under jit, the same losses and parameters."""
    result = svi.run(KEY, 20, progress_bar=False)
    state, losses, update = svi.init(KEY), [], jax.jit(svi.update)
    for _ in range(20):
        state, loss = update(state)
        losses.append(loss)
    np.testing.assert_allclose(result.losses, losses, rtol=1e-4)
    for name, value in svi.get_params(state).items():
        np.testing.assert_allclose(result.params[name], value, rtol=1e-4)


@pytest.mark.parametrize("pickler", ["pickle", "cloudpickle"])
def test_states_make_round_trips(svi, pickler):
    """Of `jax.tree` and of pickling (but for the key, which no pickler takes)."""
    pickler, state = pytest.importorskip(pickler), svi.init(KEY)
    leaves, tree = jax.tree.flatten(state)
    copied = pickle.loads(pickler.dumps(state.optim_state))
    for twin in (jax.tree.unflatten(tree, leaves), state._replace(optim_state=copied)):
        assert jax.tree.structure(twin) == tree
        for ours, theirs in zip(jax.tree.leaves(svi.get_params(twin)), jax.tree.leaves(svi.get_params(state))):
            np.testing.assert_array_equal(ours, theirs)


def test_forward_mode():
    """Forward and backward differentiation agree, where the host's class drops the concentration in the first."""
    family = families["VonMises"]

    def model():
        x = numpyro.sample("x", dist.VonMises(**arrays(family.prior)))
        numpyro.sample("y", dist.Normal(family.function(jnp, x), 1.0), obs=family.y)

    def guide():
        numpyro.sample("x", dist.VonMises(**{n: numpyro.param(n, v) for n, v in arrays(family.guide).items()}))

    def loss(params):
        return Trace_ELBO(num_particles=20).loss(KEY, params, model, guide)

    forward, backward = jax.jit(lambda params: (jax.jacfwd(loss)(params), jax.grad(loss)(params)))(arrays(family.guide))
    for parameter in family.guide:
        np.testing.assert_allclose(forward[parameter], backward[parameter], rtol=1e-4, atol=1e-5)


def test_many_guides_side_by_side():
    """`jax.vmap` over a guide's parameters; each has the exact gradient."""
    family = families["Gamma"]

    def model():
        x = numpyro.sample("x", dist.Gamma(**arrays(family.prior)))
        numpyro.sample("y", dist.Normal(family.function(jnp, x), 1.0), obs=family.y)

    def guide(params):
        numpyro.sample("x", dist.Gamma(**params))

    def loss(params, key):
        return -Trace_ELBO().loss(key, {}, lambda _: model(), guide, params)

    n = 5000
    found = jax.jit(jax.vmap(jax.grad(loss)))(arrays(family.guide, shape=(n,)), jax.random.split(KEY, n))
    for name, truth in family.gradient("Trace", "plate").items():
        assert (standardised(numpy(found[name]), truth, rtol=1e-5) < STANDARD_ERRORS).all(), name


# ------------------------------------------------------------------------------------------------------------- models


def several(classes):
    """A model with a latent of several families, and a likelihood that needs all of them."""
    total = 0.0
    for family in various:
        x = numpyro.sample(family.name, getattr(classes, family.name)(**arrays(family.prior)))
        total = total + family.function(jnp, x)
    numpyro.sample("y", dist.Normal(total, 1.0), obs=1.0)


AUTOGUIDES = ("AutoMultivariateNormal", "AutoDelta", "AutoLaplaceApproximation")


# the host says so of its own class too
@pytest.mark.filterwarnings("ignore:Continuous inference poorly handles circular sample site:UserWarning")
@pytest.mark.parametrize("name", AUTOGUIDES)
def test_autoguides(name):
    """The loss and its gradient are those of the same model with the host's classes."""
    values = {family.name: getattr(host, family.name)(**arrays(family.prior)).mean for family in various}
    found = []
    for classes in (dist, host):
        model = lambda classes=classes: several(classes)  # noqa: E731
        guide = getattr(autoguide, name)(model, init_loc_fn=init_to_value(values=values))
        svi = SVI(model, guide, Adam(0.1), Trace_ELBO())
        params = svi.get_params(svi.init(KEY))
        loss = jax.value_and_grad(lambda p, g=guide, m=model: Trace_ELBO().loss(KEY, p, m, g))
        found.append(jax.tree.leaves(jax.jit(loss)(params)))
    assert len(found[0]) == len(found[1]) > 1
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_hamiltonian_monte_carlo():
    """Gamma-Poisson: mean of the exact posterior, within 4 standard errors by the effective number of draws."""
    conjugate = conjugates["Gamma"]
    model, _ = conjugate.programs(adapter, dist)
    chain = MCMC(NUTS(model), num_warmup=200, num_samples=500, progress_bar=False)
    chain.run(KEY)
    x = numpy(chain.get_samples()["x"])
    posterior = dist.Gamma(**arrays(conjugate.posterior))
    effective = float(numpyro.diagnostics.effective_sample_size(x[None]))
    error = float(jnp.sqrt(posterior.variance)) / np.sqrt(effective)
    assert effective > 50 and abs(x.mean() - float(posterior.mean)) < STANDARD_ERRORS * error
