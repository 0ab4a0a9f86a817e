"""cdf, icdf, entropy and moments: against SciPy and differences, at the ends, in second order, under vmap."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

import pyro_irg.distributions as dist
from tests.laws import LAWS, SCALAR_POINTS, UNIVARIATE, along_quantile
from tests.pyro.draws import build, numpy

laws = pytest.mark.parametrize("law", UNIVARIATE, ids=str)
points = pytest.mark.parametrize(("law", "params"), SCALAR_POINTS.values(), ids=SCALAR_POINTS)
Q = np.array([1e-6, 0.02, 0.3, 0.5, 0.8, 0.999])


def from_minus_pi(law, params):
    """P(-pi < X < x) where the law's own distribution function is measured from the location."""
    if law.name != "VonMises":
        return lambda x: law.cdf(x, **params)
    mu, kappa = params["loc"], params["concentration"]
    start = stats.vonmises.cdf(-math.pi - mu, kappa)
    return lambda x: stats.vonmises.cdf(x - mu, kappa) - start


@points
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_values(law, params, precision):
    """cdf is SciPy's, and icdf its inverse."""
    d, _ = build(law, params, precision)
    q = torch.tensor(Q, dtype=getattr(torch, precision))
    x = d.icdf(q)
    assert x.dtype == q.dtype
    # SciPy's von Mises has 1e-9.  In float32 x is rounded, and near -pi the mass before it has an absolute error alone.
    rtol, atol = {"float64": (1e-9, 1e-9), "float32": (2e-5, 2e-7)}[precision]
    np.testing.assert_allclose(from_minus_pi(law, params)(numpy(x)), numpy(q), rtol=rtol, atol=atol)
    np.testing.assert_allclose(numpy(d.cdf(x)), numpy(q), rtol=rtol, atol=atol)


@points
def test_slopes_of_the_quantile(law, params):
    """First and second derivatives by each parameter against differences of SciPy's ppf, which holds the quantile."""
    if law.name == "VonMises":
        pytest.skip("SciPy's ppf is measured from the location; test_derivatives has it")
    for name in params:
        d, found = build(law, params, shape=(3,))
        x = d.icdf(torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64))
        (slope,) = torch.autograd.grad(x.sum(), found[name], create_graph=True)
        (second,) = torch.autograd.grad(
            (slope + 0.0 * found[name]).sum(), found[name], allow_unused=True, materialize_grads=True
        )
        first, other = along_quantile(law, numpy(x), params, name)
        np.testing.assert_allclose(numpy(slope), first, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(numpy(second), other, rtol=1e-3, atol=1e-5)


@points
def test_derivatives(law, params):
    """Of cdf and icdf by value and parameters, and of second order, against differences of their own values."""
    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in params.values()]
    q = torch.tensor([0.2, 0.9], dtype=torch.float64, requires_grad=True)
    x = getattr(dist, law.name)(*leaves).icdf(q).detach().requires_grad_()
    cls = getattr(dist, law.name)
    for function, at in [(lambda v, *p: cls(*p).cdf(v), x), (lambda v, *p: cls(*p).icdf(v), q)]:
        assert torch.autograd.gradcheck(function, (at, *leaves), fast_mode=True)
        assert torch.autograd.gradgradcheck(function, (at, *leaves), fast_mode=True)


@laws
def test_ends(law):
    """0 and 1 are the ends of the support, and back; beyond them, without validation, nothing more is added."""
    d, _ = build(law, law.points[0])
    low, high = d.icdf(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
    ends = {"Beta": (0.0, 1.0), "LogGamma": (-math.inf, math.inf), "StudentT": (-math.inf, math.inf)}
    assert (low, high) == {**ends, "VonMises": (-math.pi, math.pi)}.get(law.name, (0.0, math.inf))
    torch.testing.assert_close(d.cdf(torch.tensor([low, high], dtype=torch.float64)).tolist(), [0.0, 1.0])
    if math.isfinite(low):
        free = getattr(dist, law.name)(**law.points[0], validate_args=False)
        x = torch.tensor([low - 1.0, high + 1.0], requires_grad=True)
        value = free.cdf(x)
        assert value.tolist() == [0.0, 1.0]
        assert (torch.autograd.grad(value.sum(), x)[0] == 0.0).all()


@laws
def test_validation(law):
    d, _ = build(law, law.points[0])
    for q in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match=rf"{law.name}: quantile .* must lie in \[0, 1\], but found"):
            d.icdf(q)
    for x in (*law.outside, math.nan):
        with pytest.raises(ValueError, match=rf"{law.name}: value .* must lie in \[.*\], but found"):
            d.cdf(x)


@laws
def test_shapes_and_transformations(law):
    params = {name: torch.full((4, 1), v, dtype=torch.float64) for name, v in law.points[1].items()}
    cls, q = getattr(dist, law.name), torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    d = cls(**params)
    x = d.icdf(q)
    assert x.shape == d.cdf(x).shape == (4, 3) and d.entropy().shape == d.batch_shape == (4, 1)
    assert d.expand([4, 3]).cdf(x).shape == (4, 3)
    each = torch.func.vmap(lambda q, *p: cls(*p).cdf(cls(*p).icdf(q)), in_dims=(0, *[None] * len(params)))
    torch.testing.assert_close(each(q, *(torch.tensor(v).double() for v in law.points[1].values())), q)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_entropy(law):
    """By quadrature of -p log p, as SciPy's; Dirichlet's is SciPy's own."""
    for params in law.points:
        d, _ = build(law, params)
        if law.name == "Dirichlet":
            expected = stats.dirichlet(params["concentration"]).entropy()
        else:
            nodes = torch.tensor(np.linspace(0.0, 1.0, 2003)[1:-1])
            x = d.icdf(nodes.clamp(1e-9, 1 - 1e-9))
            log_p = numpy(d.log_prob(x))
            expected = integrate.trapezoid(-log_p, nodes) / (nodes[-1] - nodes[0]).item()
        # the quadrature over quantiles leaves out an end's -log p, of some 1e-2
        np.testing.assert_allclose(d.entropy().item(), expected, atol=0.03 if law.name != "Dirichlet" else 1e-12)


SCIPY = {
    "Gamma": lambda a, b: stats.gamma(a, scale=1 / b),
    "LogGamma": lambda a, b: stats.loggamma(a, loc=-math.log(b)),
    "InverseGamma": lambda a, b: stats.invgamma(a, scale=b),
    "Beta": stats.beta,
    "StudentT": stats.t,
    "VonMises": lambda mu, kappa: stats.vonmises(kappa, loc=mu),
}


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", SCIPY)
def test_entropy_is_scipys(name, precision):
    """From tiny parameters to large ones, where the textbook's formula cancels in float32."""
    rtol = {"float64": 1e-9, "float32": 2e-6}[precision]  # SciPy's own digits in float64
    for p in [(0.5, 2.0), (3.0, 0.7), (20.0, 5.0), (0.01, 0.3), (200.0, 300.0)]:
        p = (0.5, p[0]) if name == "VonMises" else (p[0], 0.5, p[1]) if name == "StudentT" else p
        d = getattr(dist, name)(*(torch.tensor(v, dtype=getattr(torch, precision)) for v in p))
        np.testing.assert_allclose(d.entropy().item(), SCIPY[name](*p).entropy(), rtol=rtol, atol=rtol)


def test_moments():
    """Infinite where they are, without a NaN in the gradient; the circular variance of a needle."""
    a = torch.tensor([0.5, 1.0, 2.0, 3.0], requires_grad=True)
    d = dist.InverseGamma(a, 2.0)
    torch.testing.assert_close(d.mean, torch.tensor([math.inf, math.inf, 2.0, 1.0]))
    torch.testing.assert_close(d.variance, torch.tensor([math.inf, math.inf, math.inf, 1.0]))
    for moment in (d.mean, d.variance):
        assert torch.autograd.grad(moment[3:].sum() + moment[:1].sum(), a)[0].isfinite().all()
    kappa = torch.tensor([0.0, 1e-3, 2.0, 1e4, 1e8]) + 1e-30
    truth = [1.0, 0.9995000000625, 0.30222534203599975, 5.000125015636e-05, 5.0000000125e-09]
    np.testing.assert_allclose(numpy(dist.VonMises(0.0, kappa).variance), truth, rtol=1e-6)


def test_quantiles_of_a_nearly_uniform_von_mises():
    """Newton's method started past pi once, and stayed there: the angles of small masses were the ends."""
    kappa, q = np.float32([[0.01], [0.2], [0.28], [0.5]]), np.float32([0.001, 0.03, 0.05, 0.06, 0.1, 0.95])
    found = dist.VonMises(0.0, torch.tensor(kappa)).icdf(torch.tensor(q))
    np.testing.assert_allclose(found, stats.vonmises.ppf(q, kappa), rtol=2e-6)
