"""Path gradients: the mean is the usual gradient's, the noise vanishes at the posterior."""

import pyro
import pytest
import torch
from pyro.infer import SVI, RenyiELBO, Trace_ELBO
from pyro.infer.autoguide import AutoMultivariateNormal, AutoNormal
from pyro.optim import Adam

import pyro_irg.distributions as dist
from pyro_irg.infer import HVAE, AutoMixture, PathGradientELBO
from tests.pyro.evidences import DATA, global_evidence, global_guide, global_model, mixed_guide, mixed_model


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


def model(x):
    """With a parameter of its own."""
    mu = pyro.sample("mu", dist.Normal(pyro.param("centre", lambda: torch.tensor(0.4)), 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, 1.0), obs=x)


def guide(x):
    scale = pyro.param("scale", lambda: torch.tensor(0.6), constraint=dist.constraints.positive)
    pyro.sample("mu", dist.Normal(pyro.param("m", lambda: torch.tensor(0.3)), scale))


NAMES = ("centre", "m", "scale")


def slopes(elbo, count, seed=0):
    """The gradients of `count` evaluations."""
    pyro.set_rng_seed(seed)
    elbo.loss(model, guide, DATA)
    leaves = [pyro.get_param_store()._params[name] for name in NAMES]
    found = []
    for _ in range(count):
        for leaf in leaves:
            leaf.grad = None
        elbo.loss_and_grads(model, guide, DATA)
        found.append(torch.stack([leaf.grad for leaf in leaves]))
    return torch.stack(found)


@pytest.mark.parametrize("vectorized", [False, True])
def test_the_mean_gradient_is_the_elbos(vectorized):
    options = {"vectorize_particles": True, "max_plate_nesting": 1}
    usual = slopes(Trace_ELBO(100, **options), 40)
    path = slopes(
        PathGradientELBO(100 if vectorized else 2, **(options if vectorized else {})), 40 if vectorized else 400
    )
    error = (usual.var(0) / len(usual) + path.var(0) / len(path)).sqrt()
    assert ((usual.mean(0) - path.mean(0)).abs() < 4.5 * error).all()


def test_the_mean_gradient_is_the_importance_weighted_bounds():
    usual = slopes(RenyiELBO(alpha=0.0, num_particles=4, vectorize_particles=True, max_plate_nesting=1), 1500)
    path = slopes(PathGradientELBO(50, 4, vectorize_particles=True, max_plate_nesting=1), 60)
    error = (usual.var(0) / len(usual) + path.var(0) / len(path)).sqrt()
    assert ((usual.mean(0) - path.mean(0)).abs() < 4.5 * error).all()


@pytest.mark.parametrize("num_importance", [1, 5])
def test_no_noise_at_the_posterior(num_importance):
    """Posterior N(sum x / 7, 1/7) of the model with centre 0."""
    store = pyro.get_param_store()
    store.setdefault("centre", torch.tensor(0.0))
    store.setdefault("m", DATA.sum() / 7.0)
    store.setdefault("scale", torch.tensor(7.0**-0.5), dist.constraints.positive)
    noise = slopes(PathGradientELBO(1, num_importance), 50)[:, 1:].std(0)
    assert (noise < 2e-5).all()  # rounding
    assert (slopes(Trace_ELBO(), 50)[:, 1:].std(0) > 0.1).all()


def test_the_value_is_the_hosts():
    options = {"vectorize_particles": True, "max_plate_nesting": 1}
    for ours, theirs in (
        (PathGradientELBO(20_000, **options), Trace_ELBO(20_000, **options)),
        (PathGradientELBO(1, 20_000, **options), RenyiELBO(0.0, 20_000, **options)),
    ):
        pyro.set_rng_seed(0)
        expected = theirs.loss(mixed_model, mixed_guide, DATA)
        # 5 standard errors of log-weights that spread by a nat
        assert ours.loss(mixed_model, mixed_guide, DATA) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("make", [AutoNormal, AutoMultivariateNormal, lambda m: AutoMixture(m, 2, num_starts=2)])
def test_a_guide_that_can_be_the_posterior_becomes_it(make):
    automatic = make(global_model)
    elbo = PathGradientELBO(8, vectorize_particles=True, max_plate_nesting=1)
    svi = SVI(global_model, automatic, Adam({"lr": 0.03}), elbo)
    for _ in range(300):
        svi.step(DATA)
    # no noise: the gap is the optimiser's distance alone (2e-3 with a mixture, which the posterior is one half of)
    assert elbo.loss(global_model, automatic, DATA) == pytest.approx(-float(global_evidence(DATA)), abs=5e-3)


def test_what_it_refuses():
    with pytest.raises(ValueError, match="must be at least 1, got 0 and 1"):
        PathGradientELBO(0)
    with pytest.raises(ValueError, match="a Hamiltonian guide needs Trace_ELBO"):
        PathGradientELBO().loss(global_model, HVAE(global_model, global_guide, num_steps=1), DATA)

    def discrete(x):
        pyro.sample("mu", pyro.distributions.Poisson(1.0))

    with pytest.raises(ValueError, match="site 'mu' is not reparameterized"):
        PathGradientELBO().loss(global_model, discrete, DATA)
