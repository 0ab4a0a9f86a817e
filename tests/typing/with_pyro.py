"""A user's program with Pyro: mypy must find nothing in it."""

import pyro
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import ClippedAdam
from torch import Tensor

import pyro_irg
import pyro_irg.distributions as dist
from pyro_irg.infer import HVAE, AutoHVAE, AutoMixture, Evidence, diagnostics, log_evidence, log_weights


def model(x: Tensor) -> None:
    rate = pyro.sample("rate", dist.Gamma(2.0, torch.tensor(1.0)))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Truncated(dist.Normal(rate, 1.0), low=0.0), obs=x)


def guide(x: Tensor) -> None:
    shape = pyro.param("shape", torch.tensor(2.0), constraint=dist.constraints.positive)
    pyro.sample("rate", dist.Gamma(shape, 1.0))


def mixture() -> dist.MixtureSameFamily:
    return dist.MixtureSameFamily(dist.Categorical(logits=torch.zeros(2)), dist.Normal(torch.zeros(2), 1.0))


def gradients(value: Tensor) -> dict[str, Tensor]:
    return pyro_irg.implicit_gradients(dist.VonMises(0.0, 2.0), value)


def fit(x: Tensor) -> Evidence:
    refined = HVAE(model, guide, num_steps=3, tempering="free")
    svi = SVI(model, refined, ClippedAdam({"lr": 0.01}), Trace_ELBO())
    loss = float(svi.step(x))
    weights: Tensor = log_weights(model, refined, x, num_samples=10)
    print(loss, weights.exp().mean(), diagnostics(refined, x)["rejected"], pyro_irg.__version__)
    for other in (AutoHVAE(model), AutoMixture(model, 2), pyro_irg.implicit(guide, strict=True)):
        log_evidence(model, other, x)
    with pyro_irg.registered():
        pyro_irg.check_reparameterized(guide, x)
    return log_evidence(model, refined, x, num_samples=100, batch_size=10)
