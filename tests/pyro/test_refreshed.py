"""The Hamiltonian guide with refreshed momenta, whose every point is weighed."""

import copy
import math

import pyro
import pytest
import torch
from pyro.infer import SVI, RenyiELBO, Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoMultivariateNormal, AutoNormal
from pyro.optim import ClippedAdam

import pyro_irg.distributions as dist
from pyro_irg.infer import HVAE, AutoHVAE, diagnostics, log_weights
from tests.pyro.evidences import (
    DATA,
    assert_mean_weight,
    banana,
    global_evidence,
    global_guide,
    global_model,
    local_evidence,
    local_guide,
    local_model,
    loss,
    mixed_evidence,
    mixed_guide,
    mixed_model,
)

CASES = {
    "local": (local_model, local_guide, local_evidence),
    "global": (global_model, global_guide, global_evidence),
    "mixed": (mixed_model, mixed_guide, mixed_evidence),
}


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


def shaken(guide, *args, deviation=0.2):
    """The guide, with random parameters that it has never been trained to."""
    guide(*args)
    with torch.no_grad():
        for name, value in guide.named_parameters():
            if not name.endswith(("origin_unconstrained", "unit_unconstrained")):
                value.add_(deviation * torch.randn_like(value))
    return guide


@pytest.mark.parametrize("name", CASES)
def test_mean_weight(name):
    model, base, evidence = CASES[name]
    guide = shaken(HVAE(model, base, num_steps=3, transition="refreshed"), DATA)
    assert_mean_weight(model, guide, DATA, exact=evidence(DATA).sum())


def test_mean_weight_of_each_datum():
    guide = shaken(HVAE(local_model, local_guide, num_steps=3, transition="refreshed"), DATA)
    assert_mean_weight(local_model, guide, DATA, exact=local_evidence(DATA), plate="data")


def counts(x):
    """A constrained latent: rate ~ Gamma(3, 2), x_i ~ Poisson(rate)."""
    rate = pyro.sample("rate", dist.Gamma(3.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", pyro.distributions.Poisson(rate), obs=x)


COUNTS = torch.tensor([1.0, 0.0, 3.0, 2.0])


def counts_evidence(x):
    n, total = len(x), float(x.sum())
    found = 3.0 * math.log(2.0) - math.lgamma(3.0) + math.lgamma(3.0 + total) - (3.0 + total) * math.log(2.0 + n)
    return found - float(torch.lgamma(x + 1.0).sum())


BASES = [{}, *({"base": base, "base_options": {"init_scale": 0.6}} for base in (AutoNormal, AutoMultivariateNormal))]


@pytest.mark.parametrize("options", BASES)
def test_mean_weight_over_an_automatic_base(options):
    guide = shaken(AutoHVAE(counts, num_steps=3, **options), COUNTS)
    assert_mean_weight(counts, guide, COUNTS, exact=counts_evidence(COUNTS))


@pytest.mark.parametrize("options", BASES)
def test_mean_weight_of_latents_in_a_plate(options):
    guide = shaken(AutoHVAE(mixed_model, num_steps=2, **options), DATA[:2], deviation=0.05)
    assert_mean_weight(mixed_model, guide, DATA[:2], exact=mixed_evidence(DATA[:2]))


def test_weighted_draws_are_the_posteriors():
    """Which point of a path is drawn: the posterior of the rate is Gamma(3 + sum x, 2 + n)."""
    guide, count = shaken(AutoHVAE(counts, num_steps=3), COUNTS), 20_000

    def side_by_side(fn):
        def run():
            with pyro.plate("draws", count, dim=-2):
                return fn(COUNTS)

        return run

    with torch.no_grad():
        drawn = pyro.poutine.trace(side_by_side(guide)).get_trace()
        joint = pyro.poutine.trace(pyro.poutine.replay(side_by_side(counts), trace=drawn)).get_trace()
        log_w = 0.0
        for sites, sign in ((joint, 1.0), (drawn, -1.0)):
            sites.compute_log_prob()
            for site in sites.nodes.values():
                if site["type"] == "sample" and site["name"] not in ("draws", "data"):
                    log_w = log_w + sign * site["log_prob"].reshape(count, -1).sum(-1)
        w, rate = log_w.softmax(0), drawn.nodes["rate"]["value"].reshape(-1)
    for power, exact in ((1, 9.0 / 6.0), (2, 9.0 * 10.0 / 36.0)):
        mean = (w * rate**power).sum()
        # 4.5 standard errors of a ratio of means
        assert abs(mean - exact) < 4.5 * (w**2 * (rate**power - mean) ** 2).sum().sqrt()


def test_more_latents_than_a_dense_map_has():
    def model():
        pyro.sample("z", dist.Normal(torch.zeros(120), 1.0).to_event(1))

    guide = AutoHVAE(model, num_steps=2, base_options={"init_scale": 1.0})
    guide()
    assert guide.base.unit.shape == (120,) and guide.base.lower.shape == (11, 120)
    weights = log_weights(model, shaken(guide, deviation=0.005), num_samples=4000, batch_size=4000)
    assert abs(weights.exp().mean() - 1.0) < 4.5 * weights.exp().std() / 4000**0.5


def test_minibatches_average_to_the_full_loss():
    guide = shaken(HVAE(local_model, local_guide, num_steps=2, transition="refreshed"), DATA)
    options = {"vectorize_particles": True, "max_plate_nesting": 1}
    full = loss(local_model, guide, DATA, num_particles=40_000, **options)
    part = torch.tensor(
        [loss(local_model, guide, DATA, 2, num_particles=100, seed=seed, **options) for seed in range(200)]
    )
    assert abs(part.mean() - full) < 4.0 * part.std() / math.sqrt(200)


def test_global_latents_of_minibatches_are_weighed_at_the_last_point():
    """A mean of weights that are scaled up from a part of the data would lie above the evidence."""
    guide = HVAE(mixed_model, mixed_guide, num_steps=2, transition="refreshed")
    losses = torch.tensor([loss(mixed_model, guide, DATA, 2, num_particles=1, seed=seed) for seed in range(100)])
    assert guide.path["posterior_shares"].tolist() == [0.0, 0.0, 1.0]
    full = [loss(mixed_model, guide, DATA, 6, num_particles=1, seed=seed) for seed in range(100)]
    base = loss(mixed_model, mixed_guide, DATA, num_particles=4000)
    # before training the last point is a draw of the base; 4.5 standard errors
    assert abs(losses.mean() - base) < 4.5 * losses.std() / 10.0
    assert sum(full) / 100 < base + 0.5


@pytest.mark.parametrize("name", CASES)
def test_every_elbo_sees_the_same_loss(name):
    model, base, evidence = CASES[name]
    guide = shaken(HVAE(model, base, num_steps=3, transition="refreshed"), DATA)
    expected = loss(model, guide, DATA)
    for elbo in (TraceGraph_ELBO, TraceMeanField_ELBO):
        assert loss(model, guide, DATA, elbo=elbo) == pytest.approx(expected, rel=1e-5)
    options = {"num_particles": 4000, "vectorize_particles": True, "max_plate_nesting": 1}
    renyi = -loss(model, guide, DATA, elbo=RenyiELBO, alpha=0.0, **options)
    assert -loss(model, guide, DATA, **options) < renyi < float(evidence(DATA).sum()) + 0.1


def test_before_training_it_is_the_importance_weighted_bound():
    """K + 1 independent draws of the base, for each datum."""
    guide = HVAE(local_model, local_guide, num_steps=4, transition="refreshed")
    base = log_weights(local_model, local_guide, DATA, num_samples=50_000, batch_size=50_000, plate="data")
    bound = base.reshape(10_000, 5, len(DATA)).logsumexp(1) - math.log(5.0)
    found = log_weights(local_model, guide, DATA, num_samples=10_000, batch_size=10_000, plate="data")
    error = ((bound.var(0) + found.var(0)) / 10_000).sqrt()
    assert ((bound.mean(0) - found.mean(0)).abs() < 4.5 * error).all()


def test_gradient_of_the_models_parameters():
    """The pull on the model is that of the weights' mean: finite differences of the loss, on the same draws."""
    guide = shaken(HVAE(local_model, local_guide, num_steps=2, transition="refreshed"), DATA)
    loss(local_model, guide, DATA)
    bias = pyro.get_param_store()["bias"]
    pyro.set_rng_seed(1)
    Trace_ELBO().differentiable_loss(local_model, guide, DATA).backward()
    (slope,) = (bias.grad.item(),)
    values = []
    for step in (1e-2, -1e-2):
        with torch.no_grad():
            bias.add_(step)
        values.append(loss(local_model, guide, DATA))
        with torch.no_grad():
            bias.sub_(step)
    # rounding of a loss of some tens in single precision, over 2e-2
    assert slope == pytest.approx((values[0] - values[1]) / 2e-2, rel=1e-2, abs=5e-3)


def test_a_point_without_a_density_does_no_harm():
    def model():
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.factor("beyond", torch.where(z > 2.0, math.nan, 0.0) * torch.sqrt(2.0 - z).nan_to_num())

    def base():
        pyro.sample("z", dist.Normal(pyro.param("m", lambda: torch.tensor(0.0)), 1.0))

    guide = HVAE(model, base, num_steps=3, transition="refreshed")
    with pyro.validation_enabled(False):
        for seed in range(20):
            pyro.set_rng_seed(seed)
            elbo = Trace_ELBO(64, max_plate_nesting=0, vectorize_particles=True)
            found = elbo.differentiable_loss(model, guide)
            found.backward()
            assert torch.isfinite(found)
        assert all(torch.isfinite(p.grad).all() for p in guide.parameters() if p.grad is not None)


def test_training_the_automatic_guide():
    """The banana's curvature costs a full-rank Gaussian .78 nats."""
    guide = AutoHVAE(banana, num_steps=5)
    elbo = Trace_ELBO(16, max_plate_nesting=0, vectorize_particles=True)
    svi = SVI(banana, guide, ClippedAdam({"lr": 0.02, "lrd": 0.01 ** (1 / 250)}), elbo)
    for _ in range(250):
        svi.step()
    # so few steps; after 4,000 it is below .1
    assert -0.02 < loss(banana, guide, num_particles=4000, vectorize_particles=True, max_plate_nesting=0) < 0.4
    found = diagnostics(guide)
    assert found["strengths"][""].shape == found["angles"][""].shape == (5, 2)
    assert found["persistences"][""].shape == (4, 2) and found["energy_errors"].shape == (5,)
    assert found["shares"].sum() == pytest.approx(1.0, abs=1e-6) and found["rejected"] == 0.0
    assert found["posterior_shares"].sum() == pytest.approx(1.0, abs=1e-5)
    assert guide.sample_posterior(num_samples=10, batch_size=10)["a"].shape == (10,)


def test_state_dict_and_deepcopy():
    guide = shaken(AutoHVAE(global_model, num_steps=2), DATA)
    expected = loss(global_model, guide, DATA)
    assert loss(global_model, copy.deepcopy(guide), DATA) == expected
    pyro.clear_param_store()
    other = AutoHVAE(global_model, num_steps=2)
    other(DATA)
    other.load_state_dict(guide.state_dict())
    assert loss(global_model, other, DATA) == expected


def test_settings_of_the_leapfrog_are_refused():
    with pytest.raises(ValueError, match=r"\['step_size', 'tempering'\] are settings of transition='leapfrog'"):
        AutoHVAE(global_model, step_size=0.3, tempering="free")
