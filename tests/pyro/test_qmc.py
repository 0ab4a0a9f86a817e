"""`QMC_ELBO` under Pyro's `AutoNormal`: the gradient against its closed form, and a tenth of the variance."""

import numpy as np
import pyro
import torch
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoNormal
from pyro.infer.autoguide.initialization import init_to_value

import pyro_irg.distributions as dist
from pyro_irg.infer import QMC_ELBO
from tests.checks import AUTO_NORMAL, assert_less_noise, auto_normal_slopes

LOC, SCALE = AUTO_NORMAL


def model():
    x = pyro.sample("x", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    pyro.sample("y", dist.Normal(x.sum(-1), 0.5), obs=torch.tensor(1.0))


def gradients(elbo):
    """Minus those of the loss in locations and scales, for each of 60 seeds."""
    pyro.clear_param_store()
    guide = AutoNormal(model, init_loc_fn=init_to_value(values={"x": torch.tensor(LOC)}), init_scale=SCALE)
    guide()
    by_scale = -np.expm1(-SCALE)  # d scale / d unconstrained, of softplus
    found = []
    for seed in range(60):
        pyro.set_rng_seed(seed)
        guide.zero_grad()
        elbo.loss_and_grads(model, guide)
        loc, scale = (-p.grad.numpy().astype(float) for p in guide.parameters())
        found.append([loc, scale / by_scale])
    return np.array(found)


def test_auto_normal():
    independent = gradients(Trace_ELBO(num_particles=64, vectorize_particles=True, max_plate_nesting=0))
    assert_less_noise(independent, gradients(QMC_ELBO(num_particles=64)), auto_normal_slopes())
