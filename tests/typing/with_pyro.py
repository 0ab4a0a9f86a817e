"""A user's program with Pyro: neither mypy nor pyright finds anything in it."""

import pyro
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import ClippedAdam
from torch import Tensor

import pyro_irg
import pyro_irg.distributions as dist
from pyro_irg import special
from pyro_irg.infer import (
    HVAE,
    QMC_ELBO,
    AutoHVAE,
    AutoMixture,
    Evidence,
    PathGradientELBO,
    diagnostics,
    log_evidence,
    log_weights,
)


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
    for _ in range(10):
        svi.step(x)
    weights: Tensor = log_weights(model, refined, x, num_samples=10)
    print(weights.exp().mean(), diagnostics(refined, x)["rejected"], pyro_irg.__version__)
    for other in (AutoHVAE(model), AutoMixture(model, 2), pyro_irg.implicit(guide, strict=True)):
        log_evidence(model, other, x)
    with pyro_irg.registered():
        pyro_irg.check_reparameterized(guide, x)
    return log_evidence(model, refined, x, num_samples=100, batch_size=10)


def draws(u: Tensor) -> Tensor:
    families = (
        dist.Gamma(2.0, 1.0),
        dist.Beta(torch.tensor(0.5), 0.5),
        dist.StudentT(3.0),
        dist.SkewNormal(0.0, 1.0, 2.0),
        dist.MixtureSameFamily(dist.Categorical(logits=torch.zeros(2)), dist.Gamma(torch.ones(2), 1.0)),
    )
    total: Tensor = u
    for family in families:
        x: Tensor = family.rsample(u.shape)
        total = total + x + family.log_prob(x) + family.cdf(x) + pyro_irg.from_uniform(family, u)
    direction: Tensor = dist.VonMisesFisher(torch.eye(3)[0], concentration=2.0).rsample().norm()
    scale: Tensor = dist.Wishart(torch.tensor(5.0), torch.eye(3)).to_event(0).expand([2]).rsample().logdet().sum()
    return total + direction + scale


def functions(a: Tensor) -> Tensor:
    return special.gammainc(a, 1.0) + special.betainc(2, a, 0.5) + special.log_ndtr_interval(0.0, a)


def other_bounds(x: Tensor) -> None:
    for elbo in (QMC_ELBO(num_particles=16), PathGradientELBO(num_particles=2, num_importance=4)):
        SVI(model, guide, ClippedAdam({"lr": 0.01}), elbo).step(x)
