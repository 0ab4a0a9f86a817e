"""AutoMixture as a module of Pyro's: its state, and that of the model."""

import copy

import pyro
import pyro.distributions as host
import pytest
import torch

from pyro_irg.infer import AutoMixture


@pytest.fixture(autouse=True)
def empty_store():
    pyro.clear_param_store()


def test_copy():
    def model():
        pyro.sample("x", host.Normal(torch.zeros(2), 1.0).to_event(1))

    guide = AutoMixture(model, 3, num_starts=2)
    guide()
    state = {name: value.clone() for name, value in guide.state_dict().items()}
    guide.load_state_dict(copy.deepcopy(state))
    assert {"logits", "origins", "units"} <= set(state)


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
