"""The shortcuts of a float32 truncated normal distribution: quantile against mpmath, slopes against the integrals."""

import numpy as np
import pytest
import torch
from mpmath import mp

import pyro_irg.distributions as dist
from irg_kernels.families import normal
from irg_kernels.generic import truncated_normal, truncation
from pyro_irg.attach import FLOAT64, NATIVE
from pyro_irg.distributions.truncation_rule import normal_quantile

# (low, high) in standard deviations from the mean
BOUNDS = [(-1.0, 1.5), (2.0, 3.0), (-3.0, -2.0), (-8.0, 8.0), (6.0, 6.001), (None, -20.0), (20.0, None), (None, 3.0)]
LOC, SCALE = 0.5, 2.0
U = (1e-6, 0.01, 0.3, 0.5, 0.9, 0.9999)


def point(bounds):
    """(u, low, high, loc, scale) in float32."""
    u = torch.tensor(U)
    ends = [None if end is None else torch.full_like(u, LOC + SCALE * end) for end in bounds]
    return u, *ends, torch.full_like(u, LOC), torch.full_like(u, SCALE)


def exact(u, low, high, loc, scale):
    """By the smaller tails."""
    with mp.workdps(40):
        a, b = (None if e is None else (mp.mpf(e) - mp.mpf(loc)) / mp.mpf(scale) for e in (low, high))
        turned = (b is None) or (a is not None and a + b > 0)
        if turned:
            a, b, u = (None if b is None else -b), -a, 1 - mp.mpf(u)
        least = 0 if a is None else mp.ncdf(a)
        q = least + u * (mp.ncdf(b) - least)
        bracket = (mp.mpf(-40) if a is None else a, b)
        y = mp.findroot(lambda y: mp.log(mp.ncdf(y) / q), bracket, solver="illinois", tol=1e-30, maxsteps=500)
        return float(mp.mpf(loc) + mp.mpf(scale) * (-y if turned else y))


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_quantile(bounds):
    args = point(bounds)
    found = normal_quantile(*args)
    truth = [exact(*(None if a is None else float(a[i]) for a in args)) for i in range(len(U))]
    np.testing.assert_allclose(found.numpy(), truth, rtol=1e-7)


@pytest.mark.parametrize("bounds", [(38.0, 39.0), (40.0, None), (None, -40.0)], ids=str)
def test_beyond_the_range_of_tails(bounds):
    """None, and the distribution draws as it did."""
    args = point(bounds)
    assert normal_quantile(*args) is None
    _, low, high, loc, scale = args
    x = dist.TruncatedNormal(loc, scale, low=low, high=high).sample()
    assert bool(((low is None) | (x >= (x if low is None else low))).all()) and bool(x.isfinite().all())
    assert high is None or bool((x <= high).all())


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_slopes(bounds):
    kind = bounds[0] is not None, bounds[1] is not None, True
    args = [a.double() for a in point(bounds) if a is not None]
    x = normal_quantile(*point(bounds))
    found, right = truncated_normal.slopes_of(*kind)(FLOAT64, x, *args)
    expected = truncation.slopes_of(normal.FAMILY, *kind)(NATIVE, x, *args)
    assert bool(right[1:-1].all()) or bounds == (6.0, 6.001)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours[right], theirs[right], rtol=2e-7, atol=1e-15)
