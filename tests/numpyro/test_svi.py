"""NumPyro's SVI with our guides: unbiased ELBO gradients, and training that ends at the exact posterior."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pytest
from numpyro.distributions import constraints
from numpyro.infer import SVI, Trace_ELBO
from numpyro.optim import SGD, ClippedAdam

import numpyro_irg.distributions as dist
from tests.checks import STANDARD_ERRORS, standardised
from tests.conjugate import CONJUGATES, PRECISION
from tests.numpyro.draws import arrays, numpy

conjugates = pytest.mark.parametrize("conjugate", CONJUGATES, ids=str)


def model_and_guide(conjugate):
    data = jnp.array(conjugate.data)
    likelihoods = {
        "von Mises": lambda x: dist.VonMises(x, PRECISION),
        "Beta-Bernoulli": dist.Bernoulli,
        "Gamma-Poisson": dist.Poisson,
    }

    def model():
        x = numpyro.sample("x", getattr(dist, conjugate.family)(**arrays(conjugate.prior)))
        if conjugate.family == "Dirichlet":
            numpyro.sample("y", dist.Multinomial(int(sum(conjugate.data)), x), obs=data)
            return
        with numpyro.plate("data", len(data)):
            numpyro.sample("y", likelihoods[conjugate.name](x), obs=data)

    def guide():
        params = {
            name: numpyro.param(
                name, value, constraint=constraints.real if name in conjugate.free else constraints.positive
            )
            for name, value in arrays(conjugate.guide).items()
        }
        numpyro.sample("x", getattr(dist, conjugate.family)(**params))

    return model, guide


@conjugates
def test_gradient_is_unbiased(conjugate):
    """One step of gradient descent of length 1 from each of 100,000 keys: how far it goes is the ELBO's gradient."""
    svi = SVI(*model_and_guide(conjugate), SGD(1.0), Trace_ELBO())
    state = svi.init(jax.random.key(6))

    @jax.jit
    @jax.vmap
    def step(key):
        before = svi.optim.get_params(state.optim_state)
        after = svi.optim.get_params(svi.update(state._replace(rng_key=key))[0].optim_state)
        return jax.tree.map(jnp.subtract, after, before)

    found = step(jax.random.split(jax.random.key(6), 100_000))
    for name, truth in conjugate.gradient().items():
        # after - before has an absolute error of 1e-7 or so
        assert (standardised(numpy(found[name]), truth, rtol=2e-5) < STANDARD_ERRORS).all(), name


@pytest.mark.parametrize("conjugate", [c for c in CONJUGATES if c.family in ("VonMises", "Dirichlet")], ids=str)
def test_training(conjugate):
    """500 steps: what is left of KL(guide, posterior) is under 1e-3 nats, where a standard deviation is off by 3 %."""
    optimizer = ClippedAdam(lambda step: 0.2 * 0.99**step)
    svi = SVI(*model_and_guide(conjugate), optimizer, Trace_ELBO(num_particles=100))
    result = svi.run(jax.random.key(6), 500, progress_bar=False)
    assert jnp.isfinite(result.losses).all() and conjugate.gap(conjugate.guide) > 0.5
    found = {name: np.asarray(result.params[name]).tolist() for name in conjugate.guide}
    assert 0.0 <= conjugate.gap(found) < 1e-3, found
