"""Partial derivatives at fixed quantile of the families, over the ranges of their log-densities."""

import functools

import numpy as np
import pytest
from mpmath import mp

from tests.kernels.backends import QUICKEST
from tests.kernels.test_families import RECORDS
from tests.kernels.test_log_density import points
from tests.rows import ROWS

PROMISE = {"float64": 1e-12, "float32": 2e-6}
SETS = 4
# Judged by references.json, for mpmath takes minutes for a mass of Gamma's at 1e8, or in files of their own; and
# LogNormal's slope in scale, x (log x - loc) / scale, has the digits that are left of log x - loc.
ELSEWHERE = {"Gamma", "Chi2", "LogGamma", "InverseGamma", "Beta", "StudentT", "VonMises"} | {
    "ContinuousBernoulli",
    "GeneralizedPareto",
    "LogNormal",
}
SWEPT = [row for row in ROWS if row.log_density and row.masses and row.name not in ELSEWHERE]


@functools.cache
def truth(row, precision):
    """Some of the points of `test_log_density`, and dx / d parameter there: differences of the smaller mass."""
    x, columns, found, group = points(row.name, precision)
    chosen = group < SETS
    x, columns, log_p = x[chosen], columns[:, chosen], found[0][chosen]
    with mp.workdps(120):
        slopes = [slopes_of(row, mp.mpf(v), [mp.mpf(float(c)) for c in p]) for v, p in zip(x, columns.T, strict=True)]
    assert np.isfinite(log_p).all()
    exact = np.array(slopes).T
    size = np.abs(exact)
    for i, parameter in enumerate(RECORDS[row.name].parameters):
        if parameter in row.through_zero:  # as in `test_families`
            size[i] = np.maximum(size[i], [0.25 * size[i, group[chosen] == k].max() for k in group[chosen]])
    return x, columns, exact, size


def slopes_of(row, x, params):
    """d x / d parameter at fixed quantile, at the working precision; of a row or what else has `masses` and
    `log_density`."""
    masses, density = row.masses(x, *params), mp.exp(row.log_density(x, *params))
    which = int(masses[1] < masses[0])

    def moved(i):
        step = mp.mpf("1e-40") * (abs(params[i]) or 1)
        up, down = (row.masses(x, *(v + s * step * (i == j) for j, v in enumerate(params)))[which] for s in (1, -1))
        return (up - down) / (2 * step)

    return [float((2 * which - 1) * moved(i) / density) for i in range(len(params))]


@pytest.mark.parametrize("backend", QUICKEST, ids=str)
@pytest.mark.parametrize("row", SWEPT, ids=str)
def test_slopes(row, backend):
    x, columns, exact, size = truth(row, backend.precision)
    record, limits = RECORDS[row.name], np.finfo(backend.precision)
    found = backend.values(
        lambda xp, *args: xp.stack([s(xp, *args) + 0.0 * args[0] for s in record.slopes]), x, *columns
    )
    inside = (np.abs(exact) < limits.max) & (np.abs(exact) > 10 * limits.tiny)
    error = np.where(inside, np.abs(found - exact) / np.where(inside, size, 1.0), 0.0)
    i, j = np.unravel_index(error.argmax(), error.shape)
    assert error[i, j] <= PROMISE[backend.precision], (list(record.parameters)[i], x[j], columns[:, j], found[i, j])
