"""AutoMixture on posteriors of two modes with known evidence."""

import copy

import pyro
import pyro.distributions as host
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoMultivariateNormal
from pyro.optim import ClippedAdam

from pyro_irg.infer import AutoMixture

LOCS = torch.tensor([[-2.0, -1.0], [2.0, 1.0]])
SCALE_TRILS = torch.tensor([[[0.6, 0.0], [0.4, 0.5]], [[0.8, 0.0], [-0.5, 0.4]]])


def model():
    """The posterior is a mixture of two Gaussians in (x, log y), and log p(data) = 0."""
    x = pyro.sample("x", host.Normal(0.0, 3.0))
    y = pyro.sample("y", host.LogNormal(0.0, 3.0))
    z = torch.stack([x, y.log()], -1)
    components = host.MultivariateNormal(LOCS, scale_tril=SCALE_TRILS)
    target = host.MixtureSameFamily(host.Categorical(torch.ones(2)), components)
    pyro.factor("target", target.log_prob(z) - host.Normal(0.0, 3.0).expand([2]).to_event(1).log_prob(z))


def gap(guide, steps, seed):
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    elbo = Trace_ELBO(32, 1, vectorize_particles=True)
    svi = SVI(model, guide, ClippedAdam({"lr": 0.03, "lrd": 0.998}), elbo)
    for _ in range(steps):
        svi.step()
    with torch.no_grad():
        return Trace_ELBO(10_000, 1, vectorize_particles=True).loss(model, guide)


@pytest.mark.slow
def test_finds_both_modes():
    guide = AutoMixture(model, 4)
    assert -0.02 < gap(guide, 1500, seed=3) < 0.05
    found = guide.quantiles([0.1, 0.5, 0.9])
    assert found["x"].shape == (3,) and found["x"][0] < -1.5 and found["x"][2] > 1.5
    assert (found["y"] > 0.0).all()
    assert set(guide.median()) == {"x", "y"}
    assert gap(AutoMultivariateNormal(model), 1500, seed=0) > 0.5  # one mode of two: log 2


def test_one_component_is_a_gaussian():
    guide = AutoMixture(model, 1, init_scale=0.3)
    guide()
    posterior = guide.get_posterior()
    assert posterior.has_rsample and posterior.event_shape == (2,)
    torch.testing.assert_close(posterior.mean, guide.locs[0].detach())
    torch.testing.assert_close(posterior.variance, torch.full((2,), 0.09))


def test_mean_field_elbo_keeps_the_jacobian():
    guide = AutoMixture(model, 3)
    pyro.set_rng_seed(0)
    guide()
    losses = []
    for elbo in (Trace_ELBO(1, 1), TraceMeanField_ELBO(1, 1)):
        pyro.set_rng_seed(1)
        losses.append(elbo.loss(model, guide))
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_copy():
    guide = AutoMixture(model, 3)
    guide()
    state = {name: value.clone() for name, value in guide.state_dict().items()}
    guide.load_state_dict(copy.deepcopy(state))
    assert {"logits", "locs"} <= set(state)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="num_components must be an integer >= 1, got 0"):
        AutoMixture(model, 0)
    with pytest.raises(ValueError, match=r"init_scale must be positive and finite, got -1\.0"):
        AutoMixture(model, 2, init_scale=-1.0)
    with pytest.raises(ValueError, match="init_spread must be positive and finite, got inf"):
        AutoMixture(model, 2, init_spread=float("inf"))
