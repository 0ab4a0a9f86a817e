"""GeneralizedPareto: draws, density and both orders of derivatives through concentration 0."""

import math

import numpy as np
import pyro.distributions as host
import pytest
import torch
from mpmath import mp
from scipy import stats

import pyro_irg.distributions as dist
from tests.checks import LEAST_P_VALUE, STANDARD_ERRORS, p_value, standardised

# both sides of the host's window about 0, 1e-8; the uniform law, c = -1; ones with no mean
CONCENTRATIONS = (0.0, 1e-300, 1e-9, -1e-9, 1e-4, -0.01, 0.25, -0.3, 0.999, -1.0, 3.0, -4.0)
LEVELS = (1e-6, 0.3, 0.6, 0.999)
LOC, SCALE = 0.5, 2.0

# A few rounding errors; expm1(c E) has the relative error c E eps, c E up to 28 here.
ROUNDING = {"float64": 1e-14, "float32": 5e-6}
precisions = pytest.mark.parametrize("precision", ROUNDING)
concentrations = pytest.mark.parametrize("c", CONCENTRATIONS)


def leaf(value, precision):
    return torch.tensor(value, dtype=getattr(torch, precision), requires_grad=True)


def at(c):
    """c for mpmath, whose formulas are 0 / 0 at 0."""
    return mp.mpf(c) if abs(c) > 1e-30 else mp.mpf(10) ** -30


def close(found, truth, precision, scale=0.0):
    allowed = ROUNDING[precision] * max(abs(float(truth)), float(scale))
    assert abs(found.item() - float(truth)) <= allowed, (found.item(), float(truth))


@precisions
@concentrations
def test_quantiles(c, precision):
    """x, dx/dc and d2x/dc2 at fixed quantile."""
    x = leaf(c, precision)
    law = dist.GeneralizedPareto(0.0, torch.tensor(SCALE, dtype=x.dtype), x)
    for level in LEVELS:
        u = leaf(level, precision)
        draw = law.icdf(u)
        with mp.workdps(200):
            e, k = -mp.log(1 - mp.mpf(u.item())), at(x.item())
            path = lambda t, e=e: SCALE * mp.expm1(t * e) / t  # noqa: E731
            step = mp.mpf(10) ** -50
            first = (path(k + step) - path(k - step)) / (2 * step)
            second = (path(k + step) - 2 * path(k) + path(k - step)) / step**2
            truth = path(k)
        close(draw, truth, precision)
        slope = torch.autograd.grad(draw, x, create_graph=True)[0]
        # E = -log(1 - u) is off by eps / (1 - u); where c < 0 the derivatives are differences of terms of size z E
        close(slope, first, precision, scale=truth * e)
        close(torch.autograd.grad(slope, x)[0], second, precision, scale=truth * e * e)


@precisions
@concentrations
def test_density(c, precision):
    x = leaf(c, precision)
    law = dist.GeneralizedPareto(torch.tensor(LOC, dtype=x.dtype), SCALE, x, validate_args=False)
    for z in (0.0, 0.125, 0.24, 5.0):
        value = torch.tensor(LOC + SCALE * z, dtype=x.dtype)
        if c * z <= -1.0:
            assert law.log_prob(value) == -math.inf and law.cdf(value) == 1.0
            continue
        with mp.workdps(60):

            def exponential(k, z=z):
                return mp.log1p(k * z) / k

            def log_density(k, z=z):
                return -(1 + k) * exponential(k) - mp.log(SCALE)

            k = at(x.item())
            e, density = exponential(k), log_density(k)
            slope = mp.diff(log_density, k, h=mp.mpf(10) ** -40) if c * z else z * z / 2 - z
            slope = slope if z else 0.0
        close(law.cdf(value), -mp.expm1(-e), precision)
        close(law.log_survival_function(value), -e, precision)
        found = law.log_prob(value)
        close(found, density, precision, scale=1.0)
        close(torch.autograd.grad(found, x)[0], slope, precision, scale=z + z * z)
    below = torch.tensor(0.25, dtype=x.dtype)
    assert law.log_prob(below) == -math.inf and law.cdf(below) == 0.0


@pytest.mark.parametrize("c", [0.0, 1e-6, 0.2, -0.7])
def test_gradient_is_unbiased(c):
    """E x = loc + scale / (1 - c); at c = 0 the host's gradient in c is zero in every draw."""
    torch.manual_seed(0)
    n = 40_000
    for module in (host, dist):
        found = {"loc": LOC, "scale": SCALE, "concentration": c}
        leaves = {
            name: torch.full((n,), value, dtype=torch.float64, requires_grad=True) for name, value in found.items()
        }
        x = module.GeneralizedPareto(**leaves).rsample()
        slopes = torch.autograd.grad(x.sum(), list(leaves.values()))
        truth = (1.0, 1.0 / (1.0 - c), SCALE / (1.0 - c) ** 2)
        z = [standardised(s.numpy(), np.array(t), rtol=1e-9) for s, t in zip(slopes, truth, strict=True)]
        z.append(standardised(x.detach().numpy(), np.array(LOC + SCALE / (1.0 - c)), rtol=0.0))
        if module is host and c == 0.0:
            assert (slopes[2] == 0.0).all()
        elif module is dist:
            assert max(z) < STANDARD_ERRORS, z


@pytest.mark.parametrize("c", [0.0, 0.5, -0.5, -1.0, 30.0])
def test_draws_follow_the_law(c):
    torch.manual_seed(1)
    law = dist.GeneralizedPareto(0.0, 1.0, torch.tensor(c, dtype=torch.float64), validate_args=True)
    x = law.sample((10_000,))
    assert law.log_prob(x).isfinite().all()
    assert p_value(x.numpy(), stats.genpareto(c).cdf) > LEAST_P_VALUE


@pytest.mark.parametrize("c", [-1e3, -1.0, 40.0, 1e4])
def test_extremes_are_finite(c):
    """Most draws of c = 40 overflow float32: held, with the relative derivative of the true draw, E on average."""
    torch.manual_seed(2)
    x = torch.full((1000,), c, requires_grad=True)
    law = dist.GeneralizedPareto(0.0, 1.0, x, validate_args=True)
    draw = law.rsample()
    assert draw.isfinite().all() and (draw > 0.0).all() and law.log_prob(draw).isfinite().all()
    slope = torch.autograd.grad(draw.log().sum(), x)[0]
    assert slope.isfinite().all()
    if c > 0.0:  # d log z / dc = E - 1/c, but for exp(-c E)
        expected = (1.0 - 1.0 / c) if c > 1e3 else None
        if expected:
            assert standardised(slope.double().numpy(), np.array(expected), rtol=1e-3) < STANDARD_ERRORS


def test_moments():
    c = torch.tensor([-2.0, 0.0, 0.25, 0.5, 2.0])
    law = dist.GeneralizedPareto(0.5, 2.0, c)
    torch.testing.assert_close(law.mean, torch.tensor([0.5 + 2 / 3, 2.5, 0.5 + 8 / 3, 4.5, math.inf]))
    torch.testing.assert_close(law.variance, torch.tensor([4 / 45, 4.0, 4 / 0.28125, math.inf, math.inf]))
    torch.testing.assert_close(law.entropy(), host.GeneralizedPareto(0.5, 2.0, c).entropy())


def test_shapes_and_errors():
    law = dist.GeneralizedPareto(0.0, torch.ones(3, 1), torch.zeros(4))
    assert law.batch_shape == (3, 4) and law.rsample((2,)).shape == (2, 3, 4)
    wide = dist.GeneralizedPareto(0.0, 1.0, 0.0).expand((5,))
    assert type(wide) is dist.GeneralizedPareto and wide.sample().unique().numel() == 5
    ends = law.icdf(torch.tensor(1.0))
    assert (ends == math.inf).all()
    assert dist.GeneralizedPareto(1.0, 2.0, -0.5).icdf(torch.tensor(1.0)) == 5.0
    for options, match in (
        ({"scale": torch.tensor(-1.0)}, "scale"),
        ({"concentration": torch.tensor(math.inf)}, "concentration .* to be finite"),
    ):
        with pytest.raises(ValueError, match=match):
            dist.GeneralizedPareto(**{"loc": 0.0, "scale": 1.0, "concentration": 0.1, **options}, validate_args=True)


def test_transformations():
    c = torch.tensor([0.0, 0.3, -0.4], dtype=torch.float64)

    def mean_of_draws(c):
        torch.manual_seed(2)
        return dist.GeneralizedPareto(0.0, 1.0, c).rsample((5,)).square().sum()

    hessian = torch.func.jacrev(torch.func.jacrev(mean_of_draws))(c)
    torch.testing.assert_close(torch.func.hessian(mean_of_draws)(c), hessian)
    rows = torch.func.vmap(lambda c: dist.GeneralizedPareto(0.0, 1.0, c).rsample((4,)), randomness="different")(c)
    assert rows.shape == (3, 4) and len(rows.unique()) == 12
