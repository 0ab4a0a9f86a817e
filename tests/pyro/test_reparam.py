"""`implicit`, Pyro's reparameterizers of ours, and `check_reparameterized`: stock programs with right gradients."""

import copy
import pickle

import numpy as np
import pyro
import pyro.distributions as host
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, Predictive, Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO, config_enumerate
from pyro.nn import PyroModule, PyroParam
from pyro.optim import ClippedAdam
from torch.distributions import constraints

import pyro_irg.distributions as dist
from pyro_irg import check_reparameterized, implicit, registered
from pyro_irg.infer import HVAE
from tests.adapters import pyro as adapter
from tests.checks import STANDARD_ERRORS, standardised
from tests.conjugate import CONJUGATES


def types(program, *args):
    """Site -> class of its distribution."""
    sites = poutine.trace(program).get_trace(*args).nodes.values()
    return {site["name"]: type(site["fn"]) for site in sites if site["type"] == "sample"}


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(6)


# --------------------------------------------------------------------------------------------------------- inference


def test_svi_has_less_variance_than_the_score_function():
    """Pyro's VonMises is not reparameterized: right, with some hundred times the variance."""
    conjugate = CONJUGATES[0]
    assert conjugate.family == "VonMises"
    model, guide = conjugate.programs(adapter, host)
    stock = adapter.elbo_gradients(model, guide, steps=50)
    ours = adapter.elbo_gradients(implicit(model), implicit(guide), steps=50)
    with registered():
        in_place = adapter.elbo_gradients(*conjugate.programs(adapter, host), steps=50)
    for name in stock:
        assert ours[name].var() < 0.1 * stock[name].var() and in_place[name].var() < 0.1 * stock[name].var()


def test_enumerated_sites_pass_strict():
    """Whichever of `implicit` and `config_enumerate` is outside."""

    def model():
        k = pyro.sample("k", host.Bernoulli(0.3))
        x = pyro.sample("x", host.Gamma(2.0 + k, 1.0))
        pyro.sample("y", host.Poisson(x), obs=torch.tensor(2.0))

    def guide():
        p = pyro.param("p", torch.tensor(0.5), constraint=constraints.unit_interval)
        pyro.sample("k", host.Bernoulli(p))
        pyro.sample("x", host.Gamma(pyro.param("a", torch.tensor(2.0), constraint=constraints.positive), 1.0))

    for wrapped in (config_enumerate(implicit(guide, strict=True)), implicit(config_enumerate(guide), strict=True)):
        svi = SVI(model, wrapped, ClippedAdam({"lr": 0.01}), TraceEnum_ELBO())
        assert np.isfinite(svi.step())
        check_reparameterized(wrapped)
    with pytest.raises(ValueError, match="site 'k' is not reparameterized: Bernoulli; enumerate it"):
        SVI(model, implicit(guide, strict=True), ClippedAdam({"lr": 0.01}), Trace_ELBO()).step()


def test_predictive():
    model, guide = CONJUGATES[0].programs(adapter, host)
    draws = Predictive(model, guide=implicit(guide), num_samples=7, return_sites=["x", "y"])()
    assert draws["x"].shape[0] == draws["y"].shape[0] == 7
    assert Predictive(implicit(model), num_samples=7, parallel=True)()["x"].shape[0] == 7


# ----------------------------------------------------------------------------------------------- modules and autoguides


class Compass(PyroModule):
    """A stock guide with a parameter and a network."""

    def __init__(self):
        super().__init__()
        self.concentration = PyroParam(torch.tensor(2.0), constraint=constraints.positive)
        self.net = PyroModule[torch.nn.Linear](1, 1)

    def forward(self):
        return pyro.sample("x", host.VonMises(self.net(torch.ones(1)).squeeze(-1), self.concentration))

    def mode(self):
        return self.net(torch.ones(1)).item()


def test_a_module_stays_a_module():
    guide = Compass()
    wrapped = implicit(guide)
    assert isinstance(wrapped, torch.nn.Module) and types(wrapped)["x"] is dist.VonMises
    assert wrapped.mode() == guide.mode() and wrapped.net is guide.net
    assert {id(p) for p in wrapped.parameters()} == {id(p) for p in guide.parameters()}
    assert list(wrapped.state_dict()) == list(guide.state_dict())
    other = implicit(Compass())
    assert other.mode() != wrapped.mode()
    other.load_state_dict(guide.state_dict())
    assert other.mode() == wrapped.mode()
    assert not wrapped.eval().training and not guide.training
    with pytest.raises(AttributeError, match="no_such_name"):
        wrapped.no_such_name  # noqa: B018


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_of_a_module(clone):
    wrapped = implicit(Compass(), strict=True)
    made = clone(wrapped)
    assert made.mode() == wrapped.mode() and made.net is not wrapped.net and made.strict
    assert types(made)["x"] is dist.VonMises
    torch.testing.assert_close(made.state_dict(), wrapped.state_dict())


def test_a_module_may_call_itself():
    """Nested calls of one wrapped guide, as in a recursive program."""

    class Nested(PyroModule):
        def forward(self, depth):
            pyro.sample(f"x{depth}", host.VonMises(0.0, 1.0))
            if depth:
                self.again(depth - 1)

    guide = Nested()
    wrapped = implicit(guide)
    guide.again = lambda depth: wrapped(depth)
    assert set(types(wrapped, 2).values()) == {dist.VonMises}


# ---------------------------------------------------------------------------------------------------- no silent bias


def site_slopes(guide, params, function):
    """d function(z) / d parameter of each draw, from `implicit(guide)` as from the guide alone."""
    return torch.autograd.grad(function(poutine.trace(guide).get_trace().nodes["z"]["value"]).sum(), params)


def test_guide_with_a_mixture_of_diagonal_normals():
    """E z0 z1**2 is 0 in the one component and m0 (m1**2 + s1**2) = 9.75 in the other, each of weight 1/2."""
    n = 20_000
    logits = torch.zeros(n, 2, dtype=torch.float64, requires_grad=True)
    locs = torch.tensor([[0.0, 0.0], [3.0, 1.0]], dtype=torch.float64).expand(n, 2, 2)
    scales = torch.tensor([[1.0, 0.5], [0.75, 1.5]], dtype=torch.float64).expand(n, 2, 2)

    def guide():
        pyro.sample("z", host.MixtureOfDiagNormals(locs, scales, logits))

    truth = np.array([-0.25, 0.25]) * 9.75
    stock, ours = (
        site_slopes(program, [logits], lambda z: z[..., 0] * z[..., 1] ** 2)[0].numpy()
        for program in (guide, implicit(guide, strict=True))
    )
    assert standardised(stock, truth, rtol=0.0).max() > STANDARD_ERRORS
    assert (standardised(ours, truth, rtol=0.0) < STANDARD_ERRORS).all()


@pytest.mark.parametrize(
    ("make", "at", "truth"),
    [(host.ContinuousBernoulli, 0.5, 1.0 / 3.0), (lambda c: host.GeneralizedPareto(0.0, 1.0, c), 0.0, 1.0)],
)
def test_guide_with_a_gradient_of_zero(make, at, truth):
    param = torch.full((20_000,), at, requires_grad=True)

    def guide():
        pyro.sample("z", make(param))

    (stock,) = site_slopes(guide, [param], lambda z: z)
    assert (stock == 0.0).all()
    (ours,) = site_slopes(implicit(guide), [param], lambda z: z)
    assert standardised(ours.double().numpy(), np.array(truth), rtol=0.0) < STANDARD_ERRORS


FAULTY = {
    "RelaxedBernoulliStraightThrough": (lambda p: host.RelaxedBernoulliStraightThrough(torch.tensor(0.5), p), "biased"),
    "RelaxedOneHotCategoricalStraightThrough": (
        lambda p: host.RelaxedOneHotCategoricalStraightThrough(torch.tensor(0.5), torch.stack([p, 1.0 - p])),
        "that of the draws before they were rounded",
    ),
    "Rejector": (
        lambda p: host.Rejector(host.Normal(p, 1.0), lambda x: -x * x, torch.tensor(-0.5)),
        "which lacks the score of acceptance",
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_faults_of_classes_without_a_twin(name):
    make, what = FAULTY[name]

    def guide():
        pyro.sample("z", make(torch.tensor(0.3)))

    with pytest.raises(ValueError, match=f"site 'z' has a wrong gradient: {name}, .*{what}"):
        check_reparameterized(guide)
    with pytest.raises(ValueError, match=f"strict=True.*{name}"):
        implicit(guide, strict=True)()


def test_mean_field_elbo_keeps_the_density_of_a_flow():
    """`TraceMeanField_ELBO` drops the `log_density` of a Delta; our Hamiltonian guide carries it in a factor."""
    factor = torch.tensor(0.75)

    def model():
        pyro.sample("y", host.Normal(pyro.sample("z", host.Normal(0.0, 1.0)), 1.0), obs=torch.tensor(0.5))

    def delta():
        pyro.sample("z", host.Delta(torch.tensor(0.25), log_density=factor))

    def normal():
        pyro.sample("z", host.Normal(pyro.param("m", torch.tensor(0.0)), 1.0))

    exact, mean_field = Trace_ELBO().loss(model, delta), TraceMeanField_ELBO().loss(model, delta)
    assert exact - mean_field == pytest.approx(factor.item())
    guide = HVAE(model, normal, num_steps=2, step_size=0.3)
    losses = []
    for elbo in (Trace_ELBO(), TraceMeanField_ELBO()):
        pyro.set_rng_seed(3)
        losses.append(elbo.loss(model, guide))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
