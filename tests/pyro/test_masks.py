"""Latents that the model masks out, with guides that do not repeat the mask."""

import math

import pyro
import pyro.distributions as host
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoMultivariateNormal, AutoNormal
from pyro.optim import Adam

import pyro_irg.distributions as dist
from pyro_irg.infer import HVAE, AutoHVAE, AutoMixture, log_weights
from tests.pyro.evidences import LEAPFROG

DATA = torch.tensor([1.0, 2.0, math.nan, 0.5])
EVIDENCE = sum(math.log(2.0) - 3.0 * math.log1p(y) for y in (1.0, 2.0, 0.5))  # -4.512: 2 / (1 + y)^3 each


def model(y):
    """z_i ~ Gamma(2, 1), y_i ~ Exponential(z_i), where there is a y_i."""
    mask = ~y.isnan()
    with pyro.plate("data", len(y)), poutine.mask(mask=mask):
        z = pyro.sample("z", dist.Gamma(2.0, 1.0))
        pyro.sample("y", dist.Exponential(z), obs=torch.where(mask, y, 1.0))


def encoder(y):
    loc = torch.where(y.isnan(), 0.0, -torch.nan_to_num(y).log1p() + 0.8)
    with pyro.plate("data", len(y)):
        pyro.sample("z", dist.LogNormal(loc, 0.6))


def a_normal(y):
    """A law whose KL from the guide's is known to `TraceMeanField_ELBO`; log p(y_i) = log N(y_i; 0, sqrt(2))."""
    mask = ~y.isnan()
    with pyro.plate("data", len(y)), poutine.mask(mask=mask):
        z = pyro.sample("z", host.Normal(0.0, 1.0))
        pyro.sample("y", host.Normal(z, 1.0), obs=torch.where(mask, y, 1.0))


def normal_encoder(y):
    with pyro.plate("data", len(y)):
        pyro.sample("z", host.Normal(0.5 * y.nan_to_num(), 0.8))


def some_missing(x):
    """x_i ~ N(0, 1), u_i ~ N(x_i, 1) = 1; a missing x_i is a latent, through `obs_mask`."""
    mask = ~x.isnan()
    with pyro.plate("data", len(x)):
        x = pyro.sample("x", dist.Normal(0.0, 1.0), obs=torch.nan_to_num(x), obs_mask=mask)
        pyro.sample("u", dist.Normal(x, 1.0), obs=torch.ones(4))


def some_missing_evidence():
    x, one = torch.tensor([1.0, 2.0, 0.5]), torch.ones(())
    seen = host.Normal(0.0, 1.0).log_prob(x) + host.Normal(x, 1.0).log_prob(one)
    return float(seen.sum() + host.Normal(0.0, math.sqrt(2.0)).log_prob(one))


def nested(y):
    """As `model`, with rows of events: a mask over each row, and one over numbers of the rows' latents."""
    mask = ~y.isnan()
    with pyro.plate("data", len(y)), poutine.mask(mask=mask):
        z = pyro.sample("z", dist.Gamma(2.0, 1.0).expand([2]).mask(torch.tensor([True, False])).to_event(1))
        pyro.sample("y", dist.Exponential(z[..., 0]), obs=torch.where(mask, y, 1.0))


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


GUIDES = {
    "base alone": lambda m: AutoHVAE(m, num_steps=0, **LEAPFROG),
    "steps": lambda m: AutoHVAE(m, num_steps=2, step_size=0.3, tempering="free", **LEAPFROG),
    "joint base": lambda m: AutoHVAE(m, num_steps=2, base=AutoMultivariateNormal, transition="leapfrog"),
    "refreshed": lambda m: AutoHVAE(m, num_steps=2, base_options={"num_starts": 2}),
    "refreshed, mean field": lambda m: AutoHVAE(m, num_steps=2, base=AutoNormal),
    "mixture": lambda m: AutoMixture(m, 2, num_starts=2),
}


@pytest.mark.parametrize("make", GUIDES.values(), ids=GUIDES)
@pytest.mark.parametrize(
    "case, exact", [(model, EVIDENCE), (nested, EVIDENCE), (some_missing, some_missing_evidence())]
)
def test_elbo_stays_below_the_evidence(make, case, exact):
    guide = make(case)
    svi = SVI(case, guide, Adam({"lr": 0.05}), Trace_ELBO(8, 1, vectorize_particles=True))
    for _ in range(60):
        svi.step(DATA)
    weights = log_weights(case, guide, DATA, num_samples=4000, batch_size=4000)
    # 5 standard errors of 4,000 weights; the entropy of a latent without a density raised it by 9 nats
    mean, error = weights.exp().mean() / math.exp(exact), weights.exp().std() / math.exp(exact) / 4000**0.5
    assert abs(mean - 1.0) < 5.0 * error and error < 0.05
    assert exact - 1.0 < weights.mean() < exact


LEAP = {"num_steps": 3, "step_size": 0.3, "tempering": "fixed"}
NORMAL_EVIDENCE = float(host.Normal(0.0, math.sqrt(2.0)).log_prob(DATA[~DATA.isnan()]).sum())


@pytest.mark.parametrize("settings", [{"num_steps": 0}, LEAP, {"num_steps": 3, "transition": "refreshed"}])
@pytest.mark.parametrize("elbo", [Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO])
@pytest.mark.parametrize("case, base, exact", [(model, encoder, EVIDENCE), (a_normal, normal_encoder, NORMAL_EVIDENCE)])
def test_a_guide_of_ones_own(settings, elbo, case, base, exact):
    guide = HVAE(case, base, **settings)
    weights = log_weights(case, guide, DATA, num_samples=10_000, batch_size=10_000)
    mean, error = weights.exp().mean() / math.exp(exact), weights.exp().std() / math.exp(exact) / 100.0
    assert abs(mean - 1.0) < 5.0 * error and error < 0.05
    loss = elbo(4000, 1, vectorize_particles=True).loss(case, guide, DATA)
    # 5 standard errors of two means of log-weights, of 4,000 and of 10,000
    assert abs(loss + weights.mean()) < 5.0 * weights.std() * (1 / 4000 + 1 / 10_000) ** 0.5


def test_the_same_mask_in_both_gives_the_same_mean():
    def masked(y):
        with poutine.mask(mask=~y.isnan()):
            encoder(y)

    guide = HVAE(model, masked, num_steps=2, step_size=0.3)
    weights = log_weights(model, guide, DATA, num_samples=4000, batch_size=4000)
    ratio = (weights - EVIDENCE).exp()
    assert abs(ratio.mean() - 1.0) < 5.0 * ratio.std() / 4000**0.5


@pytest.mark.parametrize("num_steps", [0, 2])
def test_a_mask_of_the_guide_alone_is_named(num_steps):
    def masked(y):
        with poutine.mask(mask=torch.tensor([True, False, True, True])):
            encoder(y)

    with pytest.raises(ValueError, match="the guide masks site 'z' where the model does not"):
        HVAE(model, masked, num_steps=num_steps)(DATA)


def test_a_mask_inside_the_guides_event_is_named():
    def rows(y):
        with pyro.plate("data", len(y)):
            law = dist.LogNormal(0.0, 1.0).expand([2]).mask(torch.tensor([True, False])).to_event(1)
            pyro.sample("z", law)

    with pytest.raises(ValueError, match="base guide's site 'z' is masked inside its event; leave the mask out"):
        HVAE(nested, rows, num_steps=1)(DATA)


@pytest.mark.parametrize("law", [dist.Normal(0.0, 1.0), host.Uniform(-3.0, 3.0)], ids=["normal", "uniform"])
@pytest.mark.parametrize(
    "make", [lambda m: AutoHVAE(m, num_steps=1, **LEAPFROG), lambda m: AutoMixture(m, 2, num_starts=2)]
)
def test_a_mask_meant_as_a_flat_prior_is_named(make, law):
    def flat(x):
        with poutine.mask(mask=False):
            w = pyro.sample("w", law)
            pyro.sample("unused", host.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(w, 1.0), obs=x)

    with pytest.raises(ValueError, match=r"masks its latent 'w', but terms .* depend on it.*dist\.ImproperUniform"):
        make(flat)(torch.ones(()))


def test_nothing_of_missing_data_reaches_a_gradient():
    guide = AutoHVAE(model, num_steps=2, base=AutoNormal, transition="leapfrog")
    Trace_ELBO().differentiable_loss(model, guide, DATA).backward()
    assert all(p.grad.isfinite().all() for p in guide.parameters() if p.grad is not None)
