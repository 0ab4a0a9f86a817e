"""The hosts' autoguides and chains over models of our distributions, against the same models of the hosts' classes."""

import numpy as np
import pytest

from tests.adapters import in_host, over
from tests.checks import STANDARD_ERRORS
from tests.conjugate import CONJUGATES
from tests.matrix import MODELS

GAMMA_POISSON = next(conjugate for conjugate in CONJUGATES if conjugate.family == "Gamma")
# one of each kind of support, where every family takes seconds to compile
VARIOUS = ("InverseGamma", "Dirichlet", "VonMises")
AUTOGUIDES = ("AutoNormal", "AutoMultivariateNormal", "AutoDelta", "AutoLaplaceApproximation")


def families_of(adapter):
    return [f for f in MODELS if in_host(adapter, f) and (adapter.eager or f.name in VARIOUS)]


def several(adapter, classes):
    """A model with a latent of several families, and a likelihood that needs all of them."""

    def model():
        total = 0.0
        for family in families_of(adapter):
            x = adapter.sample(family.name, getattr(classes, family.name)(**adapter.arrays(family.prior)))
            total = total + family.function(adapter.xp, x)
        adapter.sample("y", adapter.dist.Normal(total, 1.0), obs=adapter.array(1.0))

    return model


# the host says so of its own class too
@pytest.mark.filterwarnings("ignore:Continuous inference poorly handles circular sample site:UserWarning")
@over(AUTOGUIDES, "name", when=lambda adapter, name: adapter.eager or name != "AutoNormal")
def test_autoguides(adapter, name):
    """The loss and its gradient are those of the same model with the host's classes."""
    host = adapter.host
    values = {f.name: getattr(host, f.name)(**adapter.arrays(f.prior)).mean for f in families_of(adapter)}
    found = []
    for classes in (adapter.dist, host):
        adapter.fresh()
        model = several(adapter, classes)
        guide = getattr(adapter.autoguide, name)(model, init_loc_fn=adapter.init_to_value(values=values))
        adapter.called(guide)
        params = adapter.started(model, guide)
        loss, slopes = adapter.value_and_slopes_of_loss(model, guide, params)
        found.append([loss, *slopes])
    assert len(found[0]) == len(found[1]) > 1
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_implicit_over_an_autoguide(adapter):
    """Parameters, median, quantiles and draws of the posterior are the guide's own; training is the same."""
    model, _ = GAMMA_POISSON.programs(adapter, adapter.host)
    trained = []
    for wrap in (lambda guide: guide, adapter.irg.implicit):
        adapter.fresh()
        guide = wrap(adapter.autoguide.AutoNormal(model))
        params, losses = adapter.train(model, guide, steps=20, rate=0.05, particles=1)
        found = {
            "median": adapter.median(guide, params)["x"],
            "quantiles": adapter.quantiles(guide, params, [0.25, 0.75])["x"],
            "draws": adapter.posterior_draws(guide, params, 5)["x"],
        }
        trained.append({**params, **found, "losses": losses})
    stock, ours = trained
    assert stock.keys() == ours.keys() and len(stock) > 4 and (stock["draws"] > 0.0).all()
    for name, value in stock.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-5, err_msg=name)


def test_hmc_takes_the_same_path(adapter):
    """Densities are equal, so that the same seed gives the same chain."""
    model, _ = GAMMA_POISSON.programs(adapter, adapter.host)
    implicit = adapter.irg.implicit
    stock, ours = (
        adapter.chain(program, "HMC", samples=10, warmup=5, step_size=0.2, num_steps=3)
        for program in (model, implicit(model, strict=True))
    )
    np.testing.assert_allclose(ours, stock, rtol=1e-4)


@over(("HMC", "NUTS"), "kernel", when=lambda adapter, kernel: adapter.eager or kernel == "NUTS")
def test_hamiltonian_monte_carlo(adapter, kernel):
    """Gamma-Poisson: mean of the exact posterior, within 4 standard errors by the effective number of draws."""
    model, _ = GAMMA_POISSON.programs(adapter, adapter.dist)
    options = {"trajectory_length": 1.5} if kernel == "HMC" else {}
    samples, warmup = (200, 100) if adapter.eager else (500, 200)
    x = adapter.chain(model, kernel, samples=samples, warmup=warmup, **options)
    posterior = adapter.dist.Gamma(**adapter.arrays(GAMMA_POISSON.posterior))
    mean, variance = map(adapter.numpy, (posterior.mean, posterior.variance))
    effective = adapter.effective_draws(x)
    assert effective > samples / 10
    assert abs(x.mean() - mean) < STANDARD_ERRORS * np.sqrt(variance / effective)
