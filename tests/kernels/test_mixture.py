"""Mixtures of factorised components: the pullback is the pushforward's transpose, and both follow the equations."""

import numpy as np
import pytest
from scipy import stats

from irg_kernels.generic import mixture
from tests.kernels.backends import QUICK

K, D, N = 3, 4, 5
backends = pytest.mark.parametrize("backend", QUICK, ids=str)


def point(spread=1.0):
    """A normal mixture and draws of it: log r, log f, log F, log(1 - F), d log f / dx, each (N, D, K)."""
    rng = np.random.default_rng(0)
    locs, scales = spread * rng.normal(size=(D, K)), rng.uniform(0.5, 2.0, (D, K))
    log_w = rng.normal(size=K)
    which = rng.integers(K, size=N)
    x = locs.T[which] + scales.T[which] * rng.normal(size=(N, D))
    distribution = stats.norm(locs, scales)
    y = x[..., None]
    log_f = distribution.logpdf(y)
    before = np.concatenate([np.zeros((N, 1, K)), np.cumsum(log_f, -2)[:, :-1]], -2)
    return log_w + before, log_f, distribution.logcdf(y), distribution.logsf(y), -(y - locs) / scales**2


def tangents():
    rng = np.random.default_rng(1)
    return rng.normal(size=(N, K)), rng.normal(size=(N, D, K)), rng.normal(size=(N, D, K)), rng.normal(size=(N, D))


def solved(columns, weights, densities, draws):
    """dx by the equations of the module's docstring, term by term in NumPy, without logarithms."""
    log_r, log_f, log_lower, _, slope = columns
    r = np.exp(log_r - log_r.max(-1, keepdims=True))
    r, f, cdf = r / r.sum(-1, keepdims=True), np.exp(log_f), np.exp(log_lower)
    p, total = (r * f).sum(-1), (r * cdf).sum(-1)
    dx = np.zeros((N, D))
    for d in range(D):
        a = weights + sum(densities[:, e] + slope[:, e] * dx[:, e, None] for e in range(d))
        moved = f[:, d] * draws[:, d] - (cdf[:, d] - total[:, d, None]) * a
        dx[:, d] = (r[:, d] * moved).sum(-1) / p[:, d]
    return dx


@backends
def test_pushforward_solves_the_equations(backend):
    columns, (*moves, cotangent) = point(), tangents()

    def pushed(xp, *arrays):
        of, (weights, densities, draws, c) = mixture.shares(xp, *arrays[:4]), arrays[5:]
        moved = mixture.pushforward(xp, weights, densities, draws, of, arrays[4])
        return sum(dx * c[..., d] for d, dx in enumerate(moved))

    expected = solved(columns, *moves)
    size = np.abs(expected * cotangent).sum(-1)
    found = backend.values(pushed, *columns, *moves, cotangent)
    # logarithms of densities are of size 10 and off by as many eps; the recursion adds four of them
    assert (np.abs(found - (expected * cotangent).sum(-1)) < 100 * backend.eps * size).all()


@backends
def test_pullback_is_the_transpose(backend):
    columns, (*moves, cotangent) = point(), tangents()

    def pulled(xp, *arrays):
        of, (weights, densities, draws, c) = mixture.shares(xp, *arrays[:4]), arrays[5:]
        to_weights, to_densities, to_draws = mixture.pullback(xp, c, of, arrays[4])
        total = xp.sum(to_weights * weights, axis=-1)
        for d in range(D):
            total = total + xp.sum(to_densities[d] * densities[..., d, :] + to_draws[d] * draws[..., d, :], axis=-1)
        return total

    expected = solved(columns, *moves) * cotangent
    found = backend.values(pulled, *columns, *moves, cotangent)
    assert (np.abs(found - expected.sum(-1)) < 100 * backend.eps * np.abs(expected).sum(-1)).all()


@backends
def test_shares_of_components_far_apart(backend):
    """A thousand scales apart: shares are 0 or 1, and all is finite; so is a weight of 0."""
    columns = [column.copy() for column in point(spread=1000.0)]
    columns[0][:, :, 2] = -np.inf
    for which, total in ((0, 1.0), (1, 0.0)):
        found = backend.values(lambda xp, *a: xp.sum(mixture.shares(xp, *a)[which], axis=-1), *columns[:4])  # noqa: B023
        keep = np.isfinite(columns[0][:, -1]).any(-1) & (columns[1][..., :2].max(-1) > -50.0).all(-1)
        np.testing.assert_allclose(found[keep], total, atol=100 * backend.eps)
