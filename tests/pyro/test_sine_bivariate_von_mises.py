"""SineBivariateVonMises: partials, normalizer and draws at all concentrations, gradients of expectations, errors."""

import pickle

import numpy as np
import pyro
import pyro.distributions as host
import pytest
import torch
from pyro.infer import Trace_ELBO

import pyro_irg.distributions as dist
from irg_kernels.families import sine_bivariate_von_mises as kernel
from pyro_irg import implicit_gradients, implicit_twin
from pyro_irg.attach import FLOAT64, NATIVE
from pyro_irg.distributions.sine_bivariate_von_mises import _moving
from tests import torus
from tests.checks import LEAST_P_VALUE, STANDARD_ERRORS, p_value, standardised

PRECISIONS = {"float64": (NATIVE, 1e-12), "float32": (FLOAT64, 2e-6)}
FUNCTIONS = (lambda u, v: np.cos(u), lambda u, v: np.cos(v), lambda u, v: np.sin(u) * np.sin(v))


def law(point, shape=(), dtype=torch.float64, **options):
    leaves = [torch.full(shape, value, dtype=dtype, requires_grad=True) for value in (0.3, -2.5, *point)]
    return dist.SineBivariateVonMises(*leaves, **options), leaves


@pytest.mark.parametrize("precision", PRECISIONS)
def test_partials(precision):
    """Relative, but near where the derivatives in k2 and rho change sign, relative to 3 % of their largest."""
    xp, tolerance = PRECISIONS[precision]
    number, u, params, expected = torus.table()
    tensors = torch.tensor(params).T.unbind()
    found = kernel.partials(xp, torch.tensor(u), *tensors, *kernel.frame(xp, *tensors)).T.numpy()
    error = np.abs(found - expected) / (torus.slope_units(number, expected, 0.03) + 1e-16)  # the oracle's digits
    worst = error.max(1).argmax()
    assert error.max() <= tolerance, f"{error[worst]} at {params[worst]}, {u[worst]}"


def test_normaliser():
    truth = np.array([row["log_normalizer"] for row in torus.rows()])
    params = torch.tensor(torus.POINTS).T
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 2e-6)):
        found = dist.SineBivariateVonMises(0.3, -2.5, *params.to(dtype)).norm_const.numpy()
        np.testing.assert_array_less(np.abs(found - truth), tolerance * np.maximum(1.0, np.abs(truth)))
    k1, k2, rho = params.double().numpy()
    u, v = 1e-3, -2e-3
    found = dist.SineBivariateVonMises(0.0, 0.0, *params.double()).log_prob(torch.tensor([u, v], dtype=torch.float64))
    plain = k1 * np.cos(u) + k2 * np.cos(v) + rho * np.sin(u) * np.sin(v) - truth
    np.testing.assert_array_less(np.abs(found.numpy() - plain), 1e-15 * np.maximum(10.0, 5.0 * (k1 + k2 + abs(rho))))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_draws(dtype):
    torch.manual_seed(0)
    p = dist.SineBivariateVonMises(torch.zeros((), dtype=dtype), 0.0, *torch.tensor(torus.POINTS, dtype=dtype).T)
    x = p.sample((10_000,)).double().numpy()
    assert (np.abs((x[..., 0] > 0.0).mean(0) - 0.5) < 4.0 * 0.5 / 100.0).all()
    _, k2, rho = np.array(torus.POINTS).T
    side = rho * np.sin(x[..., 0])
    angle = (x[..., 1] - np.arctan2(side, k2) + np.pi) % (2.0 * np.pi) - np.pi
    given = dist.VonMises(torch.zeros((), dtype=torch.float64), torch.tensor(np.hypot(k2, side)))
    level = given.cdf(torch.tensor(angle)).numpy()
    for i, row in enumerate(torus.rows()):
        assert p_value(np.abs(x[:, i, 0]), torus.first_cdf(row)) > LEAST_P_VALUE, row["point"]
        assert p_value(level[:, i], lambda q: q) > LEAST_P_VALUE, row["point"]


@pytest.mark.parametrize("point", torus.MODERATE, ids=str)
def test_gradients_of_expectations(point):
    torch.manual_seed(1)
    p, leaves = law(point, (10_000,))
    x = p.rsample()
    by_u, by_v = (torch.autograd.grad(x[:, j].sum(), leaves, retain_graph=True, allow_unused=True) for j in (0, 1))
    assert (by_u[0] == 1.0).all() and (by_u[1] == 0.0).all() and (by_v[0] == 0.0).all() and (by_v[1] == 1.0).all()
    by_u, by_v = (torch.stack(slopes[2:], -1).numpy() for slopes in (by_u, by_v))
    u, v = (x.detach() - torch.tensor([0.3, -2.5])).T.numpy()[..., None]
    chain = ((-np.sin(u), 0.0), (0.0, -np.sin(v)), (np.cos(u) * np.sin(v), np.sin(u) * np.cos(v)))
    for (du, dv), (_, truth) in zip(chain, torus.expectations(*point, FUNCTIONS), strict=True):
        assert (standardised(du * by_u + dv * by_v, truth, 1e-10) < STANDARD_ERRORS).all()


def test_elbo():
    """A plate of one guide many times over: the mean of the gradient under Trace_ELBO against quadrature."""
    torch.manual_seed(3)
    n, (k1, k2, rho) = 4000, torus.MODERATE[0]
    _, leaves = law(torus.MODERATE[0], (n,), dtype=torch.float32)

    def model():
        with pyro.plate("n", n):
            pyro.sample("x", host.VonMises(torch.tensor([0.3, -2.5]), torch.tensor([1.0, 2.0])).to_event(1))

    def guide():
        with pyro.plate("n", n):
            pyro.sample("x", dist.SineBivariateVonMises(*leaves))

    Trace_ELBO().differentiable_loss(model, guide).backward()
    slopes = np.stack([-leaf.grad.double().numpy() for leaf in leaves[2:]], -1)

    def integrand(u, v):
        return (1.0 - k1) * np.cos(u) + (2.0 - k2) * np.cos(v) - rho * np.sin(u) * np.sin(v)

    ((_, truth),) = torus.expectations(k1, k2, rho, [integrand])
    assert (standardised(slopes, truth, 1e-5) < STANDARD_ERRORS).all()


def test_second_derivatives():
    """Of u along the curve of one quantile: differences of the first, which `test_partials` holds."""
    point, u, step = (2.0, 3.0, 3.5), 0.8, 1e-5
    for i in range(3):

        def at(shift, i=i):
            moved = [value + shift * (i == k) for k, value in enumerate(point)]
            tensors = [torch.tensor([value], dtype=torch.float64) for value in moved]
            start = torch.tensor([u], dtype=torch.float64)
            reach = kernel.frame(NATIVE, *tensors)
            for _ in range(4):  # the implicit midpoint rule along the curve
                halfway = [
                    torch.tensor([value + 0.5 * shift * (i == k)], dtype=torch.float64) for k, value in enumerate(point)
                ]
                middle = 0.5 * (start + u)
                slope = kernel.partials(NATIVE, middle, *halfway, *kernel.frame(NATIVE, *halfway))[i]
                start = u + shift * slope
            return kernel.partials(NATIVE, start, *tensors, *reach)[i].item()

        truth = (at(step) - at(-step)) / (2.0 * step)
        leaves = [torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in point]
        reach = kernel.frame(NATIVE, *(leaf.detach() for leaf in leaves))
        moving = _moving(torch.tensor([u], dtype=torch.float64), *leaves, *reach)
        (first,) = torch.autograd.grad(moving, leaves[i], create_graph=True)
        (second,) = torch.autograd.grad(first, leaves[i])
        assert abs(second.item() - truth) <= 1e-8 * max(1.0, abs(truth))


def test_density():
    """Derivatives of log_prob by those of exact expectations, and the host's values where it is right."""
    point = torus.MODERATE[0]
    p, leaves = law(point)
    value = torch.tensor([0.9, -1.0], dtype=torch.float64, requires_grad=True)
    slopes = torch.autograd.grad(p.log_prob(value), (*leaves[2:], value))
    u, v = 0.6, 1.5
    statistics = (np.cos(u), np.cos(v), np.sin(u) * np.sin(v))
    means = [mean for mean, _ in torus.expectations(*point, FUNCTIONS)]
    np.testing.assert_allclose([s.item() for s in slopes[:3]], np.subtract(statistics, means), rtol=1e-12)
    k1, k2, rho = point
    by_value = (-k1 * np.sin(u) + rho * np.cos(u) * np.sin(v), -k2 * np.sin(v) + rho * np.sin(u) * np.cos(v))
    np.testing.assert_allclose(slopes[3].numpy(), by_value, rtol=1e-12)
    theirs = host.SineBivariateVonMises(*(leaf.detach() for leaf in leaves))
    torch.testing.assert_close(p.log_prob(value).detach(), theirs.log_prob(value.detach()), rtol=1e-6, atol=1e-6)


def test_shapes_and_copies():
    p = dist.SineBivariateVonMises(torch.zeros(3, 1), 0.5, torch.ones(2), 2.0, weighted_correlation=0.5)
    assert p.batch_shape == (3, 2) and p.event_shape == (2,) and p.has_rsample
    torch.testing.assert_close(p.correlation, torch.full((3, 2), 0.5 * 2.0**0.5))
    x = p.rsample((4,))
    assert x.shape == (4, 3, 2, 2) and (x.abs() <= np.pi).all() and p.log_prob(x).shape == (4, 3, 2)
    wide = p.expand((5, 3, 2))
    assert type(wide) is type(p) and wide.rsample().shape == (5, 3, 2, 2) and wide.mask(False).log_prob(x[0]).sum() == 0
    torch.testing.assert_close(p.to_event(1).log_prob(x), p.log_prob(x).sum(-1))
    halves = p.mask(torch.tensor([True, False])).log_prob(x)
    assert (halves[..., 1] == 0.0).all() and (halves[..., 0] == p.log_prob(x)[..., 0]).all()
    assert pickle.loads(pickle.dumps(p)).rsample().shape == (3, 2, 2)
    assert torch.func.vmap(
        lambda k: dist.SineBivariateVonMises(0.0, 0.0, k, k, 0.1, validate_args=False).rsample(), randomness="different"
    )(torch.ones(3)).shape == (3, 2)


def test_twin():
    theirs = host.SineBivariateVonMises(torch.zeros(3), 0.5, 1.0, 2.0, correlation=0.5).expand((2, 3))
    twin = implicit_twin(theirs)
    assert type(twin) is dist.SineBivariateVonMises and twin.batch_shape == (2, 3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("point", [(2.0, 3.0, 1.5), (0.7, 0.4, -2.5)], ids=str)
def test_implicit_gradients(point, dtype):
    """What a draw carries; in float32 the value's own rounding moves the two apart."""
    torch.manual_seed(2)
    p, leaves = law(point, (5,), dtype)
    x = p.rsample()
    found = implicit_gradients(p, x.detach())
    rtol, atol = (1e-11, 1e-13) if dtype == torch.float64 else (2e-5, 2e-6)
    for name, leaf in zip(p.arg_constraints, leaves, strict=True):
        for j in range(2):
            (slope,) = torch.autograd.grad(x[:, j].sum(), leaf, retain_graph=True)
            torch.testing.assert_close(found[name][:, j], slope, rtol=rtol, atol=atol)


def test_errors():
    with pytest.raises(ValueError, match="give one of correlation and weighted_correlation"):
        dist.SineBivariateVonMises(0.0, 0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="cannot be broadcast together"):
        dist.SineBivariateVonMises(torch.zeros(2), torch.zeros(3), 1.0, 1.0, 0.5)
    with pytest.raises(ValueError, match="psi_concentration"):
        dist.SineBivariateVonMises(0.0, 0.0, 1.0, -1.0, 0.5, validate_args=True)
    with pytest.raises(ValueError, match=r"correlation .* to be finite"):
        dist.SineBivariateVonMises(0.0, 0.0, 1.0, 1.0, torch.tensor(np.inf), validate_args=True)
