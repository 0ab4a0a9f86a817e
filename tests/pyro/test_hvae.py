"""The Hamiltonian guide against exact evidences and densities (Caterini, Doucet, Sejdinovic 2018)."""

import math

import pyro
import pytest
import torch
from pyro.infer import SVI, JitTrace_ELBO, Trace_ELBO
from pyro.optim import Adam
from pyro.poutine.messenger import Messenger

import pyro_irg.distributions as dist
from irg_kernels.inference import hamiltonian
from pyro_irg.infer import HVAE, AutoHVAE, diagnostics
from pyro_irg.infer.coordinates import location_and_scale
from tests.pyro.evidences import (
    DATA,
    LEAPFROG,
    assert_mean_weight,
    banana,
    global_evidence,
    global_guide,
    global_model,
    local_evidence,
    local_guide,
    local_model,
    loss,
    mixed_evidence,
    mixed_guide,
    mixed_model,
)

TEMPERINGS = ["none", "fixed", "quadratic", "free", "function"]


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("tempering", TEMPERINGS)
def test_mean_weight_is_the_evidence(tempering):
    schedule = (lambda num_steps: [0.9] * num_steps) if tempering == "function" else tempering
    guide = HVAE(global_model, global_guide, num_steps=3, step_size=0.3, tempering=schedule)
    assert_mean_weight(global_model, guide, DATA, exact=global_evidence(DATA))


@pytest.mark.parametrize("tempering", ["none", "free"])
@pytest.mark.parametrize("shape", ["dim", "step", "scalar"])
def test_mean_weight_of_each_datum_is_its_evidence(tempering, shape):
    guide = HVAE(local_model, local_guide, num_steps=3, step_size=0.3, tempering=tempering, step_size_shape=shape)
    assert_mean_weight(local_model, guide, DATA, exact=local_evidence(DATA), plate="data")


def test_gradients_against_finite_differences(double):
    x = DATA.double()
    guide = HVAE(local_model, local_guide, num_steps=3, step_size=0.3, tempering="free")
    loss(local_model, guide, x)
    names = dict(pyro.get_param_store().named_parameters())
    assert {"bias", "slope", "hvae.step_sizes.z", "hvae.cooling_factors"} <= set(names)
    pyro.set_rng_seed(1)
    for p in names.values():
        p.grad = None
    Trace_ELBO().differentiable_loss(local_model, guide, x).backward()
    for name, p in names.items():
        flat = p.data.view(-1)
        for i in range(min(2, flat.numel())):
            there = []
            for step in (1e-5, -1e-5):
                flat[i] += step
                there.append(loss(local_model, guide, x))
                flat[i] -= step
            slope = (there[0] - there[1]) / 2e-5
            assert float(p.grad.view(-1)[i]) == pytest.approx(slope, rel=1e-6, abs=1e-7), name


class At(Messenger):
    """Sites at given values."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg):
        if msg["name"] in self.values:
            msg["value"], msg["done"] = self.values[msg["name"]], True


@pytest.mark.parametrize("shape", ["dim", "step"])
def test_jacobian_is_the_coolings(shape, double):
    """Of (z_0, rho_0) -> (z_K, rho_K), by central differences: the determinant is T_0^(-d/2)."""

    def model():
        z = pyro.sample("z", dist.Normal(torch.zeros(3), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z[0] * z[1] + torch.sin(z[2]), 0.3), obs=torch.tensor(0.7))

    def base():
        return pyro.sample("z", dist.Normal(torch.zeros(3), 0.8).to_event(1))

    guide = HVAE(model, base, num_steps=4, step_size=0.3, tempering="free", step_size_shape=shape)

    def flow(state):
        with At({"hvae_base_z": state[:3], "hvae_momentum_z": state[3:]}), torch.no_grad():
            z = guide()["z"]
        return torch.cat([z, guide.path["momenta"][0]]).detach()

    state = torch.tensor([0.3, -0.8, 0.5, 1.1, -0.4, 0.7])
    jacobian = torch.stack([(flow(state + h) - flow(state - h)) / 2e-5 for h in 1e-5 * torch.eye(6)], -1)
    log_det = 3.0 * sum(math.log(float(a)) for a in guide.cooling_factors.detach())
    assert float(jacobian.det().log().detach()) == pytest.approx(log_det, abs=1e-5)


def test_constrained_and_several_sites():
    def model(x):
        with pyro.plate("data", len(x)):
            rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
            share = pyro.sample("share", dist.Beta(2.0, 2.0))
            pyro.sample("x", dist.Normal(rate * share, 0.5), obs=x)

    guide = AutoHVAE(model, num_steps=3, tempering="free", base_options={"init_scale": 0.8}, **LEAPFROG)
    x = DATA.abs()
    assert_mean_weight(model, guide, x, exact=torch.stack([_evidence_by_grid(v) for v in x]), plate="data")


def _evidence_by_grid(x):
    rate = torch.linspace(1e-4, 20.0, 2000, dtype=torch.float64)[:, None]
    share = torch.linspace(5e-4, 1 - 5e-4, 1000, dtype=torch.float64)[None]
    joint = dist.Gamma(2.0, 1.0).log_prob(rate) + dist.Beta(2.0, 2.0).log_prob(share)
    joint = joint + torch.distributions.Normal(rate * share, 0.5).log_prob(x.double())
    return (joint.logsumexp((0, 1)) + math.log((20.0 / 1999) * (1.0 / 999))).float()


def test_global_and_local_latents_together():
    guide = HVAE(mixed_model, mixed_guide, num_steps=2, step_size=0.2, tempering="free")
    assert_mean_weight(mixed_model, guide, DATA, exact=mixed_evidence(DATA))
    assert math.isfinite(loss(mixed_model, guide, DATA, 2))


def test_scale_that_depends_on_another_site():
    """A base whose local scale follows the global draw: the flow's Jacobian must not."""

    def base(x):
        mu = pyro.sample("mu", dist.Normal(0.3, 0.6))
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(0.7 * x + 0.2 * mu, 0.4 + 0.4 * torch.sigmoid(3.0 * mu)))

    guide = HVAE(mixed_model, base, num_steps=3, step_size=0.4)
    assert_mean_weight(mixed_model, guide, DATA[:2], exact=mixed_evidence(DATA[:2]))


def test_support_that_depends_on_another_latent():
    """z ~ U(0, 1), y | z ~ U(0, z), x ~ N(y, 0.5)."""

    def model(x):
        z = pyro.sample("z", dist.Uniform(0.0, 1.0))
        y = pyro.sample("y", dist.Uniform(torch.zeros_like(z), z))
        pyro.sample("x", dist.Normal(y, 0.5), obs=x)

    def base(x):
        z = pyro.sample("z", dist.Beta(2.0, 1.0))
        pyro.sample("y", dist.Uniform(torch.zeros_like(z), z))

    # p(y) = -log y, so that p(x) = int_0^1 -log(y) N(x; y, 0.5) dy
    y = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    exact = (-y.log() * torch.distributions.Normal(y, 0.5).log_prob(torch.tensor(0.4)).exp()).mean().log().float()
    guide = HVAE(model, base, num_steps=3, step_size=0.2, tempering="free")
    assert_mean_weight(model, guide, torch.tensor(0.4), exact=exact)


def test_data_in_double_among_parameters_in_float():
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros_like(x), 1.0))
            pyro.sample("x", dist.Normal(z, 0.5), obs=x)

    def base(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(0.6 * x, 0.7))

    x = DATA.double()
    guide = HVAE(model, base, num_steps=2, tempering="free", step_size_shape="step")
    assert math.isfinite(SVI(model, guide, Adam({"lr": 1e-2}), Trace_ELBO()).step(x))
    assert guide(x)["z"].dtype == guide.step_size("z").dtype == torch.float64
    assert_mean_weight(model, guide, x, exact=local_evidence(x, bias=0.0), plate="data")


def test_far_too_large_steps_do_no_harm():
    """Positions stay finite here, but without a bound on the energy the loss reaches 1e8."""
    settings = {"step_size": 0.5, "max_step_size": 2.0, "step_size_shape": "step", "tempering": "free"}
    guide = AutoHVAE(banana, num_steps=20, base_options={"init_scale": 0.5}, **settings, **LEAPFROG)
    svi = SVI(banana, guide, Adam({"lr": 1e-2}), Trace_ELBO(16, 0, vectorize_particles=True))
    losses, rejected = [], []
    for _ in range(40):
        losses.append(svi.step())
        rejected.append(guide.path["rejected"])
    assert 0.0 < max(rejected) < 1.0
    # A step may change the energy of these two numbers by 2 * MAX_ENERGY_CHANGE, and there are 20 of them.
    assert max(losses) < 20 * 2 * hamiltonian.MAX_ENERGY_CHANGE
    assert all(p.isfinite().all() for p in guide.parameters())
    assert 0.0 <= diagnostics(guide)["rejected"] < 1.0


def test_arguments_out_of_range_on_a_diverging_path():
    """Far out the scale overflows: no error of validation, no NaN in a gradient, the step is rejected."""

    def model():
        z = pyro.sample("z", dist.Normal(torch.zeros(4), 1.0).to_event(1))
        pyro.factor("wall", -torch.exp(6.0 * z).sum())
        pyro.sample("x", dist.Normal(0.0, torch.exp(z.sum() ** 2)), obs=torch.tensor(0.3))

    def base():
        pyro.sample("z", dist.Normal(torch.zeros(4), 1.0).to_event(1))

    guide = HVAE(model, base, num_steps=8, step_size=0.49)
    rejected = 0.0
    for _ in range(10):
        value = Trace_ELBO().differentiable_loss(model, guide)
        value.backward()
        rejected += guide.path["rejected"]
        assert value.isfinite()
        assert all(p.grad.isfinite().all() for p in guide.parameters())
    assert rejected > 0.0


def test_model_parameters_are_live():
    guide = HVAE(local_model, local_guide, num_steps=2, step_size=0.3)
    guide(DATA)
    with torch.no_grad():
        pyro.param("bias").data.add_(0.5)
    assert_mean_weight(local_model, guide, DATA, exact=local_evidence(DATA, bias=0.7), plate="data")


@pytest.mark.parametrize("tempering, low, high", [("fixed", 0.0, 0.1), ("none", 0.5, math.inf)])
def test_gaussian_of_the_paper(tempering, low, high):
    """d = 25, z ~ N(0, I) once, x_i ~ N(z + shift, sigma^2), q_0 the prior, one step: tempering finds sigma.

    Caterini et al. 2018, section 5.1, with a tenth of their data and iterations.
    """
    d, n = 25, 1000
    sigma = torch.linspace(0.6, 1.4, d)
    x = torch.randn(d) + torch.linspace(-2.0, 2.0, d) + sigma * torch.randn(n, d)

    def model(x):
        shift = pyro.param("shift", lambda: torch.zeros(d))
        scale = pyro.param("scale", lambda: torch.ones(d), constraint=dist.constraints.positive)
        z = pyro.sample("z", dist.Normal(torch.zeros(d), 1.0).to_event(1))
        with pyro.plate("data", n):
            pyro.sample("x", dist.Normal(z + shift, scale).to_event(1), obs=x)

    def prior(x):
        pyro.sample("z", dist.Normal(torch.zeros(d), 1.0).to_event(1))

    guide = HVAE(model, prior, num_steps=1, step_size=0.02, max_step_size=0.2, tempering=tempering)
    svi = SVI(model, guide, Adam({"lr": 2e-2}), Trace_ELBO())
    for _ in range(400):
        svi.step(x)
    assert low <= float((pyro.param("scale").detach() - sigma).square().sum()) <= high


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_jit_raises():
    guide = HVAE(global_model, global_guide, num_steps=2)
    guide(DATA)
    with pytest.raises(NotImplementedError, match="use Trace_ELBO instead"):
        JitTrace_ELBO().loss_and_grads(global_model, guide, DATA)


@pytest.mark.parametrize("name", ["z", "z_unconstrained"])
def test_moments_of_a_base_are_those_of_its_own_space(name):
    base = {name: dist.StudentT(5.0, 3.0, 0.1)}
    loc, scale = location_and_scale(lambda: None, base, "z", dist.Gamma(1.0, 1.0).support, torch.zeros(2))
    slope = 1.0 / 3.0 if name == "z" else 1.0
    expected = [math.log(3.0) if name == "z" else 3.0] * 2, [0.1 * math.sqrt(5.0 / 3.0) * slope] * 2
    torch.testing.assert_close((loc, scale), tuple(map(torch.tensor, expected)))
