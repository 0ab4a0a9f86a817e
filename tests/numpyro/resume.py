"""Trainings that save themselves halfway and go on until they are killed, and those resumed.

Run by `python -m tests.numpyro.resume FOLDER killed` or `resumed`.
"""

import pickle
import sys
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpyro
from numpyro.contrib.module import flax_module
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal

import numpyro_irg.distributions as dist
from numpyro_irg.infer import HVAE, AutoHVAE, AutoMixture, get_state, set_state

DATA = jnp.array([0.3, 1.0, -2.0, 0.5])
SAVED, STEPS = 4, 8


def model(x):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    scale = numpyro.sample("scale", dist.Gamma(numpyro.param("shape", jnp.array(2.0)), 1.0))
    with numpyro.plate("data", len(x)):
        numpyro.sample("x", dist.Normal(mu, scale), obs=x)


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.BatchNorm(use_running_average=False)(nn.Dense(2)(x[:, None]))


def module(x):
    """With mutable state."""
    loc = flax_module("encoder", Net(), input_shape=(4,), mutable=["batch_stats"])(x).mean(0)
    numpyro.sample("mu", dist.Normal(loc[0], 0.5))
    numpyro.sample("scale", dist.LogNormal(loc[1], 0.5))


def function(x):
    numpyro.sample("mu", dist.Normal(numpyro.param("loc", jnp.array(0.1)), 0.5))
    numpyro.sample("scale", dist.LogNormal(0.0, 0.5))


GUIDES = {
    "AutoHVAE": lambda: AutoHVAE(model, num_steps=2, base_options={"num_starts": 2}),
    "AutoHVAE over AutoNormal": lambda: AutoHVAE(model, base=AutoNormal, num_steps=2, transition="leapfrog"),
    "HVAE of a module": lambda: HVAE(model, module, num_steps=2, tempering="fixed"),
    "HVAE of a function": lambda: HVAE(model, function, num_steps=2),
    "AutoMixture": lambda: AutoMixture(model, 2, num_starts=2),
}


def main(folder, what):
    for i, name in enumerate(GUIDES):
        svi, path = SVI(model, GUIDES[name](), numpyro.optim.Adam(0.02), Trace_ELBO()), Path(folder) / f"{i}.pickle"
        update, losses = jax.jit(svi.update), []
        if what == "resumed":
            state = set_state(svi, pickle.loads(path.read_bytes()), DATA)
        else:
            state = svi.init(jax.random.key(0), DATA)
        for step in range(STEPS - SAVED if what == "resumed" else STEPS):
            if what == "killed" and step == SAVED:
                path.write_bytes(pickle.dumps(get_state(state)))
            state, loss = update(state, DATA)
            losses.append(float(loss).hex())
        print(*losses[-(STEPS - SAVED) :], flush=True)
    print("done", flush=True)
    while what == "killed":
        state, _ = update(state, DATA)


if __name__ == "__main__":
    main(*sys.argv[1:])
