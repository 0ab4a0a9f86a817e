"""AutoMixture as a module of Pyro's: its state, and that of the model."""

import copy

import pyro
import pyro.distributions as host
import pytest
import torch

from irg_kernels.inference import pathfinder
from pyro_irg.infer import AutoHVAE, AutoMixture


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


def test_copy():
    def model():
        pyro.sample("x", host.Normal(torch.zeros(2), 1.0).to_event(1))

    guide = AutoMixture(model, 3, num_starts=2)
    guide()
    state = {name: value.clone() for name, value in guide.state_dict().items()}
    guide.load_state_dict(copy.deepcopy(state))
    assert {f"{name}_unconstrained" for name in ("logits", "origins", "units")} <= set(state)


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


ROWS = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
SEEN = ROWS @ torch.tensor([1.0, -1.0, 0.5]) + 0.3


def regression(rows=ROWS):
    """Four latents; vectorizable."""
    w = pyro.sample("w", host.Normal(torch.zeros(3), 1.0).to_event(1))
    scale = pyro.sample("scale", host.LogNormal(0.0, 1.0))
    with pyro.plate("data", len(rows)):
        pyro.sample("y", host.Normal((rows * w).sum(-1), scale), obs=SEEN)


def not_vectorizable():
    """The same; its product mixes the points that are side by side, or fails."""
    w = pyro.sample("w", host.Normal(torch.zeros(3), 1.0).to_event(1))
    scale = pyro.sample("scale", host.LogNormal(0.0, 1.0))
    with pyro.plate("data", len(ROWS)):
        pyro.sample("y", host.Normal(ROWS @ w.reshape(-1)[:3], scale), obs=SEEN)


def searched(model):
    """The guide after its search, and how often the model ran."""
    runs = []

    def counted():
        runs.append(1)
        model()

    guide = AutoMixture(counted, 2)
    guide()
    return guide, len(runs)


def test_the_descents_are_side_by_side_where_the_model_allows_it():
    together, few = searched(regression)
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    apart, many = searched(not_vectorizable)
    assert together._side_by_side and not apart._side_by_side
    assert few < 200 < many  # a run for the gradients of all, one for the draws of each round, and those of masses
    # the same point by the same steps; rounding differs
    torch.testing.assert_close(together.origins, apart.origins, rtol=0.0, atol=2e-2)


@pytest.mark.parametrize("automatic", [AutoMixture, AutoHVAE])
def test_the_descents_are_side_by_side_in_a_plate_of_particles(automatic):
    """Whose dimension is the one that the search's own plate would have."""

    def search(first):
        pyro.clear_param_store()
        pyro.set_rng_seed(0)
        guide = automatic(regression, 2) if automatic is AutoMixture else automatic(regression)
        first(guide)
        part = getattr(guide, "base", guide)
        assert part._side_by_side
        return part

    def in_plates(guide):
        with pyro.plate("outer", 2, dim=-3), pyro.plate("particles", 2, dim=-2):
            guide()

    alone, inside = search(lambda guide: guide()), search(in_plates)
    for name in ("origins", "units") if automatic is AutoMixture else ("origin", "unit"):
        torch.testing.assert_close(getattr(inside, name), getattr(alone, name), rtol=0.0, atol=2e-2)


def test_a_search_stays_within_its_budget():
    for starts in (4, 8):
        most = pathfinder.rounds(starts, 4) * starts
        assert most <= 600  # a few hundred gradients
    assert pathfinder.rounds(8, 1000) * 8 <= 880  # the last 320 of them where there is hardly any curvature


@pytest.mark.parametrize("seconds, shown", [(0.0, True), (60.0, False)])
def test_a_long_search_shows_a_bar(monkeypatch, capsys, seconds, shown):
    monkeypatch.setattr("pyro_irg.infer.auto_mixture.SILENT_SECONDS", seconds)
    searched(not_vectorizable)
    assert ("AutoMixture: search, one point at a time" in capsys.readouterr().err) == shown


@pytest.mark.parametrize("make", [lambda model: AutoMixture(model, 2), lambda model: AutoHVAE(model, num_steps=1)])
def test_parameters_of_another_guide(make):
    """In Pyro's store, under the same name."""

    def model(size):
        pyro.sample("z", host.Normal(0.0, 1.0).expand([size]).to_event(1))

    pyro.clear_param_store()
    make(model)(1)
    with pytest.raises(ValueError, match=r"the model has 3 latent numbers, .* are of 1, .* pyro.clear_param_store\(\)"):
        make(model)(3)
