"""What a saved training keeps in Pyro."""

import pyro
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import Adam

import pyro_irg.distributions as dist
from pyro_irg.infer import get_state, set_state


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


def model(deep):
    pyro.sample("z", dist.Normal(0.0, 1.0))


def guide(deep):
    scale = pyro.param("scale", torch.tensor(0.3), constraint=dist.constraints.positive)
    if deep:
        scale = scale * pyro.param("factor", torch.tensor(0.2), constraint=dist.constraints.positive)
    pyro.sample("z", dist.Normal(0.0, scale))


def started():
    return SVI(model, guide, Adam({"lr": 0.1}), Trace_ELBO())


def test_parameters_of_a_branch_that_is_not_taken():
    svi = started()
    svi.step(True)
    state = get_state(svi)
    kept = {name: pyro.param(name).item() for name in ("scale", "factor")}
    svi.step(True)  # which the state does not see
    set_state(started(), state, False)
    assert {name: pyro.param(name).item() for name in kept} == kept
