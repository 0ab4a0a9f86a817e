"""`implicit_gradients`, and that draws carry them: against SciPy's quantiles and against exact expectations."""

import numpy as np
import pyro
import pyro.distributions as host
import pytest
import torch

import pyro_irg.distributions as dist
from pyro_irg import implicit_gradients
from tests.laws import (
    FUNCTIONS,
    LAWS,
    POINTS,
    SCALAR_POINTS,
    SMALL,
    STANDARD_ERRORS,
    along_quantile,
    exact_gradient,
    standardised,
)
from tests.pyro.draws import build, leaves, numpy, slopes

LEVELS = np.array([0.01, 0.2, 0.45, 0.8, 0.99])

# How far a slope may be off: float64's partials are good to 1e-12 and float32's to 2e-6, and the draw that they are
# taken at is rounded, which costs a few digits where loc or 1 - x cancels.
NATIVE = {"float64": 1e-10, "float32": 2e-5}

precisions = pytest.mark.parametrize("precision", ["float32", "float64"])
scalar_points = pytest.mark.parametrize(("law", "params"), SCALAR_POINTS.values(), ids=SCALAR_POINTS)


@pytest.fixture(autouse=True)
def seed():
    pyro.set_rng_seed(2)


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


# ------------------------------------------------------------------------------------------------- implicit_gradients


@scalar_points
def test_against_scipy(law, params):
    """Differences of SciPy's quantile function, of our class and of the host's."""
    x = law.ppf(LEVELS, **params)
    for module in [dist, host] if hasattr(host, law.name) else [dist]:
        found = implicit_gradients(getattr(module, law.name)(**leaves(params)), tensor(x))
        assert found.keys() == params.keys()
        for name in params:
            truth, _ = along_quantile(law, x, params, name)
            np.testing.assert_allclose(numpy(found[name]), truth, rtol=1e-8, atol=1e-8 * np.abs(truth).max())


@scalar_points
def test_second_derivative_against_scipy(law, params):
    """The gradient g is differentiable: d**2x / dtheta**2 is dg/dtheta + g dg/dx."""
    x = tensor(law.ppf(LEVELS, **params)).requires_grad_()
    found = leaves(params, shape=x.shape)
    for name, g in implicit_gradients(getattr(dist, law.name)(**found), x).items():
        _, truth = along_quantile(law, numpy(x), params, name)
        second = torch.zeros_like(g)
        if g.requires_grad:  # not that of a loc
            by_x, by_theta = torch.autograd.grad(
                g.sum(), [x, found[name]], retain_graph=True, allow_unused=True, materialize_grads=True
            )
            second = by_theta + g * by_x
        np.testing.assert_allclose(numpy(second), truth, rtol=1e-6, atol=1e-6 * max(np.abs(truth).max(), 0.1))


def test_dirichlet():
    """The Jacobian [..., i, j] = dx_i / dalpha_j: of our draws and of the host's class, with the marginal Betas' slopes
    on its diagonal, and columns that sum to 0 because x stays on the simplex."""
    concentration = tensor([[0.6, 2.0, 1.5], [8.0, 3.0, 5.0]]).requires_grad_()
    x = dist.Dirichlet(concentration).rsample((4,))
    for module in (dist, host):
        found = implicit_gradients(module.Dirichlet(concentration), x)["concentration"]
        assert found.shape == (4, 2, 3, 3)
        torch.testing.assert_close(found.sum(-2), torch.zeros(4, 2, 3, dtype=torch.float64), rtol=0, atol=1e-12)
        rest = concentration.sum(-1, keepdim=True) - concentration
        beta = implicit_gradients(dist.Beta(concentration, rest), x)["concentration1"]
        torch.testing.assert_close(found.diagonal(dim1=-2, dim2=-1), beta, rtol=1e-10, atol=0)
    for i in range(3):
        (row,) = torch.autograd.grad(x[2, 1, i], concentration, retain_graph=True)
        torch.testing.assert_close(row[1], found[2, 1, i], rtol=1e-10, atol=1e-14)
        assert (row[0] == 0.0).all()


def test_dirichlet_of_two_components_is_a_beta():
    a, b = tensor([0.3, 4.0]), tensor([2.0, 4.0])
    z = tensor([0.1, 0.7])
    found = implicit_gradients(dist.Dirichlet(torch.stack([a, b], -1)), torch.stack([z, 1.0 - z], -1))["concentration"]
    beta = implicit_gradients(dist.Beta(a, b), z)
    torch.testing.assert_close(found[:, 0, 0], beta["concentration1"], rtol=1e-10, atol=0)
    torch.testing.assert_close(found[:, 0, 1], beta["concentration0"], rtol=1e-10, atol=0)


@pytest.mark.parametrize("module", [dist, host], ids=["ours", "host"])
def test_inside_wrappers(module):
    """Independent, expand and mask, also one in another."""
    a, x = tensor([0.5, 2.0]), tensor([[0.3, 1.0], [2.0, 0.1], [0.01, 5.0]])
    plain = implicit_gradients(module.Gamma(a, 2.0), x)
    for wrapped in [
        module.Gamma(a, 2.0).to_event(1),
        module.Gamma(a, 2.0).expand([3, 2]),
        module.Gamma(a, 2.0).mask(torch.tensor([True, False])),
        module.Gamma(a, 2.0).expand_by([3]).mask(False).to_event(1),
        module.Gamma(a, 2.0).to_event(1).expand([3]).mask(True),
    ]:
        found = implicit_gradients(wrapped, x)
        for name, slope in plain.items():
            assert torch.equal(found[name], slope)


def test_shapes():
    """Value and distribution broadcast; a single value meets every member of a batch."""
    d = dist.StudentT(tensor([1.0, 5.0]), 0.0, tensor([[1.0], [2.0], [4.0]]))
    for value, shape in [(tensor(0.5), (3, 2)), (torch.zeros(4, 1, 1), (4, 3, 2)), (torch.zeros(3, 1), (3, 2))]:
        for slope in implicit_gradients(d, value).values():
            assert slope.shape == shape
    assert implicit_gradients(dist.Gamma(2.0, 1.0), 2)["concentration"].dtype == torch.float32
    assert implicit_gradients(dist.Gamma(2.0, 1.0), torch.zeros(0))["concentration"].shape == (0,)
    with pytest.raises(ValueError, match=r"value of shape \(4,\) does not broadcast with the shape \(3, 2\)"):
        implicit_gradients(d, torch.zeros(4))


@pytest.mark.parametrize(
    ("law", "value"), [(law, v) for law in LAWS for v in law.outside], ids=lambda v: str(v).replace(" ", "")
)
def test_outside_the_support(law, value):
    d, _ = build(law, law.points[0])
    with pytest.raises(ValueError, match=rf"value .* must lie inside the support .* of {law.name}, but found"):
        implicit_gradients(d, tensor(value))


@pytest.mark.parametrize("infinite", [torch.inf, -torch.inf, torch.nan])
def test_not_finite(infinite):
    with pytest.raises(ValueError, match="must lie inside the support"):
        implicit_gradients(dist.StudentT(2.0), torch.tensor([0.0, infinite]))


@pytest.mark.parametrize("d", [host.Poisson(3.0), host.Beta(2.0, 1.0).mask(True)], ids=str)
def test_unknown(d):
    inner = getattr(d, "base_dist", d)
    if isinstance(inner, host.Beta):
        d = host.TransformedDistribution(inner, [host.transforms.AffineTransform(0.0, 2.0)])
    name = type(d).__name__
    with pytest.raises(NotImplementedError, match=f"implicit_gradients does not take {name};"):
        implicit_gradients(d, torch.tensor(1.0))


# ------------------------------------------------------------------------------------------------------------- draws


@precisions
@scalar_points
def test_draws_carry_the_implicit_gradients(law, params, precision):
    d, found = build(law, params, precision, shape=(500,))
    x = d.rsample()
    carried = slopes(FUNCTIONS["x"], x, found)
    for name, slope in implicit_gradients(d, x.detach()).items():
        truth = numpy(slope)
        allowed = NATIVE[precision]
        np.testing.assert_allclose(carried[name], truth, rtol=allowed, atol=allowed * np.median(np.abs(truth)))


@pytest.mark.parametrize(
    ("law", "params", "name"),
    [(law, params, name) for law, params in POINTS.values() for name in law.expectations],
    ids=lambda v: str(v) if not isinstance(v, dict) else "",
)
def test_unbiased(law, params, name):
    """The pathwise gradient of E[f(x)], in float32, from 100,000 draws."""
    d, found = build(law, params, "float32", shape=(100_000,))
    x = d.rsample()
    truth = exact_gradient(law.expectations[name], params)
    for parameter, slope in slopes(FUNCTIONS[name], x, found).items():
        assert (standardised(slope, truth[parameter], NATIVE["float32"]) < STANDARD_ERRORS).all(), parameter


@pytest.mark.parametrize("law", SMALL.values(), ids=str)
def test_unbiased_where_draws_leave_the_range(law):
    """E[log x] where most draws are held at an end of float32: their relative slopes are those of the true draw."""
    name, expectation, params = law.small
    d, found = build(law, params, "float32", shape=(100_000,))
    x = d.rsample()
    found.pop("loc", None)
    truth = exact_gradient(expectation, params)
    for parameter, slope in slopes(FUNCTIONS[name], x, found).items():
        assert np.isfinite(slope).all()
        assert (standardised(slope, truth[parameter], NATIVE["float32"]) < STANDARD_ERRORS).all(), parameter


@pytest.mark.parametrize("concentration", [0.01, 0.001])
@pytest.mark.parametrize("name", ["Gamma", "LogGamma"])
def test_trigamma(name, concentration):
    """E[d log z / da] = trigamma(a) within 3 % in float32."""
    a = torch.full((100_000,), concentration, requires_grad=True)
    z = getattr(dist, name)(a, 1.0).rsample()
    (slope,) = torch.autograd.grad((z if name == "LogGamma" else z.log()).sum(), a)
    truth = torch.polygamma(1, tensor(concentration))
    torch.testing.assert_close(slope.double().mean(), truth, rtol=0.03, atol=0)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_gradients_at_hard_points(law):
    """In float32 never NaN, and infinite only where the slope, at most 1e6 |x|, exceeds the largest number."""
    for params in law.hard:
        d, found = build(law, params, "float32", shape=(5_000,))
        x = d.rsample()
        for parameter, slope in slopes(FUNCTIONS["x"], x, found).items():
            assert not np.isnan(slope).any(), (params, parameter)
            if params.get("rate", 1.0) > 1e-4:
                assert (np.isfinite(slope) | (np.abs(numpy(x)) > 1e32)).all(), (params, parameter)


def test_only_some_parameters_have_gradients():
    """A parameter without a gradient costs nothing and breaks nothing; `sample` has none at all."""
    b = tensor([1.0, 3.0]).requires_grad_()
    x = dist.Gamma(tensor([0.5, 2.0]), b).rsample()
    (slope,) = torch.autograd.grad(x.sum(), b)
    torch.testing.assert_close(slope, -x.detach() / b.detach())
    for law in LAWS:
        d, _ = build(law, law.points[0])
        assert d.rsample().requires_grad and not d.sample().requires_grad
