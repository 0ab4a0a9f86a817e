"""Gamma's tails by torch's functions, by Temme's expansion and by the kernels, in one tensor."""

from functools import cache

import numpy as np
import pytest
import torch
from mpmath import mp

import pyro_irg.distributions as dist
from pyro_irg import special

SHAPES = (1e-9, 3e-5, 0.003, 0.021, 0.05, 0.5, 5.0, 20.0, 20.5, 300.0, 2.9e4, 3.1e4)
STEPS = (-30.0, -12.0, -6.0, -1.0, 0.0, 0.3, 4.0, 9.0, 25.0)  # in standard deviations of log z


@cache
def points() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(a, z, P, Q), by the series of P, in float32 numbers."""
    rows = []
    with mp.workdps(140):
        for a in SHAPES:
            at = [a * np.exp(step / np.sqrt(a + 1.0)) for step in STEPS]
            for z in map(float, np.float32([*at, *((1e-20, 0.3, 1.09, 1.3, 40.0) if a < 0.1 else ())])):
                if z > 10.0 * a + 500.0:
                    continue
                shape, at = mp.mpf(float(np.float32(a))), mp.mpf(z)
                term = total = mp.mpf(1)
                n = 0
                while term > total * mp.mpf(10) ** -130:
                    n += 1
                    term *= at / (shape + n)
                    total += term
                lower = mp.exp(shape * mp.log(at) - at - mp.loggamma(shape + 1)) * total
                if min(lower, 1 - lower) > mp.mpf(10) ** -100:
                    rows.append((shape, at, lower, 1 - lower))
    return tuple(np.array(rows, dtype=float).T)  # type: ignore[return-value]


@pytest.mark.parametrize("copies", [1, 50], ids=["few", "many"])
@pytest.mark.parametrize("grad", [False, True], ids=["no_grad", "grad"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_tails(dtype, grad, copies):
    a, z, *tails = (np.tile(x, copies) for x in points())
    given = [torch.tensor(x, dtype=dtype, requires_grad=grad) for x in (a, z)]
    lower, upper = special.gammainc(*given), special.gammaincc(*given)
    cdf = dist.Gamma(given[0], 1.0).cdf(given[1])
    largest = np.finfo(np.float32 if dtype == torch.float32 else float)
    for found, truth in zip((lower, upper, cdf), (*tails, tails[0]), strict=True):
        # far out the exponential loses eps for each unit of its exponent
        allowed = 4e-14 + 3e-16 * np.abs(np.log(truth)) if dtype == torch.float64 else 2e-7
        error = np.abs(found.detach().numpy().astype(float) / truth - 1.0)
        shown = (truth > 1e3 * largest.tiny) & (truth < largest.max)
        assert (error <= allowed)[shown].all(), np.max((error / allowed)[shown])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_quantiles(dtype):
    """Those of the masses are z, as far as the mass says: one eps of it is eps times mass / density."""
    a, z, lower, _ = points()
    eps = np.finfo(np.float32 if dtype == torch.float32 else float).eps
    sharp = lower < 0.5
    a, z, lower = a[sharp], z[sharp], lower[sharp]
    seen = lower > 1e3 * np.finfo(np.float32).tiny
    found = dist.Gamma(torch.tensor(a[seen], dtype=dtype), 1.0).icdf(torch.tensor(lower[seen], dtype=dtype))
    width = np.minimum(1.0 / a[seen], 1.0)  # of log z, at most, for one of log P
    assert (np.abs(found.numpy().astype(float) / z[seen] - 1.0) <= 8.0 * eps + 4.0 * eps * width + 1e-14).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["gammainc", "gammaincc", "betainc", "betaincc"])
def test_slopes_by_region(name, dtype):
    """Those of a backward pass are those that can be differentiated again, which mpmath judges; at an end of the domain
    too."""
    rng = np.random.default_rng(0)
    shapes = 10.0 ** rng.uniform(-2, 5, (2 if name.startswith("beta") else 1, 3000))
    step = rng.normal(size=3000) * 2.0
    if len(shapes) == 1:
        x = shapes[0] * np.exp(step / np.sqrt(shapes[0] + 0.3))
    else:
        x = 1.0 / (1.0 + np.exp(-step * np.sqrt((1.0 / shapes).sum(0)).clip(max=4.0)) * shapes[1] / shapes[0])
    for at_end in (False, True):
        x[:1] = 0.0 if at_end else 0.3
        args = [torch.tensor(p, dtype=dtype, requires_grad=True) for p in (*shapes, x)]
        value = getattr(special, name)(*args)
        plain = torch.autograd.grad(value.sum(), args, retain_graph=True)
        further = torch.autograd.grad(value.sum(), args, create_graph=True)
        floor = 1e3 * torch.finfo(dtype).tiny
        tolerance = 2e-6 if dtype == torch.float32 else 2e-12
        for found, wanted in zip(plain, further, strict=True):
            torch.testing.assert_close(found, wanted.detach(), rtol=tolerance, atol=floor)
        # in x alone
        (found,) = torch.autograd.grad(
            getattr(special, name)(*(a.detach() for a in args[:-1]), args[-1]).sum(), args[-1]
        )
        torch.testing.assert_close(found, plain[-1], rtol=tolerance, atol=floor)


@pytest.mark.parametrize("last", [19.9, 30.0], ids=["torch's alone", "mixed"])
@pytest.mark.parametrize("sign", [1, -1], ids=["lower", "upper"])
def test_in_x_alone(sign, last):
    """A density and its derivatives, whether torch's own function serves all elements or not."""
    rows = [(1e-3, 1e-5), (0.3, 0.2), (1.0, 0.7), (3.0, 12.0), (8.0, 8.0), (19.5, 60.0), (last, 15.0), (3.0, 1e-101)]
    for given in (rows[1:-1], rows):  # of the last row torch's mass is not to be had
        a, x = (torch.tensor(column, dtype=torch.float64) for column in zip(*given, strict=True))
        x.requires_grad_()
        value = (special.gammainc if sign > 0 else special.gammaincc)(a, x)
        (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
        (third,) = torch.autograd.grad(second.sum(), x)
        with mp.workdps(30):
            for k, (shape, at) in enumerate(given):
                c, z = mp.mpf(shape), mp.mpf(at)
                p = sign * z ** (c - 1) * mp.exp(-z) / mp.gamma(c)
                q = (c - 1) / z - 1
                far = 3e-16 * abs(float(mp.log(abs(p))))  # the exponential loses eps for each unit of its exponent
                assert abs(float(first[k].detach()) / p - 1) < 1e-13 + far
                assert abs(float(second[k].detach()) - p * q) <= 1e-12 * abs(p) * (1 + 1 / z)
                assert abs(float(third[k]) - p * (q * q - (c - 1) / z**2)) <= 1e-11 * abs(p) * (1 + 1 / z**2)
                masses = (mp.gammainc(c, 0, z, regularized=True), mp.gammainc(c, z, mp.inf, regularized=True))
                assert abs(float(value[k].detach()) / masses[sign < 0] - 1) < 1e-13 + far


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (2, 1, 3)], ids=str)
def test_shapes(dtype, shape):
    """Two tails of any shape, also of two rows, which are not two tails."""
    a, x = torch.full(shape, 2.0, dtype=dtype), torch.full(shape, 3.0, dtype=dtype)
    for name, value in (("gammainc", 0.8008517), ("gammaincc", 0.1991483)):
        function = getattr(special, name)
        mapped = torch.func.vmap(function)(a.expand(2, *shape), x.expand(2, *shape))[0]
        for found in (function(a, x), mapped, dist.Gamma(a, 1.0, validate_args=False).cdf(x)):
            assert found.shape == shape and found.dtype == dtype
        torch.testing.assert_close(function(a, x), torch.full(shape, value, dtype=dtype), rtol=1e-3, atol=0.0)
        torch.testing.assert_close(mapped, function(a, x))
