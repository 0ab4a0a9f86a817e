"""Masks that disagree inside `jit`, where they have no values yet: the loss says so."""

import jax
import jax.numpy as jnp
import numpyro
import pytest
from numpyro import handlers
from numpyro.infer import SVI, Trace_ELBO

from numpyro_irg.infer import HVAE
from tests.adapters import numpyro as adapter
from tests.shared.test_masks import Programs


@pytest.mark.parametrize("num_steps", [0, 2])
def test_a_mask_of_the_guide_alone_gives_nan(num_steps):
    programs = Programs(adapter)
    data, right = programs.data, ~jnp.isnan(programs.data)

    def masked(y, mask):
        with handlers.mask(mask=mask):
            programs.encoder(y)

    def model(y, mask):
        programs.model(y)

    svi = SVI(model, HVAE(model, masked, num_steps=num_steps), numpyro.optim.Adam(0.05), Trace_ELBO())
    state, evaluate = svi.init(jax.random.key(0), data, right), jax.jit(svi.evaluate)
    assert jnp.isnan(evaluate(state, data, jnp.array([True, False, True, True])))
    assert jnp.isfinite(evaluate(state, data, right))
