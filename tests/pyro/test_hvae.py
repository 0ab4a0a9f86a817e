"""The Hamiltonian guide against exact evidences and densities (Caterini, Doucet, Sejdinovic 2018)."""

import copy
import io
import math
import pickle

import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import SVI, JitTrace_ELBO, Predictive, RenyiELBO, Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoMultivariateNormal
from pyro.optim import Adam
from torch import nn

import pyro_irg.distributions as dist
from pyro_irg.infer import HVAE, AutoHVAE, diagnostics, log_evidence, log_weights

TEMPERINGS = ["none", "fixed", "quadratic", "free", "function"]
DATA = torch.tensor([0.5, -1.0, 2.0, 0.3, 1.1, -0.4])


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


def local_model(x, size=None):
    """z_i ~ N(0, 1), x_i ~ N(z_i + bias, 0.5): log p(x_i) = log N(x_i; bias, sqrt(1.25))."""
    bias = pyro.param("bias", torch.tensor(0.2))
    with pyro.plate("data", len(DATA), subsample_size=size) as rows:
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z + bias, 0.5), obs=x[rows])


def local_guide(x, size=None):
    slope = pyro.param("slope", torch.tensor(0.6))
    with pyro.plate("data", len(DATA), subsample_size=size) as rows:
        pyro.sample("z", dist.Normal(slope * x[rows], 0.7))


def global_model(x):
    """mu ~ N(0, 1), x_i ~ N(mu, 1)."""
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, 1.0), obs=x)


def global_guide(x):
    pyro.sample("mu", dist.Normal(pyro.param("m", torch.tensor(0.3)), 0.5))


def local_evidence(x, bias=0.2):
    return torch.distributions.Normal(bias, math.sqrt(1.25)).log_prob(x)


def global_evidence(x):
    n = len(x)
    return torch.distributions.MultivariateNormal(torch.zeros(n), torch.eye(n) + torch.ones(n, n)).log_prob(x)


def loss(model, guide, *args, elbo=Trace_ELBO, seed=1, **options):
    pyro.set_rng_seed(seed)
    return elbo(**options).loss(model, guide, *args)


@pytest.mark.parametrize("tempering", TEMPERINGS)
def test_mean_weight_is_the_evidence(tempering):
    schedule = (lambda num_steps: [0.9] * num_steps) if tempering == "function" else tempering
    guide = HVAE(global_model, global_guide, num_steps=3, step_size=0.3, tempering=schedule)
    weights = log_weights(global_model, guide, DATA, num_samples=300).exp() / global_evidence(DATA).exp()
    assert abs(weights.mean() - 1.0) < 4.0 * weights.std() / math.sqrt(300)


@pytest.mark.parametrize("tempering", ["none", "free"])
def test_mean_weight_of_each_datum_is_its_evidence(tempering):
    guide = HVAE(local_model, local_guide, num_steps=3, step_size=0.3, tempering=tempering)
    weights = log_weights(local_model, guide, DATA, num_samples=300, plate="data").exp() / local_evidence(DATA).exp()
    assert weights.shape == (300, 6)
    assert ((weights.mean(0) - 1.0).abs() < 4.5 * weights.std(0) / math.sqrt(300)).all()


def test_minibatches_average_to_the_full_loss():
    guide = HVAE(local_model, local_guide, num_steps=2, step_size=0.3, tempering="free")
    full = torch.tensor([Trace_ELBO().loss(local_model, guide, DATA) for _ in range(150)])
    part = torch.tensor([Trace_ELBO().loss(local_model, guide, DATA, 2) for _ in range(500)])
    error = (full.var() / len(full) + part.var() / len(part)).sqrt()
    assert abs(full.mean() - part.mean()) < 4.0 * error


def test_without_tempering_small_steps_change_nothing():
    guide = HVAE(local_model, local_guide, num_steps=4, step_size=1e-7)
    base = loss(local_model, poutine.block(local_guide, hide=[]), DATA)
    assert loss(local_model, guide, DATA) == pytest.approx(base, abs=1e-4)


def test_no_steps_is_the_base():
    guide = HVAE(local_model, local_guide, num_steps=0)
    assert loss(local_model, guide, DATA) == loss(local_model, local_guide, DATA)
    assert set(poutine.trace(guide).get_trace(DATA).nodes) == set(poutine.trace(local_guide).get_trace(DATA).nodes)


@pytest.mark.parametrize("elbo", [TraceGraph_ELBO, TraceMeanField_ELBO])
@pytest.mark.parametrize("model, base", [(local_model, local_guide), (global_model, global_guide)])
def test_every_elbo_sees_the_same_loss(elbo, model, base):
    guide = HVAE(model, base, num_steps=3, step_size=0.3, tempering="fixed")
    loss(model, guide, DATA)
    assert loss(model, guide, DATA, elbo=elbo) == pytest.approx(loss(model, guide, DATA), abs=1e-4)


def test_renyi_lies_between_elbo_and_evidence():
    guide = HVAE(global_model, global_guide, num_steps=2, step_size=0.3, tempering="free")
    options = {"num_particles": 500, "vectorize_particles": True, "max_plate_nesting": 1}
    elbo = -loss(global_model, guide, DATA, **options)
    renyi = -loss(global_model, guide, DATA, elbo=RenyiELBO, alpha=0.0, **options)
    assert elbo < renyi < float(global_evidence(DATA)) + 0.05


def test_vectorized_particles_agree():
    guide = HVAE(local_model, local_guide, num_steps=2, step_size=0.3)
    many = loss(local_model, guide, DATA, num_particles=3000, vectorize_particles=True, max_plate_nesting=1)
    few = torch.tensor([Trace_ELBO().loss(local_model, guide, DATA) for _ in range(300)])
    assert many == pytest.approx(float(few.mean()), abs=4.0 * float(few.std()) / math.sqrt(300))


def test_gradients_against_finite_differences():
    torch.set_default_dtype(torch.float64)
    x = DATA.double()
    try:
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
    finally:
        torch.set_default_dtype(torch.float32)


def test_energy_error_is_of_second_order():
    def model():
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.factor("energy", -(z**4))

    def drift(size, steps):
        pyro.clear_param_store()
        guide = HVAE(model, lambda: pyro.sample("z", dist.Delta(torch.tensor(0.8))), num_steps=steps, step_size=size)
        pyro.set_rng_seed(3)
        guide()
        return abs(float(guide.path["energy_errors"].sum()))

    torch.set_default_dtype(torch.float64)
    try:
        assert drift(0.1, 8) / drift(0.05, 16) == pytest.approx(4.0, rel=0.2)
    finally:
        torch.set_default_dtype(torch.float32)


def test_fresh_arguments_and_last_smaller_batch():
    def model(x):
        with pyro.plate("batch", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z.sum(-1), 0.5), obs=x)

    def base(x):
        with pyro.plate("batch", len(x)):
            pyro.sample("z", dist.Normal(x[:, None].expand(-1, 2) * 0.4, 0.7).to_event(1))

    guide = HVAE(model, base, num_steps=2, tempering="free")
    svi = SVI(model, guide, Adam({"lr": 1e-3}), Trace_ELBO())
    for x in (DATA, DATA[:4], DATA[:1], torch.cat([DATA, DATA])):
        assert math.isfinite(svi.step(x))
        assert guide(x)["z"].shape == (len(x), 2)


def test_masked_data_touch_nothing():
    x = DATA.clone()
    x[2] = math.nan
    mask = ~x.isnan()

    def model(x):
        with pyro.plate("batch", len(x)), poutine.mask(mask=mask):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            bias = pyro.param("bias", torch.tensor(0.2))
            pyro.sample("x", dist.Normal(z + bias, 0.5), obs=torch.where(mask, x, 0.0))

    def base(x):
        with pyro.plate("batch", len(x)), poutine.mask(mask=mask):
            pyro.sample("z", dist.Normal(torch.where(mask, x, 0.0) * 0.6, 0.7))

    guide = HVAE(model, base, num_steps=3, step_size=0.3, tempering="free")
    weights = log_weights(model, guide, x, num_samples=300)
    ratio = (weights - local_evidence(x[mask]).sum()).exp()
    assert abs(ratio.mean() - 1.0) < 4.0 * ratio.std() / math.sqrt(300)
    Trace_ELBO().differentiable_loss(model, guide, x).backward()
    assert all(p.grad.isfinite().all() for p in guide.parameters())


def test_constrained_and_several_sites():
    def model(x):
        with pyro.plate("data", len(x)):
            rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
            share = pyro.sample("share", dist.Beta(2.0, 2.0))
            pyro.sample("x", dist.Normal(rate * share, 0.5), obs=x)

    guide = AutoHVAE(model, num_steps=3, tempering="free", base_options={"init_scale": 0.8})
    x = DATA.abs()
    weights = log_weights(model, guide, x, num_samples=400, plate="data")
    ratio = (weights - torch.stack([_evidence_by_grid(v) for v in x])).exp()
    assert ((ratio.mean(0) - 1.0).abs() < 5.0 * ratio.std(0) / math.sqrt(400)).all()


def _evidence_by_grid(x):
    rate = torch.linspace(1e-4, 20.0, 2000, dtype=torch.float64)[:, None]
    share = torch.linspace(5e-4, 1 - 5e-4, 1000, dtype=torch.float64)[None]
    joint = dist.Gamma(2.0, 1.0).log_prob(rate) + dist.Beta(2.0, 2.0).log_prob(share)
    joint = joint + torch.distributions.Normal(rate * share, 0.5).log_prob(x.double())
    return (joint.logsumexp((0, 1)) + math.log((20.0 / 1999) * (1.0 / 999))).float()


def test_global_and_local_latents_together():
    def model(x, size=None):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(DATA), subsample_size=size) as rows:
            z = pyro.sample("z", dist.Normal(mu, 1.0))
            pyro.sample("x", dist.Normal(z, 0.5), obs=x[rows])

    def base(x, size=None):
        mu = pyro.sample("mu", dist.Normal(0.3, 0.4))
        with pyro.plate("data", len(DATA), subsample_size=size) as rows:
            pyro.sample("z", dist.Normal(0.7 * x[rows] + 0.2 * mu, 0.5))

    guide = HVAE(model, base, num_steps=2, step_size=0.2, tempering="free")
    n = len(DATA)
    exact = torch.distributions.MultivariateNormal(torch.zeros(n), 1.25 * torch.eye(n) + torch.ones(n, n))
    ratio = (log_weights(model, guide, DATA, num_samples=400) - exact.log_prob(DATA)).exp()
    assert abs(ratio.mean() - 1.0) < 4.0 * ratio.std() / math.sqrt(400)
    assert math.isfinite(loss(model, guide, DATA, 2))


def test_scale_that_depends_on_another_site():
    """A base whose local scale follows the global draw: the flow's Jacobian must not."""

    def model(x):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(mu, 1.0))
            pyro.sample("x", dist.Normal(z, 0.5), obs=x)

    def base(x):
        mu = pyro.sample("mu", dist.Normal(0.3, 0.6))
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(0.7 * x + 0.2 * mu, 0.4 + 0.4 * torch.sigmoid(3.0 * mu)))

    x = DATA[:2]
    guide = HVAE(model, base, num_steps=3, step_size=0.4)
    exact = torch.distributions.MultivariateNormal(torch.zeros(2), 1.25 * torch.eye(2) + torch.ones(2, 2))
    ratio = (log_weights(model, guide, x, num_samples=600) - exact.log_prob(x)).exp()
    assert abs(ratio.mean() - 1.0) < 4.0 * ratio.std() / math.sqrt(600)


def test_subsample_of_the_model_alone_reaches_the_model():
    seen = []

    def model(x):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x), subsample_size=2) as rows:
            seen.append(rows.clone())
            pyro.sample("x", dist.Normal(mu, 1.0), obs=x[rows])

    guide = HVAE(model, global_guide, num_steps=3)
    Trace_ELBO().loss(model, guide, DATA)
    assert len(seen) == 5  # four gradients, then the ELBO's own run
    assert all(torch.equal(rows, seen[0]) for rows in seen)


def test_diverging_paths_are_left_out():
    def model():
        z = pyro.sample("z", dist.Normal(torch.zeros(4), 1.0).to_event(1))
        pyro.factor("wall", -torch.exp(6.0 * z).sum())

    def base():
        pyro.sample("z", dist.Normal(torch.zeros(4), 1.0).to_event(1))

    guide = HVAE(model, base, num_steps=8, step_size=0.49)
    value = Trace_ELBO(num_particles=5).differentiable_loss(model, guide)
    value.backward()
    assert value.isfinite()
    assert all(p.grad.isfinite().all() for p in guide.parameters())
    shares = [diagnostics(guide)["left_out"]["z"] for _ in range(10)]
    assert 0.0 < max(shares) <= 1.0


def test_model_parameters_are_live():
    guide = HVAE(local_model, local_guide, num_steps=2, step_size=0.3)
    loss(local_model, guide, DATA)
    before = guide(DATA)["z"].detach()
    with torch.no_grad():
        pyro.param("bias").data.add_(0.5)
    pyro.set_rng_seed(0)
    first = guide(DATA)["z"].detach()
    assert before.shape == first.shape
    weights = log_weights(local_model, guide, DATA, num_samples=300, plate="data")
    ratio = (weights - local_evidence(DATA, bias=0.7)).exp()
    assert ((ratio.mean(0) - 1.0).abs() < 5.0 * ratio.std(0) / math.sqrt(300)).all()


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(3, 4), nn.Linear(2, 3)

    def model(self, x):
        pyro.module("decoder", self.decoder)
        with pyro.plate("batch", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(torch.tanh(self.decoder(z)), 0.5).to_event(1), obs=x)

    def guide(self, x):
        pyro.module("encoder", self.encoder)
        loc, log_scale = self.encoder(x).chunk(2, -1)
        with pyro.plate("batch", len(x)):
            pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))


def test_modules_train_and_are_evaluated():
    vae = Autoencoder()
    x = torch.tanh(torch.randn(20, 2) @ torch.randn(2, 3)) + 0.1 * torch.randn(20, 3)
    guide = HVAE(vae.model, vae.guide, num_steps=3, tempering="free", step_size_shape="step")
    svi = SVI(vae.model, guide, Adam({"lr": 1e-2}), Trace_ELBO())
    losses = [svi.step(x) for _ in range(60)]
    assert sum(losses[-10:]) < sum(losses[:10])
    for part in (vae.encoder.weight, vae.decoder.weight):
        assert part.grad is None or part.grad.isfinite().all()
    evidence = log_evidence(vae.model, guide, x, num_samples=50, plate="batch")
    assert evidence.log_evidence.shape == evidence.ess.shape == evidence.pareto_k.shape == (20,)
    assert (evidence.ess >= 1.0).all() and (evidence.ess <= 50.0 + 1e-3).all()
    draws = Predictive(vae.model, guide=guide, num_samples=5)(x)
    assert draws["z"].shape == (5, 20, 2)


def test_saving_copying_pickling():
    guide = AutoHVAE(global_model, num_steps=2, tempering="free", base=AutoMultivariateNormal)
    guide(DATA)
    pyro.set_rng_seed(5)
    expected = guide(DATA)["mu"]
    for other in (copy.deepcopy(guide), pickle.loads(pickle.dumps(guide))):
        pyro.set_rng_seed(5)
        assert torch.equal(other(DATA)["mu"], expected)
        pyro.set_rng_seed(5)
        assert torch.equal(guide(DATA)["mu"], expected)  # the original is whole
    file = io.BytesIO()
    torch.save(guide.state_dict(), file)
    file.seek(0)
    pyro.clear_param_store()
    fresh = AutoHVAE(global_model, num_steps=2, tempering="free", base=AutoMultivariateNormal)
    fresh(DATA)
    fresh.load_state_dict(torch.load(file))
    pyro.set_rng_seed(5)
    assert torch.equal(fresh(DATA)["mu"], expected)


def test_auto_guide_surface():
    guide = AutoHVAE(global_model, num_steps=2)
    assert guide.sample_posterior(DATA, num_samples=7)["mu"].shape == (7,)
    low, high = guide.quantiles([0.1, 0.9], DATA, num_samples=200)["mu"]
    assert low < guide.median(DATA, num_samples=200)["mu"] < high


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"num_steps": -1}, "num_steps must be an integer >= 0, got -1"),
        ({"num_steps": 2, "step_size": -0.1}, "step_size must lie between 0 and max_step_size"),
        ({"num_steps": 2, "max_step_size": 0.0}, "max_step_size must be positive"),
        ({"num_steps": 2, "step_size_shape": "row"}, "step_size_shape must be one of"),
        ({"num_steps": 2, "tempering": "slow"}, "tempering must be one of"),
        ({"num_steps": 2, "initial_temperature": 0.5}, "initial_temperature must be greater than 1"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        HVAE(global_model, global_guide, **settings)


def test_bad_guides():
    def other(x):
        pyro.sample("nu", dist.Normal(0.0, 1.0))

    def both(x):
        global_guide(x)
        other(x)

    def rough(x):
        pyro.sample("mu", pyro.distributions.VonMises(0.0, 1.0))

    def empty(x):
        pyro.sample("x", dist.Normal(0.0, 1.0), obs=x[0])

    def discrete(x):
        pyro.sample("mu", dist.Bernoulli(0.5))

    for model, base, message in (
        (global_model, other, "latent 'mu' has no site in the base guide"),
        (global_model, both, r"sites \['nu'\] are not latents of the model"),
        (global_model, rough, "'mu' has a law without reparameterized draws, VonMises"),
        (empty, lambda x: None, "no latent sample site"),
        (discrete, other, "latent 'mu' is discrete"),
    ):
        with pytest.raises(ValueError, match=message):
            HVAE(model, base, num_steps=2)(DATA)
    schedule = HVAE(global_model, global_guide, num_steps=2, tempering=lambda num_steps: [2.0])
    with pytest.raises(ValueError, match="must return 2 factors"):
        schedule(DATA)
    with pytest.raises(ValueError, match="not inside the plate"):
        log_weights(global_model, global_guide, DATA, num_samples=2, plate="data")


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_jit_raises():
    guide = HVAE(global_model, global_guide, num_steps=2)
    guide(DATA)
    with pytest.raises(NotImplementedError, match="use Trace_ELBO instead"):
        JitTrace_ELBO().loss_and_grads(global_model, guide, DATA)
