"""FisherSnedecor where its odds leave the range of the dtype, and at few degrees of freedom, against mpmath."""

import numpy as np
import pytest
from mpmath import mp

from irg_kernels.families import fisher_snedecor
from tests.families import BY_NAME
from tests.kernels.backends import QUICKEST

LOG_DENSITY = BY_NAME["FisherSnedecor"].log_density


def tails(x, df1, df2):
    """(P(X <= x), P(X > x)) by DLMF 8.17.8, of the smaller of z and 1 - z."""
    a, b = df1 / 2, df2 / 2
    z, w = df1 * x / (df1 * x + df2), df2 / (df1 * x + df2)
    log_unit = a * mp.log(z) + b * mp.log(w) + mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b)
    if z < w:
        lower = mp.exp(log_unit) / a * mp.hyp2f1(a + b, 1, a + 1, z)
        return lower, 1 - lower
    upper = mp.exp(log_unit) / b * mp.hyp2f1(a + b, 1, b + 1, w)
    return 1 - upper, upper


def logarithms(x, *params):
    """log p and the logarithms of both tails."""
    return LOG_DENSITY(x, *params), *map(mp.log, tails(x, *params))


def slopes(log_x, *params):
    """d log x / d df at fixed quantile."""
    x = mp.exp(log_x)
    log_p, masses = LOG_DENSITY(x, *params), tails(x, *params)
    which = int(masses[1] < masses[0])

    def slope(i):
        step = mp.mpf("1e-40") * params[i]
        up, down = (tails(x, *(p + s * step * (i == j) for j, p in enumerate(params)))[which] for s in (1, -1))
        return (2 * which - 1) * (up - down) / (2 * step) / mp.exp(log_p) / x

    return slope(0), slope(1)


# x, df1, df2: x df1 / df2 is no normal number of float32
OUT_OF_RANGE = (
    (3e-38, 1.0, 1e3),
    (1e-36, 0.02, 1e3),
    (2e-38, 1e-3, 3.0),
    (9e35, 1e3, 0.02),
    (4e36, 1e3, 1e-3),
    (3e-38, 1e-3, 1e-3),
)
# log x, df1, df2: terms of size 1 / df would cancel
FEW = (
    (1.4, 1e-3, 3.0),
    (5.0, 2e-3, 30.0),
    (7.5, 3e-4, 900.0),
    (-0.5, 7.0, 2e-3),
    (-3.0, 70.0, 0.01),
    (-30.0, 5.0, 0.1),
)


def errors(backend, function, oracle, points, least):
    columns = np.float32(points).T.astype(float)
    with mp.workdps(120):
        exact = np.array([[float(v) for v in oracle(*map(mp.mpf, point))] for point in columns.T]).T
    found = backend.values(lambda xp, *args: xp.stack(list(function(xp, *args))), *columns)
    return np.abs(found - exact) / np.maximum(np.abs(exact), least)


@pytest.mark.parametrize("backend", QUICKEST, ids=str)
def test_out_of_range(backend):
    def function(xp, *args):
        return fisher_snedecor.log_density(xp, *args), *fisher_snedecor.log_tails(xp, *args)

    error = errors(backend, function, logarithms, OUT_OF_RANGE, 1.0)
    assert error.max() <= {"float64": 1e-13, "float32": 1e-6}[backend.precision], error


@pytest.mark.parametrize("backend", QUICKEST, ids=str)
def test_few_degrees_of_freedom(backend):
    error = errors(
        backend, lambda xp, *args: (s(xp, *args) for s in fisher_snedecor.FAMILY.quantile.slopes), slopes, FEW, 0.0
    )
    assert error.max() <= {"float64": 1e-12, "float32": 2e-6}[backend.precision], error
