"""The Hamiltonian guide with Pyro's estimators, plates, modules and storage."""

import copy
import io
import math
import pickle

import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import (
    SVI,
    Predictive,
    RenyiELBO,
    Trace_ELBO,
    TraceEnum_ELBO,
    TraceGraph_ELBO,
    TraceMeanField_ELBO,
)
from pyro.infer.autoguide import AutoGuideList, AutoMultivariateNormal, AutoNormal
from pyro.nn import PyroModule
from pyro.optim import Adam, ClippedAdam
from torch import nn

import pyro_irg.distributions as dist
from irg_kernels.inference import hamiltonian
from pyro_irg.infer import HVAE, AutoHVAE
from tests.pyro.evidences import (
    DATA,
    assert_mean_weight,
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

PAIRS = [(local_model, local_guide), (global_model, global_guide), (mixed_model, mixed_guide)]


@pytest.fixture(autouse=True)
def fresh():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


def particles(model, guide, *args, elbo=Trace_ELBO, count=4000, **options):
    return loss(
        model, guide, *args, elbo=elbo, num_particles=count, vectorize_particles=True, max_plate_nesting=1, **options
    )


def test_minibatches_average_to_the_full_loss():
    guide = HVAE(local_model, local_guide, num_steps=2, step_size=0.3, tempering="free")
    full = particles(local_model, guide, DATA, count=50_000)
    part = torch.tensor([particles(local_model, guide, DATA, 2, count=100, seed=seed) for seed in range(200)])
    assert abs(part.mean() - full) < 4.0 * part.std() / math.sqrt(200)


@pytest.mark.parametrize("elbo", [TraceGraph_ELBO, TraceMeanField_ELBO, TraceEnum_ELBO])
@pytest.mark.parametrize("model, base", PAIRS)
def test_every_elbo_sees_the_same_loss(elbo, model, base):
    guide = HVAE(model, base, num_steps=3, step_size=0.3, tempering="fixed")
    loss(model, guide, DATA)
    options = {"max_plate_nesting": 1, "strict_enumeration_warning": False} if elbo is TraceEnum_ELBO else {}
    assert loss(model, guide, DATA, elbo=elbo, **options) == pytest.approx(loss(model, guide, DATA), abs=1e-4)


@pytest.mark.parametrize("elbo", [Trace_ELBO, TraceGraph_ELBO, TraceMeanField_ELBO, RenyiELBO])
@pytest.mark.parametrize("vectorized", [False, True])
def test_every_elbo_trains(elbo, vectorized):
    guide = HVAE(mixed_model, mixed_guide, num_steps=2, tempering="free", step_size_shape="step")
    svi = SVI(mixed_model, guide, Adam({"lr": 1e-2}), elbo(num_particles=3, vectorize_particles=vectorized))
    for size in (None, 3):
        assert math.isfinite(svi.step(DATA, size))
    before = {name: p.detach().clone() for name, p in guide.named_parameters()}
    svi.step(DATA)
    assert all((p != before[name]).any() for name, p in guide.named_parameters())


def test_renyi_lies_between_elbo_and_evidence():
    guide = HVAE(global_model, global_guide, num_steps=2, step_size=0.3, tempering="free")
    elbo = -particles(global_model, guide, DATA)
    renyi = -particles(global_model, guide, DATA, elbo=RenyiELBO, alpha=0.0)
    # The evidence is reached from below; 0.05 is three standard errors of the 4,000 particles' mean weight.
    assert elbo < renyi < float(global_evidence(DATA)) + 0.05


def test_vectorized_particles_agree():
    guide = HVAE(local_model, local_guide, num_steps=2, step_size=0.3)
    few = torch.tensor([Trace_ELBO().loss(local_model, guide, DATA) for _ in range(200)])
    many = particles(local_model, guide, DATA)
    assert many == pytest.approx(float(few.mean()), abs=4.0 * float(few.std()) / math.sqrt(200))


def test_particles_are_rejected_one_by_one(monkeypatch):
    """Two globals of two particles: a path that diverges in one leaves the other alone."""
    monkeypatch.setattr(hamiltonian, "MAX_ENERGY_CHANGE", 0.02)
    monkeypatch.setattr(hamiltonian, "OBSERVED_COUNTS", 1.0)
    guide = HVAE(global_model, global_guide, num_steps=1, step_size=0.45)
    particles(global_model, guide, DATA, count=1000)
    assert 0.05 < guide.path["rejected"] < 0.95


def test_discrete_latents_raise_under_enumeration():
    def model(x):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            sign = pyro.sample("sign", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
            pyro.sample("x", dist.Normal(mu * (2.0 * sign - 1.0), 1.0), obs=x)

    guide = HVAE(model, global_guide, num_steps=2)
    with pytest.raises(ValueError, match="latent 'sign' is discrete"):
        TraceEnum_ELBO(max_plate_nesting=1).loss(model, guide, DATA)


def batch_model(x):
    with pyro.plate("batch", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z.sum(-1), 0.5), obs=x)


def batch_guide(x):
    with pyro.plate("batch", len(x)):
        pyro.sample("z", dist.Normal(x[:, None].expand(-1, 2) * 0.4, 0.7).to_event(1))


def test_fresh_arguments_and_last_smaller_batch():
    guide = HVAE(batch_model, batch_guide, num_steps=2, tempering="free")
    svi = SVI(batch_model, guide, Adam({"lr": 1e-3}), Trace_ELBO())
    for x in (DATA, DATA[:4], DATA[:1], torch.cat([DATA, DATA])):
        assert math.isfinite(svi.step(x))
        assert guide(x)["z"].shape == (len(x), 2)


@pytest.mark.parametrize("model, base", PAIRS)
def test_subsamples_of_any_size(model, base):
    guide = HVAE(model, base, num_steps=2, tempering="free")
    svi = SVI(model, guide, Adam({"lr": 1e-3}), Trace_ELBO())
    if model is global_model:
        losses = [svi.step(x) for x in (DATA[:4], DATA[4:])]
    else:
        losses = [svi.step(DATA, size) for size in (4, 2, 6, 1)]
    assert all(math.isfinite(value) for value in losses)


def test_steps_of_local_latents_do_not_depend_on_the_subsample():
    """The same datum, draw and momentum end in the same place, whatever the plate's scale."""

    def model(x, scale):
        with pyro.plate("data", 2 * scale, subsample=torch.arange(2)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 0.5), obs=x)

    def base(x, scale):
        with pyro.plate("data", 2 * scale, subsample=torch.arange(2)):
            pyro.sample("z", dist.Normal(0.6 * x, 0.7))

    guide = HVAE(model, base, num_steps=3, step_size=0.3, tempering="free")
    ends = []
    for scale in (1, 50):
        pyro.set_rng_seed(2)
        ends.append(guide(DATA[:2], scale)["z"])
    assert torch.allclose(*ends, rtol=1e-5)


@pytest.mark.parametrize("parallel", [False, True])
def test_predictive(parallel):
    def model(x=None, size=6):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", size):
            z = pyro.sample("z", dist.Normal(mu, 1.0))
            return pyro.sample("x", dist.Normal(z, 0.5), obs=x)

    guide = HVAE(model, lambda x=None: mixed_guide(DATA), num_steps=2, tempering="free")
    guide(DATA)
    draws = Predictive(model, guide=guide, num_samples=7, parallel=parallel)(DATA)
    assert draws["z"].shape == (7, 6) and draws["mu"].numel() == 7
    unseen = Predictive(model, guide=guide, num_samples=7, parallel=parallel)()  # data absent: x is predicted
    assert unseen["x"].shape == (7, 6)


def masked(x):
    mask = ~x.isnan()
    return torch.where(mask, x, 0.0), mask


def masked_model(x):
    x, mask = masked(x)
    bias = pyro.param("bias", lambda: torch.tensor(0.2))
    with pyro.plate("data", len(x)), poutine.mask(mask=mask):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z + bias, 0.5), obs=x)


def masked_guide(x):
    x, mask = masked(x)
    with pyro.plate("data", len(x)), poutine.mask(mask=mask):
        pyro.sample("z", dist.Normal(x * 0.6, 0.7))


def test_masked_data_touch_nothing():
    x = DATA.clone()
    x[2] = math.nan
    exact = torch.where(x.isnan(), 0.0, local_evidence(torch.nan_to_num(x)))
    guide = HVAE(masked_model, masked_guide, num_steps=3, step_size=0.3, tempering="free")
    assert_mean_weight(masked_model, guide, x, exact=exact.sum())
    Trace_ELBO().differentiable_loss(masked_model, guide, x).backward()
    assert all(p.grad.isfinite().all() for p in guide.parameters())


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


def test_randomness_of_the_model_is_the_same_at_every_step():
    seen = []

    def model(x):
        seen.append(torch.rand(()))
        global_model(x)

    HVAE(model, global_guide, num_steps=3)(DATA)
    assert len(seen) == 4 and len(set(map(float, seen))) == 1


class Autoencoder(nn.Module):
    """Torch modules registered by `pyro.module`."""

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


class Decoder(PyroModule):
    def __init__(self):
        super().__init__()
        self.linear = PyroModule[nn.Linear](2, 3)

    def forward(self, x):
        with pyro.plate("batch", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(torch.tanh(self.linear(z)), 0.5).to_event(1), obs=x)


class Encoder(PyroModule):
    def __init__(self):
        super().__init__()
        self.linear = PyroModule[nn.Linear](3, 4)

    def forward(self, x):
        loc, log_scale = self.linear(x).chunk(2, -1)
        with pyro.plate("batch", len(x)):
            pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))


@pytest.mark.parametrize("style", ["pyro.module", "PyroModule"])
def test_modules_train(style):
    if style == "PyroModule":
        model, base = Decoder(), Encoder()
        weights = (model.linear.weight, base.linear.weight)
    else:
        vae = Autoencoder()
        model, base = vae.model, vae.guide
        weights = (vae.decoder.weight, vae.encoder.weight)
    x = torch.tanh(torch.randn(20, 2) @ torch.randn(2, 3)) + 0.1 * torch.randn(20, 3)
    guide = HVAE(model, base, num_steps=3, tempering="free", step_size_shape="step")
    svi = SVI(model, guide, Adam({"lr": 1e-2}), Trace_ELBO())
    before = [w.detach().clone() for w in weights]
    losses = [svi.step(x) for _ in range(60)]
    assert sum(losses[-10:]) < sum(losses[:10]) - 10.0
    assert all((w != b).any() for w, b in zip(weights, before, strict=True))


def auto_list(model):
    parts = AutoGuideList(model)
    parts.append(AutoNormal(poutine.block(model, hide=["z"])))
    parts.append(AutoNormal(poutine.block(model, hide=["mu"])))
    return parts


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("base", [AutoNormal, AutoMultivariateNormal])
@pytest.mark.parametrize("other", [copy.deepcopy, lambda guide: pickle.loads(pickle.dumps(guide))])
def test_copies(base, called, other):
    guide = AutoHVAE(global_model, num_steps=2, tempering="free", base=base, transition="leapfrog")
    if called:
        guide(DATA)
    copied = other(guide)
    draws = []
    for each in (copied, guide):
        pyro.clear_param_store()
        pyro.set_rng_seed(5)
        draws.append(each(DATA)["mu"])
    assert torch.equal(*draws)


@pytest.mark.parametrize("transition", ["refreshed", "coupled"])
def test_a_guide_with_parameters_of_its_own_is_pickled_after_a_step(transition):
    guide = AutoHVAE(global_model, num_steps=2, transition=transition, base_options={"num_starts": 0})
    SVI(global_model, guide, ClippedAdam({"lr": 0.01}), Trace_ELBO()).step(DATA)
    draws = []
    for each in (pickle.loads(pickle.dumps(guide)), guide):
        pyro.clear_param_store()
        pyro.set_rng_seed(5)
        draws.append(each(DATA)["mu"])
    assert torch.equal(*draws)


def test_copies_of_a_list_of_guides():
    guide = AutoHVAE(mixed_model, num_steps=2, base=auto_list, transition="leapfrog")
    first = copy.deepcopy(guide)  # before the first call
    for each in (first, guide, copy.deepcopy(guide), guide):
        assert set(each(DATA)) == {"mu", "z"}
        assert math.isfinite(Trace_ELBO().loss(mixed_model, each, DATA))


@pytest.mark.parametrize("model, base", PAIRS[1:])
def test_copies_of_own_guides(model, base):
    guide = HVAE(model, base, num_steps=2)
    guide(DATA)
    pyro.set_rng_seed(5)
    expected = guide(DATA)["mu"]
    for other in (copy.deepcopy(guide), pickle.loads(pickle.dumps(guide))):
        pyro.set_rng_seed(5)
        assert torch.equal(other(DATA)["mu"], expected)


@pytest.mark.parametrize("settings", [{"tempering": "free", "transition": "leapfrog"}, {"transition": "coupled"}])
def test_state_dict_and_param_store(settings):
    def make():
        guide = AutoHVAE(global_model, num_steps=2, base=AutoMultivariateNormal, **settings)
        guide(DATA)  # as with Pyro's autoguides, the parameters come with the first call
        return guide

    guide = make()
    SVI(global_model, guide, Adam({"lr": 0.1}), Trace_ELBO()).step(DATA)
    pyro.set_rng_seed(5)
    expected = guide(DATA)["mu"]
    state, store = io.BytesIO(), pyro.get_param_store().get_state()
    torch.save(guide.state_dict(), state)
    state.seek(0)

    pyro.clear_param_store()
    fresh = make()
    fresh.load_state_dict(torch.load(state))
    pyro.set_rng_seed(5)
    assert torch.equal(fresh(DATA)["mu"], expected)

    pyro.get_param_store().set_state(store)
    fresh = make()
    pyro.set_rng_seed(5)
    assert torch.equal(fresh(DATA)["mu"], expected)


def test_global_latents_of_an_autoguide_next_to_local_ones():
    """AutoNormal for what is global, an encoder for what is local, in one base."""

    class Both(PyroModule):
        def __init__(self):
            super().__init__()
            self.auto = AutoNormal(poutine.block(mixed_model, hide=["z"]), init_scale=0.5)

        def forward(self, x):
            mu = self.auto(x)["mu"]
            with pyro.plate("data", len(x)):
                pyro.sample("z", dist.Normal(0.7 * x + 0.2 * mu, 0.5))

    guide = HVAE(mixed_model, Both(), num_steps=2, step_size=0.2, tempering="free")
    assert_mean_weight(mixed_model, guide, DATA, exact=mixed_evidence(DATA))
    svi = SVI(mixed_model, guide, Adam({"lr": 1e-2}), Trace_ELBO())
    assert all(math.isfinite(svi.step(DATA)) for _ in range(5))
