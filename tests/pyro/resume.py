"""Trainings that save themselves halfway and go on until they are killed, and those resumed.

Run by `python -m tests.pyro.resume FOLDER killed` or `resumed`.
"""

import sys
from pathlib import Path

import pyro
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import AutoNormal
from pyro.optim import ClippedAdam
from torch import nn

import pyro_irg.distributions as dist
from pyro_irg.infer import HVAE, AutoHVAE, AutoMixture, get_state, set_state

DATA = torch.tensor([0.3, 1.0, -2.0, 0.5])
SAVED, STEPS = 4, 8


def model(x):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    scale = pyro.sample("scale", dist.Gamma(pyro.param("shape", torch.tensor(2.0)), 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, scale), obs=x)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, x):
        loc = self.linear(x)
        pyro.sample("mu", dist.Normal(loc[0], 0.5))
        pyro.sample("scale", dist.LogNormal(loc[1], 0.5))


def function(x):
    pyro.sample("mu", dist.Normal(pyro.param("loc", torch.tensor(0.1)), 0.5))
    pyro.sample("scale", dist.LogNormal(0.0, 0.5))


GUIDES = {
    "AutoHVAE": lambda: AutoHVAE(model, num_steps=2, base_options={"num_starts": 2}),
    "AutoHVAE over AutoNormal": lambda: AutoHVAE(model, base=AutoNormal, num_steps=2, transition="leapfrog"),
    "HVAE of a module": lambda: HVAE(model, Encoder(), num_steps=2, tempering="fixed"),
    "HVAE of a function": lambda: HVAE(model, function, num_steps=2),
    "AutoMixture": lambda: AutoMixture(model, 2, num_starts=2),
}


def begun(name):
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    return SVI(model, GUIDES[name](), ClippedAdam({"lr": 0.02}), Trace_ELBO())


def main(folder, what):
    for i, name in enumerate(GUIDES):
        svi, path = begun(name), Path(folder) / f"{i}.pt"
        if what == "resumed":
            set_state(svi, torch.load(path, weights_only=False), DATA)
        losses = []
        for step in range(STEPS - SAVED if what == "resumed" else STEPS):
            if what == "killed" and step == SAVED:
                torch.save(get_state(svi), path)
            losses.append(svi.step(DATA).hex())
        print(*losses[-(STEPS - SAVED) :], flush=True)
    print("done", flush=True)
    while what == "killed":
        svi.step(DATA)


if __name__ == "__main__":
    main(*sys.argv[1:])
