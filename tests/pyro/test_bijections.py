"""Maps onto the simplex near its corners, and what does not stay finite there."""

import copy

import pyro
import pyro.distributions as host
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import Adam
from torch.distributions import biject_to, constraints

import pyro_irg.distributions as dist
from pyro_irg.infer import HVAE, diagnostics
from pyro_irg.infer.bijections import bijection


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


def test_it_is_the_hosts_map():
    x = torch.randn(5, 3)
    ours, theirs = bijection(constraints.simplex), biject_to(constraints.simplex)
    # 6 units in the last place of float32
    torch.testing.assert_close(ours(x), theirs(x), rtol=4e-7, atol=0.0)
    torch.testing.assert_close(ours.inv(ours(x).clone()), x, rtol=0.0, atol=1e-6)
    log_det = ours.log_abs_det_jacobian(x, ours(x))
    torch.testing.assert_close(log_det, theirs.log_abs_det_jacobian(x, theirs(x)), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("y", [[0.3, 0.7, 1e-18], [1e-12, 1.0, 1e-30], [1.0, 1e-9, 1e-20]])
def test_corners_go_there_and_back(y):
    ours, y = bijection(constraints.simplex), torch.tensor(y)
    x = ours.inv(y)
    # a logarithm of 1e-30 has 4e-6 of absolute rounding in float32, which exp makes relative
    torch.testing.assert_close(ours(x.clone()), y, rtol=2e-5, atol=0.0)
    assert torch.autograd.functional.jacobian(ours.inv, y).isfinite().all()


def flat(x):
    with pyro.plate("data", len(x)):
        theta = pyro.sample("theta", host.Gamma(0.5, 1.0))
        pyro.sample("x", dist.Normal(theta.log1p(), 1.0), obs=x)


def small(x):
    loc = pyro.param("loc", lambda: torch.tensor([-50.0, 0.0, 1.0]))
    with pyro.plate("data", len(x)):
        pyro.sample("theta", dist.LogNormal(loc, 0.1))


def test_an_overflowing_curvature_reaches_no_parameter_and_is_told():
    """theta = e^-50: (a - 1) / theta^2 overflows in float32."""
    guide, x = HVAE(flat, small, num_steps=2), torch.zeros(3)
    assert torch.isfinite(torch.tensor(SVI(flat, guide, Adam({"lr": 1e-2}), Trace_ELBO()).step(x)))
    loc = pyro.param("loc").detach()
    assert loc.isfinite().all() and (loc != torch.tensor([-50.0, 0.0, 1.0])).all()
    (why,) = diagnostics(guide, x)["why"]
    assert why.startswith("33.3% of the model's curvatures in 'theta' overflow")
    copy.deepcopy(guide)  # it has kept nothing of it


def test_nothing_to_tell():
    pyro.param("loc", torch.zeros(3))
    assert diagnostics(HVAE(flat, small, num_steps=1), torch.zeros(3))["why"] == []
