"""What a saved training keeps, and what it refuses."""

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


def guide(deep, size=()):
    scale = pyro.param("scale", torch.full(size, 0.3), constraint=dist.constraints.positive)
    if deep:
        scale = scale * pyro.param("factor", torch.tensor(0.2), constraint=dist.constraints.positive)
    pyro.sample("z", dist.Normal(0.0, scale.sum()))


def started(program=guide):
    return SVI(model, program, Adam({"lr": 0.1}), Trace_ELBO())


def test_parameters_of_a_branch_that_is_not_taken():
    svi = started()
    svi.step(True)
    state = get_state(svi)
    kept = {name: pyro.param(name).item() for name in ("scale", "factor")}
    svi.step(True)  # which the state does not see
    set_state(started(), state, False)
    assert {name: pyro.param(name).item() for name in kept} == kept


@pytest.mark.parametrize("other", [lambda deep: guide(deep, (3,)), lambda deep: guide(True)], ids=["shape", "name"])
def test_another_guides_state_is_refused(other):
    svi = started()
    svi.step(False)
    with pytest.raises(ValueError, match="set_state: the model and guide make a parameter"):
        set_state(started(other), get_state(svi), False)
