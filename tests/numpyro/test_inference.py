"""The rest of NumPyro's inference over our distributions, in guides and in models."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pytest
from numpyro.infer import SVI, Trace_ELBO
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
