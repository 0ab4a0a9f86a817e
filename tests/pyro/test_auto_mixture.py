"""AutoMixture on posteriors of two modes with known evidence."""

import copy

import pyro
import pyro.distributions as host
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoMultivariateNormal
from pyro.optim import ClippedAdam
from torch.distributions import AffineTransform

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


@pytest.fixture(autouse=True)
def empty_store():
    pyro.clear_param_store()


def gap(guide, steps, seed):
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    elbo = Trace_ELBO(16, 1, vectorize_particles=True)
    svi = SVI(model, guide, ClippedAdam({"lr": 0.03, "lrd": 0.99}), elbo)
    for _ in range(steps):
        svi.step()
    with torch.no_grad():
        return Trace_ELBO(10_000, 1, vectorize_particles=True).loss(model, guide)


@pytest.mark.parametrize("seed", range(2))
def test_search_finds_both_modes(seed):
    pyro.set_rng_seed(seed)
    guide = AutoMixture(model, 4)
    guide()
    left = guide.origins[:, 0] < 0.0
    assert left.sum() == 2
    weight = float(guide.log_weights.detach().softmax(-1)[left].sum())
    assert weight == pytest.approx(0.5, abs=0.15)  # 256 draws; off by .15 costs .05 nats


def test_what_the_search_found_stands_still():
    pyro.set_rng_seed(0)
    guide = AutoMixture(model, 2, num_starts=2)
    guide()
    before = {name: value.clone() for name, value in guide.state_dict().items()}
    SVI(model, guide, ClippedAdam({"lr": 0.03}), Trace_ELBO()).step()
    after = guide.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved == {"logits", "shifts", "scales_unconstrained", "scale_trils_unconstrained"}


@pytest.mark.slow
def test_finds_both_modes():
    guide = AutoMixture(model, 4)
    assert -0.02 < gap(guide, 400, seed=3) < 0.05
    found = guide.quantiles([0.1, 0.5, 0.9])
    assert found["x"].shape == (3,) and found["x"][0] < -1.5 and found["x"][2] > 1.5
    assert (found["y"] > 0.0).all()
    assert set(guide.median()) == {"x", "y"}
    assert gap(AutoMultivariateNormal(model), 400, seed=0) > 0.5  # one mode of two: log 2


def test_one_component_is_a_gaussian():
    guide = AutoMixture(model, 1, num_starts=0, init_scale=0.3)
    guide()
    posterior = guide.get_posterior()
    assert posterior.has_rsample and posterior.event_shape == (2,)
    torch.testing.assert_close(posterior.mean, guide.origins[0].detach())
    torch.testing.assert_close(posterior.variance, torch.full((2,), 0.09))


def test_mean_field_elbo_keeps_the_jacobian():
    guide = AutoMixture(model, 3, num_starts=2)
    pyro.set_rng_seed(0)
    guide()
    losses = []
    for elbo in (Trace_ELBO(1, 1), TraceMeanField_ELBO(1, 1)):
        pyro.set_rng_seed(1)
        losses.append(elbo.loss(model, guide))
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_copy():
    guide = AutoMixture(model, 3, num_starts=2)
    guide()
    state = {name: value.clone() for name, value in guide.state_dict().items()}
    guide.load_state_dict(copy.deepcopy(state))
    assert {"logits", "origins", "units"} <= set(state)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="num_components must be an integer >= 1, got 0"):
        AutoMixture(model, 0)
    with pytest.raises(ValueError, match="num_starts must be an integer >= 0, got -1"):
        AutoMixture(model, 2, num_starts=-1)
    with pytest.raises(ValueError, match=r"init_scale must be positive and finite, got -1\.0"):
        AutoMixture(model, 2, init_scale=-1.0)
    with pytest.raises(ValueError, match="init_spread must be positive and finite, got inf"):
        AutoMixture(model, 2, init_spread=float("inf"))


def test_quantiles_are_those_of_the_constrained_latents():
    def turned():
        pyro.sample("negative", host.TransformedDistribution(host.LogNormal(0.0, 1.0), AffineTransform(0.0, -1.0)))
        pyro.sample("shares", host.Dirichlet(torch.tensor([1.0, 1.0, 5.0])))

    guide = AutoMixture(turned, 1, num_starts=0, init_scale=0.5)
    guide()
    low, high = (
        {name: value[i] for name, value in guide.quantiles([0.1, 0.9], num_samples=4000).items()} for i in (0, 1)
    )
    assert low["negative"] < high["negative"] < 0.0
    assert (low["shares"] < high["shares"]).all()
    with pyro.plate("draws", 4000):
        draws = guide()
    for name in ("negative", "shares"):
        assert ((draws[name] < low[name]).float().mean(0) - 0.1).abs().max() < 0.04  # 5 standard errors of 4,000 draws


def test_the_search_leaves_a_module_as_it_was():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(2)

        def forward(self):
            z = pyro.sample("z", host.Normal(torch.zeros(3, 2), 1.0).to_event(2))
            pyro.sample("x", host.Normal(self.norm(z), 1.0).to_event(2), obs=torch.zeros(3, 2))

    counts = []
    for num_starts in (0, 2):
        net = Net()
        AutoMixture(net, 1, num_starts=num_starts)()
        counts.append(int(net.norm.num_batches_tracked))
    assert counts[0] == counts[1]
