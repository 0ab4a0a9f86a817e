"""Mixtures of Pyro: Hessians of draws, variance, training, draws by parts to second order, memory."""

import subprocess
import sys

import pyro
import pyro.distributions as host
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import Adam

import pyro_irg.distributions as dist
from pyro_irg import implicit
from pyro_irg.distributions import conditionals
from tests.adapters import pyro as adapter
from tests.checks import STANDARD_ERRORS, standardised
from tests.mixtures import MANY, ROWS, many


@pytest.fixture(autouse=True)
def seeded():
    pyro.set_rng_seed(0)


def of(row, dtype=torch.float64, shape=()):
    """The leaves of a row's mixture, one of each for every element of `shape`, and the mixture."""
    leaves = {"logits": row.logits, **dict(row.params)}
    leaves = {k: torch.tensor(v, dtype=dtype).expand(*shape, -1).clone().requires_grad_() for k, v in leaves.items()}
    params = {k: v for k, v in leaves.items() if k != "logits"}
    return leaves, dist.MixtureSameFamily(
        dist.Categorical(logits=leaves["logits"]), getattr(dist, row.family)(**params)
    )


@pytest.mark.parametrize("kind", MANY)
def test_hessian_of_a_draw(kind):
    """`torch.func.hessian` puts the host's sampler under `vmap`, which refuses it; reverse mode twice does not."""

    def total(logits):
        leaves = {k: torch.tensor(v) for k, v in MANY[kind].items()}
        return many(adapter, kind, {**leaves, "logits": logits}).rsample().sum()

    logits = torch.tensor([0.5, -0.25, 0.0]).double()
    with pytest.raises(RuntimeError, match="random operation while in randomness error mode"):
        torch.func.hessian(total)(logits)
    hessian = torch.func.jacrev(torch.func.jacrev(total))(logits)
    torch.testing.assert_close(hessian, hessian.mT, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(hessian.sum(0), torch.zeros(3).double(), atol=1e-10, rtol=0.0)


def test_evidence_bound_and_variance():
    """The gradient of a mixture guide's bound against quadrature, in the logits and the locations.

    The variance is smaller than the score function's in the locations; in the logits the two are alike."""
    n, row = 20_000, ROWS[0]
    leaves, mixed = of(row, shape=(n,))
    prior = host.Normal(torch.tensor(1.0).double(), 2.0)
    x = mixed.rsample()

    def both(total, of, **options):
        return [g.numpy() for g in torch.autograd.grad(total, [of["logits"], of["loc"]], **options)]

    path = both((prior.log_prob(x) - mixed.log_prob(x)).sum(), leaves, retain_graph=True)
    at = x.detach()
    bound = (prior.log_prob(at) - mixed.log_prob(at)).detach()
    score = both((bound * mixed.log_prob(at)).sum(), leaves)
    single, one = of(row)
    grid = torch.linspace(-12.0, 12.0, 4001).double()
    density = one.log_prob(grid)
    truth = both((density.exp() * (prior.log_prob(grid) - density)).sum() * 0.006, single)
    for found in (path, score):
        for slopes, exact in zip(found, truth, strict=True):
            assert (standardised(slopes, exact, rtol=1e-9) < STANDARD_ERRORS).all()
    ratios = [p.var(0) / s.var(0) for p, s in zip(path, score, strict=True)]
    assert (ratios[0] < 1.5).all() and (ratios[1] < 1.0).all(), ratios


def test_guide():
    """Stock mixtures under `implicit`: the loss of a mixture guide falls to that of the posterior, itself a mixture."""

    def guide():
        logits = pyro.param("logits", torch.zeros(2))
        loc = pyro.param("loc", torch.tensor([-0.5, 0.5]))
        pyro.sample("z", host.MixtureSameFamily(host.Categorical(logits=logits), host.Normal(loc, 1.0)))

    def model():
        weights = host.Categorical(probs=torch.tensor([0.3, 0.7]))
        pyro.sample("z", host.MixtureSameFamily(weights, host.Normal(torch.tensor([-2.0, 2.0]), 1.0)))

    pyro.clear_param_store()
    elbo = Trace_ELBO(num_particles=100, vectorize_particles=True)
    svi = SVI(model, implicit(guide, strict=True), Adam({"lr": 0.03}), elbo)
    for _ in range(250):
        svi.step()
    weights = pyro.param("logits").softmax(-1)
    assert abs(weights[1].item() - 0.7) < 0.05 and svi.evaluate_loss() < 0.05


@pytest.mark.parametrize("kind", MANY)
def test_draws_by_parts(kind, monkeypatch):
    """Derivatives, the second ones too, are those of all draws taken at once."""

    def both(chunk):
        monkeypatch.setattr(conditionals, "CHUNK", chunk)
        leaves = {k: torch.tensor(v).double().requires_grad_() for k, v in MANY[kind].items()}
        mixed = many(adapter, kind, leaves)
        found = []
        for shaped, shape in ((mixed, (17,)), (mixed.expand((17,)), ()), (mixed.expand((2, 1)).expand((2, 3)), (5,))):
            pyro.set_rng_seed(1)
            total = shaped.rsample(shape).sin().sum()
            first = torch.autograd.grad(total, list(leaves.values()), retain_graph=True)
            again = torch.autograd.grad(total, list(leaves.values()), create_graph=True)
            found += [
                *first,
                *torch.autograd.grad(sum(g.square().sum() for g in again), list(leaves.values()), retain_graph=True),
            ]
        return found

    torch.testing.assert_close(both(2 * 9), both(10**9), rtol=1e-11, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["factorised", "normal"])
def test_memory(kind, dtype):
    """K = 100, D = 50, 1,000 draws: one pass with its gradient takes less than 1 GiB above what was there."""
    code = f"""
import resource, torch, pyro_irg.distributions as dist
torch.manual_seed(0)
torch.set_default_dtype(torch.{dtype})
loc = torch.randn(100, 50, requires_grad=True)
scale = (torch.eye(50).expand(100, 50, 50) + 0.1 * torch.randn(100, 50, 50).tril(-1)).clone().requires_grad_()
logits = torch.zeros(100, requires_grad=True)
component = (dist.MultivariateNormal(loc, scale_tril=scale) if {kind!r} == "normal"
             else dist.Normal(loc, scale.diagonal(dim1=-2, dim2=-1)).to_event(1))
mixed = dist.MixtureSameFamily(dist.Categorical(logits=logits), component)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
mixed.rsample((1000,)).sin().sum().backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20)
assert all(p.grad.isfinite().all() for p in (loc, scale, logits))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[-1]) < 1.0


def test_different_supports_under_a_transformation_give_nan():
    """Where bounds cannot be looked at nothing can be refused; whether one support holds shows in the draw."""

    def draw(high):
        parts = dist.Truncated(dist.Normal(torch.tensor([0.0, 1.0]), 1.0), 0.0, high, validate_args=False)
        return dist.MixtureSameFamily(dist.Categorical(logits=torch.zeros(2)), parts, validate_args=False).rsample()

    found = torch.func.vmap(draw, randomness="different")(torch.tensor([[2.0, 2.0], [2.0, 3.0]]))
    assert found.isfinite().tolist() == [True, False] and found[1].isnan()


def test_an_empty_batch():
    mixing, parts = dist.Categorical(torch.ones(0, 3)), dist.Normal(torch.ones(0, 3), 1.0)
    assert dist.MixtureSameFamily(mixing, parts).rsample().shape == (0,)
