"""`QMC_ELBO` under NumPyro's `AutoNormal`: the gradient against its closed form, and a tenth of the variance."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro.handlers import seed
from numpyro.infer import Trace_ELBO
from numpyro.infer.autoguide import AutoNormal

import numpyro_irg.distributions as dist
from numpyro_irg.infer import QMC_ELBO
from tests.checks import AUTO_NORMAL, assert_less_noise, auto_normal_slopes

LOC, SCALE = AUTO_NORMAL


def model():
    x = numpyro.sample("x", dist.Normal(jnp.zeros(2), 1.0).to_event(1))
    numpyro.sample("y", dist.Normal(x.sum(-1), 0.5), obs=1.0)


def gradients(elbo):
    """Minus those of the loss in locations and scales, for each of 60 keys."""
    guide = AutoNormal(model)
    seed(guide, 0)()

    def loss(params, key):
        return elbo.loss(key, params, model, guide)

    params = {"x_auto_loc": jnp.array(LOC), "x_auto_scale": jnp.full(2, SCALE)}
    found = jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0)))(params, jax.random.split(jax.random.key(0), 60))
    return -np.stack([np.asarray(found[name], float) for name in params], 1)


def test_auto_normal():
    assert_less_noise(gradients(Trace_ELBO(64)), gradients(QMC_ELBO(64)), auto_normal_slopes())
