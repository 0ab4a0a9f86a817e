"""`implicit`, Pyro's reparameterizers of ours, and `check_reparameterized`: stock programs with right gradients."""

import copy
import pickle
import re

import numpy as np
import pyro
import pyro.distributions as host
import pytest
import torch
from pyro import poutine
from pyro.infer import HMC, MCMC, SVI, Predictive, Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO, config_enumerate
from pyro.infer.autoguide import AutoNormal
from pyro.infer.reparam import LocScaleReparam
from pyro.nn import PyroModule, PyroParam
from pyro.optim import ClippedAdam
from torch.distributions import constraints

import pyro_irg.distributions as dist
from pyro_irg import AutoImplicit, ImplicitReparam, check_reparameterized, implicit, registered
from pyro_irg.infer import HVAE
from tests.checks import STANDARD_ERRORS, standardised
from tests.conjugate import CONJUGATES, PRECISION


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(6)


def types(program, *args):
    """Site -> class of its distribution, without its batch wrappers."""
    sites = poutine.trace(program).get_trace(*args).nodes.values()
    laws = {site["name"]: site["fn"] for site in sites if site["type"] == "sample"}
    return {name: type(getattr(fn, "base_dist", fn)) for name, fn in laws.items()}


def angles():
    """Stock: a von Mises, a Gamma in a plate, a normal, an event of Betas, an observed Gamma."""
    pyro.sample("direction", host.VonMises(0.5, 2.0))
    with pyro.plate("rows", 10, subsample_size=3):
        pyro.sample("rate", host.Gamma(2.0, 1.0))
        pyro.sample("seen", host.Gamma(2.0, 1.0), obs=torch.ones(3))
    pyro.sample("level", host.Normal(0.0, 1.0))
    return pyro.sample("shares", host.Beta(torch.ones(2), 2.0).to_event(1))


OURS = {"direction": dist.VonMises, "rate": dist.Gamma, "level": host.Normal, "shares": dist.Beta}


# --------------------------------------------------------------------------------------------------------- implicit


def context(fn):
    def program(*args):
        with implicit():
            return fn(*args)

    return program


WAYS = {
    "function": implicit,
    "context manager": context,
    "decorator": lambda fn: implicit()(fn),
    "strict": lambda fn: implicit(fn, strict=True),
    "twice": lambda fn: implicit(implicit(fn)),
    "strategy": lambda fn: poutine.reparam(fn, config=AutoImplicit()),
    "callable config": lambda fn: poutine.reparam(
        fn, config=lambda site: ImplicitReparam() if site["name"] in OURS and site["name"] != "level" else None
    ),
    "dict config": lambda fn: poutine.reparam(
        fn, config={name: ImplicitReparam() for name in OURS if name != "level"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_latent_sites_are_exchanged(way):
    program = WAYS[way](angles)
    found = types(program)
    assert {name: found[name] for name in OURS} == OURS
    if "strategy" not in way:  # a strategy takes every site that has a twin
        assert found["seen"] is host.Gamma
    assert found["rows"].__name__ == "_Subsample"
    assert types(angles)["direction"] is host.VonMises  # nothing stays behind


@pytest.mark.parametrize("way", WAYS)
def test_the_density_stays(way):
    trace = poutine.trace(angles).get_trace()
    again = poutine.trace(poutine.replay(WAYS[way](angles), trace=trace)).get_trace()
    assert list(again.nodes) == list(trace.nodes)
    torch.testing.assert_close(again.log_prob_sum(), trace.log_prob_sum())
    for name, site in trace.nodes.items():
        if name in OURS:
            assert again.nodes[name]["fn"].shape() == site["fn"].shape()


def test_what_is_no_program():
    with pytest.raises(TypeError, match="implicit: fn must be a model or guide, a callable, got Tensor"):
        implicit(torch.zeros(2))


def test_conditioned_sites_keep_their_values():
    data = {"direction": torch.tensor(0.25), "shares": torch.tensor([0.5, 0.75])}
    for program in (poutine.condition(implicit(angles, strict=True), data), implicit(poutine.condition(angles, data))):
        trace = poutine.trace(program).get_trace()
        assert all(trace.nodes[name]["value"] is value for name, value in data.items())
        assert trace.log_prob_sum().isfinite()


def test_together_with_other_reparameterizers():
    def model():
        return pyro.sample("x", host.Normal(1.0, 2.0)) * pyro.sample("direction", host.VonMises(0.5, 2.0))

    program = implicit(poutine.reparam(model, config={"x": LocScaleReparam(0.0)}), strict=True)
    assert types(program)["direction"] is dist.VonMises and "x_decentered" in types(program)


# --------------------------------------------------------------------------------------------------------- inference


def stock_program(conjugate):
    """A model and guide in Pyro's own words, not one name of ours."""
    data = torch.tensor(conjugate.data)
    likelihoods = {
        "von Mises": lambda x: host.VonMises(x, PRECISION),
        "Beta-Bernoulli": host.Bernoulli,
        "Gamma-Poisson": host.Poisson,
    }

    def model():
        x = pyro.sample(
            "x", getattr(host, conjugate.family)(**{n: torch.tensor(v) for n, v in conjugate.prior.items()})
        )
        if conjugate.family == "Dirichlet":
            pyro.sample("y", host.Multinomial(int(data.sum()), x), obs=data)
            return
        with pyro.plate("data", len(data)):
            pyro.sample("y", likelihoods[conjugate.name](x), obs=data)

    def guide():
        params = {}
        for name, value in conjugate.guide.items():
            constraint = constraints.real if name in conjugate.free else constraints.positive
            params[name] = pyro.param(name, torch.tensor(value), constraint=constraint)
        pyro.sample("x", getattr(host, conjugate.family)(**params))

    return model, guide


def elbo_gradients(model, guide, names, steps=100):
    loss = Trace_ELBO(num_particles=200, vectorize_particles=True, max_plate_nesting=1)
    svi = SVI(model, guide, ClippedAdam({"lr": 0.0}), loss)
    found = {name: [] for name in names}
    for _ in range(steps):
        svi.loss_and_grads(svi.model, svi.guide)
        for name in found:
            leaf = pyro.get_param_store()._params[name]
            found[name].append(-leaf.grad.double().numpy())
            leaf.grad = None
    return {name: np.array(slopes) for name, slopes in found.items()}


@pytest.mark.parametrize("conjugate", CONJUGATES, ids=str)
def test_svi_with_a_stock_guide_is_unbiased(conjugate):
    model, guide = stock_program(conjugate)
    found = elbo_gradients(model, implicit(guide, strict=True), conjugate.guide)
    for name, truth in conjugate.gradient().items():
        assert (standardised(found[name], truth, rtol=2e-5) < STANDARD_ERRORS).all(), name


def test_svi_has_less_variance_than_the_score_function():
    """Pyro's VonMises is not reparameterized: right, with some hundred times the variance."""
    conjugate = CONJUGATES[0]
    assert conjugate.family == "VonMises"
    model, guide = stock_program(conjugate)
    stock = elbo_gradients(model, guide, conjugate.guide, steps=50)
    ours = elbo_gradients(implicit(model), implicit(guide), conjugate.guide, steps=50)
    with registered():
        in_place = elbo_gradients(*stock_program(conjugate), conjugate.guide, steps=50)
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


def test_hmc_takes_the_same_path():
    """Densities are equal, so that the same seed gives the same chain."""
    chains = []
    for wrap in (lambda model: model, implicit, lambda model: implicit(model, strict=True)):
        pyro.set_rng_seed(1)
        model, _ = stock_program(CONJUGATES[2])
        mcmc = MCMC(HMC(wrap(model), step_size=0.2, num_steps=3), num_samples=10, warmup_steps=5, disable_progbar=True)
        mcmc.run()
        chains.append(mcmc.get_samples()["x"])
    torch.testing.assert_close(chains[1], chains[0])
    torch.testing.assert_close(chains[2], chains[0])


def test_predictive():
    model, guide = stock_program(CONJUGATES[0])
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


def test_autoguide():
    """Parameters, names, median, quantiles and draws of the posterior are the guide's own; training is the same."""
    model, _ = stock_program(CONJUGATES[2])
    trained = []
    for wrap in (lambda guide: guide, implicit):
        pyro.clear_param_store()
        pyro.set_rng_seed(2)
        guide = wrap(AutoNormal(model))
        svi = SVI(model, guide, ClippedAdam({"lr": 0.05}), Trace_ELBO())
        losses = [svi.step() for _ in range(20)]
        assert guide()["x"] > 0.0 and guide.quantiles([0.25, 0.75])["x"][0] > 0.0
        trained.append((losses, guide.median(), sorted(pyro.get_param_store()), dict(guide.state_dict())))
    (losses, median, names, state), ours = trained
    np.testing.assert_allclose(ours[0], losses, rtol=1e-5)
    assert ours[2] == names and list(ours[3]) == list(state)
    torch.testing.assert_close(ours[1], median)


# ---------------------------------------------------------------------------------------------------- no silent bias


def latent(fn):
    return lambda: pyro.sample("z", fn)


def stock_mixture(part):
    return host.MixtureSameFamily(host.Categorical(logits=torch.zeros(2)), part)


SHARED = "MixtureOfDiagNormalsSharedCovariance"
FAULTS = {
    "mixture": (lambda: stock_mixture(host.Normal(torch.zeros(2), 1.0)), "MixtureSameFamily; wrap the guide in", True),
    "Dirichlets": (lambda: stock_mixture(host.Dirichlet(torch.ones(2, 3))), "MixtureSameFamily; take a repara", False),
    "Bernoulli": (lambda: host.Bernoulli(logits=torch.tensor(0.5)), "not reparameterized: Bernoulli; enumerate", False),
    "refused": (
        lambda: host.Gamma(torch.ones(2), 1.0).has_rsample_(False).to_event(1),
        "not reparameterized: Independent of Gamma; take a reparameterized distribution",
        False,
    ),
    "von Mises": (lambda: host.VonMises(0.0, 1.0), "not reparameterized: VonMises; wrap the guide in", True),
    "event": (lambda: host.VonMises(torch.zeros(2), 1.0).to_event(1), "not reparameterized: Independent of VonM", True),
    "diagonal": (
        lambda: host.MixtureOfDiagNormals(torch.eye(2), torch.ones(2, 2), torch.zeros(2)),
        "a wrong gradient: MixtureOfDiagNormals, whose gradient in component_logits is biased; wrap",
        True,
    ),
    "shared": (
        lambda: host.MixtureOfDiagNormalsSharedCovariance(torch.eye(2), torch.ones(2), torch.zeros(2)),
        f"a wrong gradient: {SHARED}, whose gradient in component_logits is biased; wrap",
        True,
    ),
    "half": (
        lambda: host.ContinuousBernoulli(torch.full((3,), 0.5)).to_event(1),
        "a wrong gradient: Independent of ContinuousBernoulli, whose gradient in probs is zero near probs = 1/2; wrap",
        True,
    ),
    "Pareto": (
        lambda: host.GeneralizedPareto(0.0, 1.0, torch.zeros(())),
        "a wrong gradient: GeneralizedPareto, whose gradient in concentration is zero at concentration = 0; wrap",
        True,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(name):
    make, text, cured = FAULTS[name]
    guide = latent(make())
    with pytest.raises(ValueError, match=re.escape("check_reparameterized: site 'z' ") + ".*" + re.escape(text)):
        check_reparameterized(guide)
    if cured:
        check_reparameterized(implicit(guide, strict=True))
    else:
        with pytest.raises(ValueError, match=r"implicit\(strict=True\): site 'z' .*" + re.escape(text)):
            implicit(guide, strict=True)()
        implicit(guide)()  # left alone


def test_check_names_every_site_and_leaves_no_trace():
    def guide(shift):
        pyro.sample("a", host.VonMises(shift, 1.0))
        pyro.sample("b", host.Poisson(1.0))
        with pyro.plate("rows", 5, subsample_size=2):
            pyro.sample("c", host.Normal(0.0, 1.0))

    with poutine.trace() as outer, pytest.raises(ValueError, match=r"(?s)site 'a' .*site 'b' ") as error:
        check_reparameterized(guide, shift=0.5)
    assert not outer.trace.nodes and "'c'" not in str(error.value) and "'rows'" not in str(error.value)
    check_reparameterized(angles_of_ours)


def angles_of_ours():
    with registered():
        angles()


def test_reparam_refuses_what_has_no_twin():
    program = poutine.reparam(latent(host.Normal(torch.zeros(2), 1.0).to_event(1)), config={"z": ImplicitReparam()})
    with pytest.raises(ValueError, match="site 'z' has a distribution without implicit twin, Indep"):
        program()


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
