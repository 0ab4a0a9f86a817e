"""MixtureSameFamily: a draw's partials against mpmath, expectations against closed forms, hard points, memory."""

import pickle
import subprocess
import sys

import numpy as np
import pyro
import pyro.distributions as host
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import Adam

import pyro_irg.distributions as dist
from pyro_irg import check_reparameterized, implicit
from pyro_irg.distributions import conditionals
from tests import mixtures
from tests.checks import STANDARD_ERRORS, standardised
from tests.mixtures import FORM, MANY, ROWS, TILT


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


# ------------------------------------------------------------------------------------------------------------- path


# the targets of the kernels; float32 mixtures are computed in float64
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("events", [0, 1])
def test_partials(row, dtype, rtol, events):
    """dz / d logits and every parameter of the components, in either of the two algorithms."""
    leaves, law = of(row, dtype, (len(row.values),))
    x = torch.tensor(row.values, dtype=dtype)
    if events:
        component = law.component_distribution
        component = type(component)(**{k: v[..., None] for k, v in leaves.items() if k != "logits"}).to_event(1)
        moved = dist.MixtureSameFamily(law.mixture_distribution, component).at_fixed_quantile(x[..., None])[..., 0]
    else:
        moved = law.at_fixed_quantile(x)
    assert torch.equal(moved, x)
    found = torch.autograd.grad(moved.sum(), list(leaves.values()))
    found = {name: slope.numpy() for name, slope in zip(leaves, found, strict=True)}
    for name, error in mixtures.errors(row, found).items():
        assert error < rtol, (name, error)


@pytest.mark.parametrize("kind", MANY)
def test_second_derivatives(kind):
    """In several dimensions, of the path itself: the Hessian is that of differences of the gradient along the path."""
    logits = torch.tensor([0.5, -0.25], dtype=torch.float64)
    loc, tril = torch.tensor([[0.0, 0.5], [1.0, -0.5]]).double(), torch.tensor([[1.0, 0.0], [0.5, 0.75]]).double()
    x = torch.tensor([0.25, 0.5], dtype=torch.float64)
    component = {
        "factorised": dist.Normal(loc, tril.diagonal()).to_event(1),
        "normal": dist.MultivariateNormal(loc, scale_tril=tril),
        "student t": dist.MultivariateStudentT(3.0, loc, tril),
    }[kind]

    def path(logits, x=x):
        return conditionals.at_fixed_quantile(logits.log_softmax(-1), component, x)

    def along(step):
        """x at logits + step * (1, -1), by the classical Runge-Kutta rule"""
        at, n, way = x, 4, torch.tensor([1.0, -1.0]).double()

        def speed(t, at):
            return torch.func.jacrev(lambda w: path(w, at))(logits + t * way) @ way

        h = step / n
        for i in range(n):
            t = i * h
            a = speed(t, at)
            b = speed(t + h / 2, at + h / 2 * a)
            c = speed(t + h / 2, at + h / 2 * b)
            at = at + h / 6 * (a + 2 * b + 2 * c + speed(t + h, at + h * c))
        return at

    way = torch.tensor([1.0, -1.0]).double()
    hessian = torch.func.jacrev(torch.func.jacrev(path))(logits) @ way @ way
    second = (along(0.01) - 2.0 * x + along(-0.01)) / 1e-4
    torch.testing.assert_close(hessian, second, rtol=1e-3, atol=1e-5)  # the difference has an error of order 1e-4
    torch.testing.assert_close(torch.func.jacfwd(path)(logits), torch.func.jacrev(path)(logits), rtol=1e-11, atol=1e-12)
    if kind == "student t":  # torch loses count of the kernels' arguments
        with pytest.raises(ValueError, match="treespec"):
            torch.func.hessian(path)(logits)
        return
    forward = torch.func.hessian(path)(logits)
    torch.testing.assert_close(forward, torch.func.jacrev(torch.func.jacrev(path))(logits), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", MANY)
def test_hessian_of_a_draw(kind):
    """`torch.func.hessian` puts the host's sampler under `vmap`, which refuses it; reverse mode twice does not."""

    def total(logits):
        return many(kind, {**{k: torch.tensor(v) for k, v in MANY[kind].items()}, "logits": logits}).rsample().sum()

    logits = torch.tensor([0.5, -0.25, 0.0]).double()
    with pytest.raises(RuntimeError, match="random operation while in randomness error mode"):
        torch.func.hessian(total)(logits)
    hessian = torch.func.jacrev(torch.func.jacrev(total))(logits)
    torch.testing.assert_close(hessian, hessian.mT, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(hessian.sum(0), torch.zeros(3).double(), atol=1e-10, rtol=0.0)


# ----------------------------------------------------------------------------------------------------- expectations


def many(kind, leaves):
    p = {k: v for k, v in leaves.items() if k != "logits"}
    if kind == "factorised":
        component = dist.Normal(**p).to_event(1)
    else:
        scale_tril = p.pop("scale_tril").tril()
        family = dist.MultivariateNormal if kind == "normal" else dist.MultivariateStudentT
        component = family(**p, scale_tril=scale_tril)
    return dist.MixtureSameFamily(dist.Categorical(logits=leaves["logits"]), component)


@pytest.mark.parametrize("kind", MANY)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_expectations(kind, dtype):
    """d E f / d parameter of a quadratic f, and for normal laws of an exponential one."""
    n = 20_000
    leaves = {k: torch.tensor(v, dtype=dtype).expand(n, *v.shape) for k, v in MANY[kind].items()}
    leaves = {k: v.clone().requires_grad_() for k, v in leaves.items()}
    x = many(kind, leaves).rsample()
    form, tilt = torch.tensor(FORM, dtype=dtype), torch.tensor(TILT, dtype=dtype)
    functions = [(mixtures.moment, x.sum(-1) + ((x @ form) * x).sum(-1))]
    if kind != "student t":
        functions.append((mixtures.tilted, (x @ tilt).exp()))
    for expectation, values in functions:
        found = torch.autograd.grad(values.sum(), list(leaves.values()), retain_graph=True)
        truth = mixtures.slopes(expectation, MANY[kind])
        for (name, slope), part in zip(truth.items(), found, strict=True):
            part = part.double().numpy()
            used = np.abs(part).max(0) > 0.0  # not above a diagonal
            assert np.abs(slope[~used]).max(initial=0.0) < 1e-9, name
            # differences are right to 1e-9
            assert (standardised(part[:, used], slope[used], rtol=1e-6) < STANDARD_ERRORS).all(), name


def test_evidence_bound_and_variance():
    """The gradient of a mixture guide's bound against quadrature, in the logits and the locations.

    The variance is smaller than the score function's in the locations; in the logits the two are alike."""
    n, row = 20_000, ROWS[0]
    leaves, law = of(row, shape=(n,))
    prior = host.Normal(torch.tensor(1.0).double(), 2.0)
    x = law.rsample()

    def both(total, of, **options):
        return [g.numpy() for g in torch.autograd.grad(total, [of["logits"], of["loc"]], **options)]

    path = both((prior.log_prob(x) - law.log_prob(x)).sum(), leaves, retain_graph=True)
    at = x.detach()
    bound = (prior.log_prob(at) - law.log_prob(at)).detach()
    score = both((bound * law.log_prob(at)).sum(), leaves)
    single, one = of(row)
    grid = torch.linspace(-12.0, 12.0, 4001).double()
    density = one.log_prob(grid)
    truth = both((density.exp() * (prior.log_prob(grid) - density)).sum() * 0.006, single)
    for found in (path, score):
        for slopes, exact in zip(found, truth, strict=True):
            assert (standardised(slopes, exact, rtol=1e-9) < STANDARD_ERRORS).all()
    ratios = [p.var(0) / s.var(0) for p, s in zip(path, score, strict=True)]
    assert (ratios[0] < 1.5).all() and (ratios[1] < 1.0).all(), ratios


# ------------------------------------------------------------------------------------------------------ hard points


@pytest.mark.parametrize("kind", MANY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", ["weight 1e-30", "equal", "apart"])
def test_hard_points(kind, dtype, case):
    leaves = {k: torch.tensor(v, dtype=dtype) for k, v in MANY[kind].items()}
    if case == "weight 1e-30":
        leaves["logits"] = torch.tensor([0.0, 0.5, -69.0], dtype=dtype)
    elif case == "equal":
        leaves = {k: v[:1].expand_as(v).clone() for k, v in leaves.items()}
    else:
        leaves["loc"] = leaves["loc"] + torch.tensor([-50.0, 0.0, 50.0], dtype=dtype)[:, None]
    leaves = {k: v.requires_grad_() for k, v in leaves.items()}
    x = many(kind, leaves).rsample((200,))
    found = dict(zip(leaves, torch.autograd.grad(x.sum(), list(leaves.values())), strict=True))
    assert x.isfinite().all() and all(slope.isfinite().all() for slope in found.values())
    # every draw moves with all locations moved at once
    torch.testing.assert_close(found["loc"].sum(0), torch.full((3,), 200.0, dtype=dtype), rtol=1e-4, atol=1e-3)
    if case == "equal":
        assert found["logits"].abs().max() < (1e-2 if dtype == torch.float32 else 1e-9)
    if case == "weight 1e-30":
        assert all(slope[2].abs().max() < 1e-20 for slope in found.values())


# --------------------------------------------------------------------------------------------------------- the class


def test_draws_are_the_hosts():
    logits, loc = torch.zeros(2), torch.tensor([-1.0, 2.0])
    for component in (host.Normal(loc, 1.0), host.Normal(loc[:, None].expand(2, 3), 1.0).to_event(1)):
        laws = [m.MixtureSameFamily(m.Categorical(logits=logits), component) for m in (dist, host)]
        draws = []
        for law in laws:
            pyro.set_rng_seed(1)
            draws.append(law.sample((5,)))
        assert torch.equal(*draws)
        assert torch.equal(*(law.log_prob(draws[0]) for law in laws)) and torch.equal(*(law.mean for law in laws))


@pytest.mark.parametrize("kind", MANY)
def test_shapes(kind):
    leaves = {k: torch.tensor(v).float() for k, v in MANY[kind].items()}
    law = many(kind, leaves)
    for shaped, shape in ((law.expand((4,)), (2, 4, 3)), (law.expand((5, 4)).to_event(1), (2, 5, 4, 3))):
        assert shaped.has_rsample and shaped.rsample((2,)).shape == shape and shaped.sample((2,)).shape == shape
    masked = law.expand((4,)).mask(torch.tensor([True, False, True, False]))
    assert masked.rsample().shape == (4, 3) and (masked.log_prob(masked.rsample()) == 0.0).sum() == 2
    again = pickle.loads(pickle.dumps(law))
    assert type(again) is dist.MixtureSameFamily and again.has_rsample
    rows = torch.func.vmap(
        lambda logits: many(kind, {**leaves, "logits": logits}).rsample((2,)), randomness="different"
    )(torch.zeros(4, 3))
    assert rows.shape == (4, 2, 3) and rows.isfinite().all()


def test_one_matrix_for_all_components():
    loc = torch.zeros(2, 3, requires_grad=True)
    for component in (dist.MultivariateNormal(loc, torch.eye(3)), dist.MultivariateStudentT(3.0, loc, torch.eye(3))):
        x = dist.MixtureSameFamily(dist.Categorical(logits=torch.zeros(2)), component).rsample((4,))
        torch.testing.assert_close(torch.autograd.grad(x.sum(), loc)[0].sum(0), torch.full((3,), 4.0))


@pytest.mark.parametrize(
    "component",
    [
        lambda: host.Poisson(torch.ones(2)),
        lambda: host.Dirichlet(torch.ones(2, 3)),
        lambda: host.Uniform(torch.zeros(2), torch.tensor([1.0, 2.0])),
    ],
)
def test_others_stay_the_hosts(component):
    """No gradient is known: `has_rsample` is false, so that a bound takes the score function, and `rsample` raises."""
    law = dist.MixtureSameFamily(dist.Categorical(logits=torch.zeros(2)), component())
    assert not law.has_rsample and not law.expand((3,)).has_rsample and law.sample((4,)).shape[0] == 4
    with pytest.raises(NotImplementedError, match="is not reparameterized; components may be univariate"):
        law.rsample()
    with pytest.raises(ValueError, match="site 'z' is not reparameterized: MixtureSameFamily"):
        check_reparameterized(lambda: pyro.sample("z", law))


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
        law = many(kind, leaves)
        found = []
        for shaped, shape in ((law, (17,)), (law.expand((17,)), ()), (law.expand((2, 1)).expand((2, 3)), (5,))):
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
law = dist.MixtureSameFamily(dist.Categorical(logits=logits), component)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
law.rsample((1000,)).sin().sum().backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20)
assert all(p.grad.isfinite().all() for p in (loc, scale, logits))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[-1]) < 1.0
