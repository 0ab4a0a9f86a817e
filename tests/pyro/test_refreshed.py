"""The Hamiltonian guide with refreshed momenta, with Pyro's minibatches and parameters."""

import math
import warnings

import pyro
import pytest
import torch
from pyro.infer import Trace_ELBO

import pyro_irg.distributions as dist
from pyro_irg.infer import HVAE, log_weights
from pyro_irg.infer.bijections import finite_slopes
from tests.adapters import pyro as adapter
from tests.pyro.evidences import DATA, local_guide, local_model, loss


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


@pytest.fixture(params=["refreshed", "coupled"])
def guide(request):
    made = HVAE(local_model, local_guide, num_steps=2, transition=request.param)
    adapter.shaken(local_model, made, DATA)
    return made


def test_minibatches_average_to_the_full_loss(guide):
    options = {"vectorize_particles": True, "max_plate_nesting": 1}
    full = loss(local_model, guide, DATA, num_particles=40_000, **options)
    part = torch.tensor(
        [loss(local_model, guide, DATA, 2, num_particles=100, seed=seed, **options) for seed in range(200)]
    )
    assert abs(part.mean() - full) < 4.0 * part.std() / math.sqrt(200)


def test_gradient_of_the_models_parameters(guide):
    """The pull on the model is that of the weights' mean: finite differences of the loss, on the same draws."""
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


@pytest.mark.parametrize(
    ("settings", "others"),
    [
        ({"step_size_shape": "step"}, {"num_steps": 3}),
        ({"step_size_shape": "scalar", "tempering": "free"}, {"num_steps": 3}),
        ({"transition": "refreshed"}, {"num_steps": 3}),
        ({"transition": "coupled"}, {"num_steps": 3}),
        ({"step_size_shape": "dim"}, {"step_size_shape": "step"}),
    ],
)
def test_parameters_of_other_steps(settings, others):
    """Pyro's store gives a new guide the parameters of the former by name, whatever their shape."""
    settings = {"num_steps": 2, **settings}
    loss(local_model, HVAE(local_model, local_guide, **settings), DATA)
    with pytest.raises(ValueError, match=r"HVAE: the steps' parameter .* another guide's; write pyro.clear_param"):
        loss(local_model, HVAE(local_model, local_guide, **{**settings, **others}), DATA)


@pytest.mark.parametrize("unit", [None, 1.0, 1e-10])
def test_slopes_that_are_cut_are_those_alone_that_are_too_large(unit):
    """Those whose sum of squares overflows, none of them infinite, are left as they are."""
    most = torch.finfo(torch.float32).max
    limit = most if unit is None else 1e-3 * most**0.5 / unit
    slope = torch.tensor([1.0, -0.9 * limit, 0.9 * limit, 1.1 * limit, torch.inf, -torch.inf, torch.nan])
    x = torch.zeros(7, requires_grad=True)
    finite_slopes(x, unit).backward(slope)
    assert x.grad.tolist() == slope[:3].tolist() + 4 * [0.0]
    x.grad = None
    finite_slopes(x, unit).backward(slope[:3].repeat(3)[:7])
    assert x.grad.tolist() == slope[:3].repeat(3)[:7].tolist()


@pytest.mark.parametrize("scale, told", [(0.1, False), (2.0, True)])
def test_angles_from_the_line(scale, told):
    """Beyond pi their density repeats itself: the mean weight is above p(x)."""

    def model():
        pyro.sample("z", dist.VonMises(torch.tensor(0.0), 2.0))

    def base():
        pyro.sample("z", dist.Normal(torch.zeros(()), scale))

    guide = HVAE(model, base, num_steps=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log_weights(model, guide, num_samples=200, batch_size=200)
    assert any("the angle 'z' lie beyond pi" in str(w.message) for w in caught) == told
