"""AutoHVAE: what a user of Pyro's autoguides calls."""

import pyro
import pytest
import torch
from pyro.infer import SVI, Predictive, Trace_ELBO
from pyro.infer.autoguide import (
    AutoDiagonalNormal,
    AutoIAFNormal,
    AutoLowRankMultivariateNormal,
    AutoMultivariateNormal,
    AutoNormal,
    init_to_value,
)
from pyro.optim import Adam

import pyro_irg.distributions as dist
from pyro_irg.infer import AutoHVAE, AutoMixture
from tests.pyro.evidences import (
    DATA,
    LEAPFROG,
    assert_mean_weight,
    global_evidence,
    global_model,
    mixed_evidence,
    mixed_model,
)


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


@pytest.mark.parametrize(
    "base", [AutoNormal, AutoDiagonalNormal, AutoMultivariateNormal, AutoLowRankMultivariateNormal]
)
def test_mean_weight_with_any_base(base):
    guide = AutoHVAE(
        mixed_model, num_steps=2, base=base, tempering="free", base_options={"init_scale": 0.6}, transition="leapfrog"
    )
    assert_mean_weight(mixed_model, guide, DATA[:2], exact=mixed_evidence(DATA[:2]))


def test_a_flow_as_base_trains():
    guide = AutoHVAE(
        mixed_model, num_steps=2, base=AutoIAFNormal, base_options={"hidden_dim": [8]}, transition="leapfrog"
    )
    svi = SVI(mixed_model, guide, Adam({"lr": 1e-2}), Trace_ELBO())
    losses = [svi.step(DATA) for _ in range(100)]
    assert sum(losses[-20:]) < sum(losses[:20])


def test_training_reaches_the_evidence():
    guide = AutoHVAE(
        global_model,
        num_steps=3,
        tempering="free",
        init_loc_fn=init_to_value(values={"mu": torch.zeros(())}),
        **LEAPFROG,
    )
    svi = SVI(global_model, guide, Adam({"lr": 2e-2}), Trace_ELBO(8, 1, vectorize_particles=True))
    for _ in range(200):
        svi.step(DATA)
    loss = Trace_ELBO(2000, 1, vectorize_particles=True).loss(global_model, guide, DATA)
    assert -float(global_evidence(DATA)) - 0.01 < loss < -float(global_evidence(DATA)) + 0.1


def test_options_reach_the_base():
    start = init_to_value(values={"mu": torch.tensor(1.75)})
    guide = AutoHVAE(
        global_model, num_steps=2, init_loc_fn=start, base_options={"init_scale": 0.25}, prefix="mine", **LEAPFROG
    )
    guide(DATA)
    assert guide.base.median(DATA)["mu"] == 1.75
    assert float(guide.base.scales.mu.detach()) == pytest.approx(0.25)
    assert all(name.startswith("mine.") for name in pyro.get_param_store())
    assert AutoHVAE(global_model, num_steps=2, **LEAPFROG).prefix == "auto"


def test_create_plates_subsamples():
    def plates(x):
        return pyro.plate("data", len(x), subsample_size=2)

    def model(x):
        with plates(x) as rows:
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 0.5), obs=x[rows])

    guide = AutoHVAE(model, num_steps=2, create_plates=plates, **LEAPFROG)
    svi = SVI(model, guide, Adam({"lr": 1e-2}), Trace_ELBO())
    for _ in range(3):
        svi.step(DATA)
    assert guide.base.locs.z.shape == (6,)
    assert guide(DATA)["z"].shape == (2,)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_draws(batch_size):
    guide = AutoHVAE(mixed_model, num_steps=2, tempering="free", **LEAPFROG)
    draws = guide.sample_posterior(DATA, num_samples=7, batch_size=batch_size)
    assert draws["mu"].shape == (7,) and draws["z"].shape == (7, 6)
    assert not draws["z"].requires_grad
    assert len(draws["mu"].unique()) == 7
    assert guide.sample_posterior(DATA)["z"].shape == (1, 6)


def test_draws_side_by_side_have_the_same_distribution():
    guide = AutoHVAE(
        mixed_model, num_steps=2, step_size=0.3, tempering="free", base_options={"init_scale": 0.7}, **LEAPFROG
    )
    one = guide.sample_posterior(DATA, num_samples=300)["z"]
    many = guide.sample_posterior(DATA, num_samples=20_000, batch_size=10_000)["z"]
    assert ((one.mean(0) - many.mean(0)).abs() < 4.5 * one.std(0) / 300**0.5).all()
    # the standard error of a Normal's log standard deviation is 1 / sqrt(2 n)
    assert ((one.std(0) / many.std(0)).log().abs() < 4.5 / 600**0.5).all()


def test_call_is_a_tuple_in_the_order_of_names():
    guide = AutoHVAE(mixed_model, num_steps=2, **LEAPFROG)
    mu, z = guide.call(DATA)
    assert mu.shape == () and z.shape == (6,)


@pytest.mark.parametrize("make", [lambda: AutoHVAE(mixed_model, num_steps=2), lambda: AutoMixture(mixed_model, 2)])
def test_a_fresh_guide_takes_a_state(make):
    guide = make()
    guide(DATA)
    saved, state = guide.state_dict(), torch.get_rng_state()
    fresh = make().setup(DATA)
    assert torch.equal(torch.get_rng_state(), state)
    fresh.load_state_dict(saved)
    for one, other in zip(guide(DATA).values(), (torch.set_rng_state(state), fresh(DATA))[1].values(), strict=True):
        assert torch.equal(one, other)


def test_predictive():
    """It hands the guide a draw of its own, detached, and the default base knows it again."""

    def model():
        z = pyro.sample("z", dist.Gamma(2.0, 1.0))
        with pyro.plate("data", 3):
            return pyro.sample("x", dist.Normal(z, 1.0))

    guide = AutoHVAE(model, num_steps=2, base_options={"num_starts": 0})
    guide()
    draws = Predictive(model, guide=guide, num_samples=4)()
    assert draws["x"].shape == (4, 3) and len(draws["z"].unique()) == 4
