"""The Hamiltonian guide with refreshed momenta: minibatches, gradients, pickling."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.infer import Trace_ELBO

from numpyro_irg.infer import HVAE
from tests.adapters import numpyro as adapter
from tests.numpyro.hvae import DATA, check_gradient, encoder, jit, linear, loss, settings


@pytest.fixture(autouse=True)
def float64():
    with settings():
        yield


@pytest.mark.parametrize("kind", ["refreshed", "coupled"])
def test_minibatches_gradients_and_copies(kind):
    """Of the model's parameter and of the guide's, by finite differences on the same draws."""
    guide = HVAE(linear, encoder, num_steps=3, transition=kind)
    params = adapter.shaken(linear, guide, DATA)
    params["s"] = jnp.array(0.7)
    whole = jit(lambda x: Trace_ELBO(20_000).loss(jax.random.key(3), params, linear, guide, x, 6))
    weights = adapter.log_weights(linear, guide, params, DATA, num_samples=20_000, batch_size=5000)
    # minibatches average to the full loss: the same particles, so that the halves differ by their draws alone;
    # 5 standard errors of means of log-weights that spread by .7
    np.testing.assert_allclose(0.5 * (whole(DATA[:3]) + whole(DATA[3:])), -weights.mean(), atol=0.05)
    value, slopes = check_gradient(loss(linear, guide, DATA, elbo=Trace_ELBO(4), key=5), params)
    names = {"s", "slope", "hvae_z_strength", "hvae_z_angle", "hvae_z_persistence", "hvae_shares"}
    names |= {"hvae_z_network_shift_position"} if kind == "coupled" else set()
    assert names <= set(slopes)
    again = pickle.loads(pickle.dumps(guide))
    assert jit(loss(linear, again, DATA, elbo=Trace_ELBO(4), key=5))(params) == pytest.approx(float(value), rel=1e-12)
