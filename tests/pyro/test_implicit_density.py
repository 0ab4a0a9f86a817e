"""Laws from a log-density alone, and any law of the host: draws and partials against mpmath, errors."""

import pickle

import numpy as np
import pyro.distributions as host
import pytest
import torch
from pyro.distributions import constraints

import pyro_irg.distributions as dist
from pyro_irg.distributions.fixed_quantile import at_fixed_quantile
from tests import densities
from tests.checks import LEAST_P_VALUE, STANDARD_ERRORS, p_value, standardised
from tests.densities import DENSITIES, FAULTY

# float64: rounding of a sum over 160 nodes, and of f up to 50; float32: the draw's own rounding, arithmetic is float64
ROUNDING = {"float64": 2e-12, "float32": 2e-6}
each = pytest.mark.parametrize("density", DENSITIES, ids=str)
precisions = pytest.mark.parametrize("precision", ROUNDING)


def build(density, precision="float64", shape=(), **options):
    leaves = {
        k: torch.full(shape, v, dtype=getattr(torch, precision)).requires_grad_() for k, v in density.params.items()
    }
    support = getattr(constraints, density.support)
    return dist.ImplicitDensity(lambda x, **p: density.log_density(torch, x, **p), support, **leaves, **options), leaves


@each
@precisions
def test_partials_and_tails(density, precision):
    for x in density.points:
        law, leaves = build(density, precision)
        value = torch.tensor(x, dtype=getattr(torch, precision))
        found = torch.autograd.grad(at_fixed_quantile(law, value), list(leaves.values()))
        truth = densities.partials(density, x)
        unit = max(map(abs, truth.values()))
        for slope, name in zip(found, leaves, strict=True):
            assert abs(slope.item() - truth[name]) <= ROUNDING[precision] * unit, (name, x)
        for tail, log_mass in zip(
            (law.log_cdf(value), law.log_sf(value)), densities.log_tails(density, x), strict=True
        ):
            # of the larger tail the logarithm is small: absolute
            assert abs(tail.item() - log_mass) <= ROUNDING[precision] * max(1.0, abs(log_mass))


@each
def test_draws(density):
    torch.manual_seed(0)
    x = build(density)[0].rsample((20_000,))
    assert p_value(x.detach().numpy(), density.cdf) > LEAST_P_VALUE
    law = build(density)[0]
    q = torch.tensor([1e-9, 0.01, 0.5, 0.99], dtype=torch.float64)
    torch.testing.assert_close(law.cdf(law.icdf(q)), q, rtol=1e-11, atol=0.0)


def test_normalised():
    """log_prob, and its derivatives in value and parameter, are the Gamma's."""
    law, leaves = build(DENSITIES[0])
    a, b = leaves.values()
    x = torch.tensor([0.125, 1.0, 9.0], dtype=torch.float64, requires_grad=True)
    for function in (lambda law: law.log_prob(x), lambda law: law.cdf(x), lambda law: law.icdf(x.sigmoid())):
        ours, known = function(law), function(dist.Gamma(a, b))
        torch.testing.assert_close(ours, known, rtol=1e-11, atol=1e-13)
        one, other = (torch.autograd.grad(y.sum(), (a, b, x)) for y in (ours, known))
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_second_derivatives():
    at = torch.tensor(1.75, dtype=torch.float64)

    def moved(law, a, b):
        return at_fixed_quantile(law(a, b), at).log()

    def ours(a, b):
        return dist.ImplicitDensity(lambda x, **p: densities.DENSITIES[0].log_density(torch, x, **p),
                                    constraints.positive, a=a, b=b)  # fmt: skip

    params = tuple(torch.tensor(v, dtype=torch.float64) for v in DENSITIES[0].params.values())
    one, other = (torch.autograd.functional.hessian(lambda a, b, law=law: moved(law, a, b), params)
                  for law in (ours, dist.Gamma))  # fmt: skip
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_elbo_gradient():
    torch.manual_seed(1)
    law, leaves = build(DENSITIES[0], shape=(20_000,))
    x = law.rsample()
    elbo = 2.5 * x.log() - 2.0 * x - law.log_prob(x)
    slopes = torch.autograd.grad(elbo.sum(), list(leaves.values()))
    for slope, (name, truth) in zip(slopes, densities.elbo_gradient().items(), strict=True):
        assert standardised(slope.numpy(), np.array(truth), 1e-10) < STANDARD_ERRORS, name


@pytest.mark.parametrize("name", FAULTY)
def test_faults(name):
    f, support, words = FAULTY[name]
    with pytest.raises(ValueError, match=f"ImplicitDensity: .*({words})"):
        dist.ImplicitDensity(lambda x: f(torch, x), getattr(constraints, support))


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"support: expected constraints\.real"):
        dist.ImplicitDensity(lambda x: -x, constraints.simplex)
    law, _ = build(DENSITIES[0], sampler=lambda shape, **p: torch.ones(7))
    with pytest.raises(ValueError, match="sampler gave draws of shape"):
        law.rsample((3,))
    with pytest.raises(ValueError, match="expected a continuous univariate law, got Poisson"):
        dist.Implicit(host.Poisson(1.0))
    with pytest.raises(ValueError, match="write ConditionalChain"):
        dist.Implicit(host.Dirichlet(torch.ones(3)))


def test_one_sampler():
    law, leaves = build(DENSITIES[0], sampler=lambda shape, a, b: torch.full(shape, 1.0))
    (slope,) = torch.autograd.grad(law.rsample(), leaves["a"])
    assert abs(slope.item() - densities.partials(DENSITIES[0], 1.0)["a"]) < 1e-11


def test_ends_of_the_support_move():
    """A law between a parameter and 1: the ends are differentiated as well."""
    low = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    law = dist.ImplicitDensity(lambda x: 0.0 * x, constraints.interval(low, 1.0))
    (slope,) = torch.autograd.grad(at_fixed_quantile(law, torch.tensor(0.5, dtype=torch.float64)), low)
    assert abs(slope.item() - 0.25) < 1e-12  # x = low + u (1 - low)


def test_shapes_and_copies():
    law, _ = build(DENSITIES[0], "float32", (3, 1))
    wide = law.expand((3, 2))
    assert wide.batch_shape == (3, 2) and wide.rsample((4,)).shape == (4, 3, 2)
    assert wide.rsample().dtype == torch.float32 and wide.log_prob(torch.ones(2)).shape == (3, 2)
    assert law.to_event(1).log_prob(torch.ones(3, 1)).shape == (3,)
    torch.manual_seed(0)
    batched = torch.func.vmap(
        lambda a: dist.ImplicitDensity(lambda x, a: -a * x, constraints.positive, a=a).rsample((2,)),
        randomness="different",
    )(torch.tensor([1.0, 2.0]))
    assert batched.shape == (2, 2) and batched.isfinite().all()


class NoCdf(host.TorchDistribution):
    """A normal law that hides its distribution function."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.real

    def __init__(self, scale):
        self.scale = scale
        super().__init__(scale.shape)

    def log_prob(self, x):
        return -0.5 * (x / self.scale) ** 2

    def sample(self, sample_shape=torch.Size()):
        return torch.full(self._extended_shape(sample_shape), 0.75) * self.scale.detach()


@pytest.mark.parametrize("law", [NoCdf, lambda s: host.Normal(0.0, s), lambda s: host.Normal(0.0, s).to_event(1)])
def test_implicit(law):
    scale = torch.tensor([0.5, 3.0], requires_grad=True)
    x = dist.Implicit(law(scale)).rsample((4,))
    (slope,) = torch.autograd.grad(x.sum(), scale)
    torch.testing.assert_close(slope, x.detach().sum(0) / scale.detach(), rtol=2e-6, atol=2e-6)


def test_implicit_takes_the_twin():
    a = torch.tensor(0.5, requires_grad=True)
    law = dist.Implicit(host.Gamma(a, 1.0))
    x = law.rsample((3,))
    assert isinstance(law.base_dist, dist.Gamma) and law.support is constraints.nonnegative
    torch.testing.assert_close(law.log_prob(x.detach()), host.Gamma(a, 1.0).log_prob(x.detach()))
    pickle.loads(pickle.dumps(dist.Implicit(host.Gamma(1.0, 1.0)))).rsample()


class OnlyCdf(host.TorchDistribution):
    """A normal law whose class tells `log_tails` no more than its cdf, which rounds to 1 beyond 5.4."""

    arg_constraints = {"loc": constraints.real}
    support = constraints.real

    def __init__(self, loc):
        self.loc = loc
        super().__init__(loc.shape, validate_args=False)

    def cdf(self, value):
        return 0.5 * (1.0 + torch.erf((value - self.loc) * 0.5**0.5))

    def log_prob(self, value):
        return host.Normal(self.loc, 1.0).log_prob(value)


def test_a_tail_lost_to_rounding_keeps_its_gradient():
    loc = torch.tensor(0.0, requires_grad=True)
    for x in (-2.0, 3.0, 6.0, 8.0):
        (slope,) = torch.autograd.grad(at_fixed_quantile(OnlyCdf(loc), torch.tensor(x)), loc)
        torch.testing.assert_close(slope, torch.tensor(1.0), rtol=1e-5, atol=0.0)
