"""Truncated laws: against mpmath, in distribution, in SVI, under transformations; what is refused."""

import math
import pickle

import numpy as np
import pyro
import pyro.distributions as host
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO
from scipy import stats
from torch.func import grad, hessian, jacrev, vmap

import pyro_irg.distributions as dist
from irg_kernels.generic import truncation as truncated
from pyro_irg.attach import NATIVE
from tests.checks import LEAST_P_VALUE, STANDARD_ERRORS
from tests.truncation import AT_ENDS, NARROW, NORMAL, OTHERS, POINTS, curvature, point, worst


def build(p, precision="float64", shape=()):
    """The law and the leaves of its parameters and bounds."""
    dtype = getattr(torch, precision)
    found = {name: torch.full(shape, value, dtype=dtype).requires_grad_() for name, value in p.params}
    bounds = {name: torch.full(shape, value, dtype=dtype).requires_grad_() for name, value in p.bounds.items()}
    return dist.Truncated(getattr(dist, p.base)(*found.values()), **bounds), {**found, **bounds}


def at_fixed_quantile(q, x):
    """A draw that came out as x."""
    return truncated.at_fixed_quantile(NATIVE, q._pieces(), x.double()).to(x.dtype)


@pytest.mark.parametrize("p", POINTS, ids=str)
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_values_and_partials(p, precision):
    """To target; a partial whose terms nearly cancel relative to these (`truncation.size`)."""
    # float32 is computed in float64 and rounded once
    rtol = {"float64": 2e-14 if p in NORMAL else 1e-12, "float32": 2e-7}[precision]
    q, leaves = build(p, precision, (len(p.xs),))
    x = torch.tensor(p.xs, dtype=getattr(torch, precision))
    slopes = dict(zip(leaves, torch.autograd.grad(at_fixed_quantile(q, x).sum(), list(leaves.values())), strict=True))
    error, where = worst(p, slopes, q.log_prob(x).detach(), q.cdf(x).detach())
    assert error <= rtol, f"{error:.1e} in {where}"


@pytest.mark.parametrize("p", NORMAL + OTHERS, ids=str)
def test_draws(p):
    """Inside the support, in float32 too, and u is uniform."""
    torch.manual_seed(0)
    for precision, size in (("float32", 100), ("float64", 500)):
        q, _ = build(p, precision)
        x = q.sample((size,))
        assert q.support.check(x).all() and x.isfinite().all()
    assert stats.kstest(q.cdf(x).detach().numpy(), "uniform").pvalue > LEAST_P_VALUE
    np.testing.assert_allclose(q.icdf(q.cdf(x)).detach(), x, rtol=1e-6)  # at 5 sigma 1 - u has 10 digits


def test_draws_in_a_millionth_of_sigma():
    torch.manual_seed(0)
    for p in NARROW:
        q, _ = build(p, "float32")
        x = q.sample((200,))
        assert ((x >= q.low) & (x <= q.high)).all() and len(x.unique()) > 5  # of 8 values or more


@pytest.mark.parametrize("low, high", [(13.0, 14.0), (38.0, None), (None, -38.0), (-5e-7, 5e-7), (-1.0, 2.0)])
def test_moments(low, high):
    """Of the normal against the mean of the quantiles."""
    q = dist.TruncatedNormal(torch.tensor(0.0, dtype=torch.float64), 1.0, low=low, high=high)
    x = q.icdf((torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000)
    spread = x.std().item()
    np.testing.assert_allclose(q.mean.item(), x.mean().item(), atol=2e-4 * spread)
    np.testing.assert_allclose(q.variance.item(), spread**2, rtol=5e-3)
    assert math.isnan(dist.TruncatedCauchy(low=0.0).mean)
    with pytest.raises(NotImplementedError, match="Truncated: mean and variance are known for Normal and Cauchy"):
        _ = dist.Truncated(dist.Gamma(1.0, 1.0), 0.5).mean


def test_without_bounds_it_is_the_base():
    x = torch.linspace(-3.0, 3.0, 7)
    base = dist.Normal(0.5, 2.0)
    for q in (dist.Truncated(base), dist.Truncated(base, -math.inf, math.inf)):
        torch.testing.assert_close(q.log_prob(x), base.log_prob(x))
        torch.testing.assert_close(q.cdf(x), base.cdf(x))
    a = torch.tensor(2.0, requires_grad=True)
    q, x = dist.Truncated(dist.Gamma(a, 1.0), 0.0), torch.tensor([0.5, 2.0])
    torch.testing.assert_close(q.log_prob(x), dist.Gamma(a, 1.0).log_prob(x))
    (ours,) = torch.autograd.grad(at_fixed_quantile(q, x).sum(), a)
    (theirs,) = torch.autograd.grad(dist.Gamma(a, 1.0).icdf(dist.Gamma(a, 1.0).cdf(x).detach()).sum(), a)
    torch.testing.assert_close(ours, theirs)
    assert dist.TruncatedDistribution(base) is base


ENDS = (
    # a base with the density p(0) at the end 0 of its support, and (1 - u) p(0) / p(x)
    (lambda one: dist.Exponential(1.5 * one), lambda x: 1.0),
    (lambda one: dist.HalfNormal(one), lambda x: math.erfc(x / math.sqrt(2.0)) * math.exp(x * x / 2.0)),
    (lambda one: dist.HalfCauchy(one), lambda x: (1.0 - 2.0 / math.pi * math.atan(x)) * (1.0 + x * x)),
    (lambda one: dist.Gamma(2.0 * one, 1.0), lambda x: 0.0),
    (lambda one: dist.Gamma(1.1 * one, 1.0), lambda x: 0.0),
    (lambda one: dist.Gamma(one, 1.0), lambda x: 1.0),
    (lambda one: dist.Beta(one, 3.0), lambda x: 1.0 - x),
    (lambda one: dist.Uniform(0.0 * one, 2.0), lambda x: 1.0 - x / 2.0),
)


@pytest.mark.parametrize("base, slope", ENDS)
def test_bound_at_the_end_of_the_support(base, slope):
    """It has the derivative of moving inwards."""
    low, x = torch.zeros((), dtype=torch.float64, requires_grad=True), torch.tensor(0.7, dtype=torch.float64)
    (found,) = torch.autograd.grad(at_fixed_quantile(dist.Truncated(base(torch.ones_like(x)), low), x), low)
    np.testing.assert_allclose(found.item(), slope(0.7), rtol=1e-12, atol=1e-300)


def test_support_that_moves():
    """The end of a Pareto law is a bound that its parameter moves; beyond it there is no density."""
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    q, x = dist.Truncated(dist.Pareto(scale, 2.0), None, 3.0), torch.tensor(2.0, dtype=torch.float64)
    (found,) = torch.autograd.grad(at_fixed_quantile(q, x), scale)
    np.testing.assert_allclose(found.item(), 1.25, rtol=1e-12)  # (1 - u) p(1) / p(2), 1 - u = 5/32
    outside = dist.Truncated(dist.Uniform(0.0, 1.0), -1.0, 0.5, validate_args=False).log_prob(torch.tensor([-0.5, 0.2]))
    torch.testing.assert_close(outside, torch.tensor([-math.inf, math.log(2.0)]))
    with pytest.raises(ValueError, match="low must lie in the support of its base Pareto, from 1"):
        dist.Truncated(dist.Pareto(1.0, 2.0), 0.5)


def test_outside():
    q = dist.Truncated(dist.Normal(torch.zeros(()).requires_grad_(), 1.0), 1.0, 2.0, validate_args=False)
    x = torch.tensor([0.0, 1.5, 3.0])
    assert q.log_prob(x).isinf().tolist() == [True, False, True]
    assert q.cdf(x)[0] == 0.0 and q.cdf(x)[2] == 1.0
    (slope,) = torch.autograd.grad(q.log_prob(x)[1], q.base_dist.loc)
    assert slope.isfinite()


@pytest.mark.parametrize("base, params, low, high, x, expected", AT_ENDS)
def test_density_at_an_end_of_the_support(base, params, low, high, x, expected):
    params = [torch.tensor(p, requires_grad=True) for p in params]
    density = dist.Truncated(getattr(dist, base)(*params), low, high, validate_args=False).log_prob(torch.tensor(x))
    np.testing.assert_allclose(density.item(), expected, rtol=1e-6)
    assert all(slope.isfinite() for slope in torch.autograd.grad(density, params))


def test_infinite_and_nan_values():
    loc = torch.tensor(0.3, requires_grad=True)
    q, x = (
        dist.Truncated(dist.Normal(loc, 1.0), 0.0, validate_args=False),
        torch.tensor([math.inf, -math.inf, math.nan]),
    )
    for found, expected in ((q.cdf(x), [1.0, 0.0, math.nan]), (q.log_prob(x), [-math.inf, -math.inf, math.nan])):
        np.testing.assert_array_equal(found.detach(), expected)
        assert torch.autograd.grad(found.sum(), loc)[0] == 0.0
    x = q.icdf(torch.tensor([0.0, 1.0, 0.5, math.nan]))
    assert x[0] == 0.0 and x[1] == math.inf and x[2] > 0.0 and x[3].isnan()
    assert torch.autograd.grad(x[2], loc, retain_graph=True)[0] > 0.0 and torch.autograd.grad(x.sum(), loc)[0] > 0.0
    assert dist.Truncated(dist.Beta(2.0, 2.0), 0.5, validate_args=False).cdf(torch.tensor(1.5)) == 1.0


class Power(host.TorchDistribution):
    """F(x) = (x / scale) ** power, where power is no parameter by its constraints."""

    arg_constraints = {"scale": host.constraints.positive}

    def __init__(self, scale, power=1.0, validate_args=None):
        self.scale, self.power = scale, power
        super().__init__(scale.shape, validate_args=validate_args)

    @property
    def support(self):
        return host.constraints.interval(0.0, self.scale)

    def cdf(self, value):
        return (value / self.scale) ** self.power

    def log_prob(self, value):
        return math.log(self.power) - self.power * self.scale.log() + (self.power - 1.0) * value.log()


def test_bases_that_their_constraints_do_not_describe():
    q, x = dist.Truncated(Power(torch.tensor(2.0), power=2.0), 0.5, 1.5), torch.tensor(1.0)
    torch.testing.assert_close(q.cdf(x), torch.tensor(0.375))
    torch.testing.assert_close(q.log_prob(x), torch.tensor(0.0))
    inner = dist.Truncated(dist.Normal(0.0, 1.0), 0.0, 3.0)
    q = dist.Truncated(inner, 1.0, 2.0)
    assert ((q.sample((20,)) - 1.5).abs() <= 0.5).all()
    torch.testing.assert_close(q.log_prob(1.5 * x), dist.Truncated(dist.Normal(0.0, 1.0), 1.0, 2.0).log_prob(1.5 * x))
    assert dist.Truncated(dist.Normal(0.0, 1.0).expand([3]), 0.0).sample((3,)).shape == (3, 3)


def test_number_bounds_have_the_dtype_of_the_base():
    loc = torch.zeros(2, dtype=torch.float64)
    mixture = dist.MixtureSameFamily(dist.Categorical(torch.ones(2, dtype=torch.float64)), dist.Normal(loc, 1.0))
    for base in (dist.Normal(loc[0], 1.0), mixture):
        q = dist.Truncated(base, 0.1)
        assert q.low == 0.1 and q.log_prob(q.low).isfinite() and q.log_prob(q.low).dtype == torch.float64


CURVED = (
    (NORMAL[0], "loc"),
    (NORMAL[0], "high"),
    (NORMAL[5], "scale"),
    (NORMAL[8], "loc"),
    (point("Gamma", {"concentration": 2.5, "rate": 0.5}, 1.0, 6.0, 2.5), "concentration"),
    (point("StudentT", {"df": 3.0, "loc": 0.5, "scale": 2.0}, -1.0, 4.0, 1.5), "df"),
)


@pytest.mark.parametrize("p, name", CURVED, ids=str)
def test_second_derivatives(p, name):
    q, leaves = build(p)
    x = torch.tensor(p.xs[-1], dtype=torch.float64)
    (first,) = torch.autograd.grad(at_fixed_quantile(q, x), leaves[name], create_graph=True)
    (second,) = torch.autograd.grad(first, leaves[name])
    np.testing.assert_allclose(second.item(), curvature(p, p.xs[-1], name), rtol=1e-8)


def test_transformations():
    def draw(loc, low):
        torch.manual_seed(0)
        return dist.TruncatedNormal(loc, 1.0, low=low, high=2.0).rsample()

    loc, low = torch.tensor(0.3), torch.tensor(-1.0)
    eager = loc.clone().requires_grad_()
    (expected,) = torch.autograd.grad(draw(eager, low), eager)
    torch.testing.assert_close(grad(draw)(loc, low), expected)
    torch.testing.assert_close(torch.func.jvp(lambda l: draw(l, low), (loc,), (torch.ones(()),))[1], expected)
    torch.testing.assert_close(hessian(draw)(loc, low), jacrev(jacrev(draw))(loc, low))

    def at_quantile(loc, u):
        return dist.TruncatedNormal(loc, 1.0, low=-1.0, high=2.0).icdf(u)

    locs = torch.linspace(-1.0, 1.0, 3)
    each = vmap(grad(at_quantile), in_dims=(0, None))(locs, torch.tensor(0.4))
    torch.testing.assert_close(each, torch.stack([grad(at_quantile)(l, torch.tensor(0.4)) for l in locs]))


def test_shapes_expand_pickle():
    q = dist.Truncated(dist.Normal(torch.zeros(3), 1.0).to_event(1), torch.zeros(2, 1))
    assert q.batch_shape == (2, 3) and q.rsample((4,)).shape == (4, 2, 3) and q.event_shape == ()
    wide = q.expand((5, 2, 3))
    assert type(wide) is dist.Truncated and wide.rsample().shape == (5, 2, 3)
    assert wide.log_prob(torch.ones(())).shape == (5, 2, 3)
    assert q.to_event(1).log_prob(torch.ones(2, 3)).shape == (2,)
    again = pickle.loads(pickle.dumps(q))
    torch.testing.assert_close(again.log_prob(torch.ones(2, 3)), q.log_prob(torch.ones(2, 3)))
    assert "low: (2, 3)" in repr(q)


@pytest.mark.parametrize("base", [dist.LogNormal(0.0, 1.0), dist.Laplace(0.0, 1.0), dist.Gumbel(0.0, 1.0)], ids=str)
def test_bases_of_the_host(base):
    torch.manual_seed(0)
    q = dist.Truncated(base, 0.5, 3.0)
    assert (
        stats.kstest(
            base.cdf(q.sample((1000,))),
            lambda u: (
                (u - base.cdf(torch.tensor(0.5)).item())
                / (base.cdf(torch.tensor(3.0)) - base.cdf(torch.tensor(0.5))).item()
            ),
        ).pvalue
        > LEAST_P_VALUE
    )


def test_svi():
    """A truncated guide with learned bounds: the ELBO's gradient, against quadrature of the bound."""
    torch.manual_seed(0)
    pyro.clear_param_store()
    start = {"loc": 0.2, "scale": 0.7, "low": -0.5, "high": 1.5}

    def model():
        pyro.sample("x", host.Normal(0.0, 2.0).expand([1000]).to_event(1))

    def guide():
        p = {name: pyro.param(name, torch.tensor(v, dtype=torch.float64)) for name, v in start.items()}
        each = {name: v.expand(1000) for name, v in p.items()}
        q = dist.TruncatedNormal(each["loc"], each["scale"], low=each["low"], high=each["high"])
        pyro.sample("x", q.to_event(1))

    slopes = []
    for _ in range(20):
        pyro.get_param_store().clear()
        SVI(model, guide, pyro.optim.SGD({"lr": 0.0}), Trace_ELBO()).step()
        Trace_ELBO().loss_and_grads(model, guide)
        store = pyro.get_param_store()
        slopes.append([store[name].grad.item() / 1000 for name in start])

    def bound(loc, scale, low, high):
        x, w = np.polynomial.legendre.leggauss(80)
        x, w = low + (high - low) * (x + 1) / 2, w * (high - low) / 2
        q = stats.norm.pdf(x, loc, scale) / (stats.norm.cdf(high, loc, scale) - stats.norm.cdf(low, loc, scale))
        return -np.sum(w * q * (stats.norm.logpdf(x, 0.0, 2.0) - np.log(q)))

    for j, name in enumerate(start):
        exact = (bound(**{**start, name: start[name] + 1e-5}) - bound(**{**start, name: start[name] - 1e-5})) / 2e-5
        found = np.array(slopes)[:, j]
        assert abs(found.mean() - exact) < STANDARD_ERRORS * found.std() / math.sqrt(len(found)) + 1e-6


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: dist.Truncated(dist.Normal(0.0, 1.0), 2.0, 1.0),
            r"Truncated: low must be below high, but found low\n2",
        ),
        (
            lambda: dist.Truncated(dist.Gamma(1.0, 1.0), -1.0),
            r"Truncated: low must lie in the support of its base Gamma",
        ),
        (lambda: dist.Truncated(dist.Normal(0.0, 1.0), math.inf), r"low must lie in .* and leave some of it"),
        (lambda: dist.Truncated(dist.Beta(2.0, 2.0), 1.0), r"low must lie in .* and leave some of it"),
        (lambda: dist.Truncated(dist.Beta(1.0, 1.0), None, 1.5), r"Truncated: high must lie in the support .* Beta"),
        (lambda: dist.Truncated(dist.Dirichlet(torch.ones(3)), 0.1), r"must be univariate, but Dirichlet has event"),
        (lambda: dist.Truncated(dist.Stable(1.5, 0.0), 0.1), r"base_dist Stable has no cdf; take a law from"),
        (lambda: dist.Truncated(1.0, 0.1), r"base_dist must be a distribution, got float"),
        (lambda: dist.Truncated(dist.Normal(torch.zeros(3), 1.0), torch.zeros(2)), r"low of shape \(2,\) cannot be"),
        (lambda: dist.Truncated(dist.Normal(0.0, 1.0), 0.0).icdf(torch.tensor(1.5)), r"quantile must lie in \[0, 1\]"),
    ],
)
def test_validation(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_names_of_numpyro():
    assert type(dist.TruncatedNormal(0.0, 1.0, low=0.0)) is dist.LeftTruncatedDistribution
    assert type(dist.TruncatedNormal(0.0, 1.0, high=0.0)) is dist.RightTruncatedDistribution
    assert type(dist.TruncatedCauchy(0.0, 1.0, low=0.0, high=1.0)) is dist.TwoSidedTruncatedDistribution
    x = dist.LeftTruncatedDistribution(dist.Normal(0.0, 1.0), 1.0).expand((3,)).sample()
    assert x.shape == (3,) and (x >= 1.0).all()


def test_log_density_so_far_out_that_the_masses_are_lost_in_it():
    loc = torch.tensor(0.0, requires_grad=True)
    found = dist.Truncated(dist.Normal(loc, 1.0), 0.0).log_prob(torch.tensor(1e18))
    torch.testing.assert_close(found.detach(), torch.tensor(-5e35))
    torch.testing.assert_close(torch.autograd.grad(found, loc)[0], torch.tensor(1e18))
