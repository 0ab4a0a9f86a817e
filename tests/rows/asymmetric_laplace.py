"""AsymmetricLaplace."""

from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, k, loc, scale):
    y = (x - loc) / scale
    tail = mp.exp(y / k) * k**2 / (1 + k**2) if y < 0 else mp.exp(-y * k) / (1 + k**2)
    return (tail, 1 - tail) if y < 0 else (1 - tail, tail)


def _log_density(x, k, loc, scale):
    y = (x - loc) / scale
    return (y / k if y < 0 else -y * k) - mp.log(scale * (k + 1 / k))


def _mean(asymmetry, loc, scale):
    return loc + scale * (1 / asymmetry - asymmetry)


def _square(asymmetry, loc, scale):
    return _mean(asymmetry, loc, scale) ** 2 + scale**2 * (asymmetry**-2 + asymmetry**2)


HERE = {"asymmetry": 1.5, "loc": 0.5, "scale": 2.0}

ROW = Family(
    "AsymmetricLaplace",
    points=({"asymmetry": 1.5, "loc": 0.5, "scale": 2.0}, {"asymmetry": 0.3, "loc": -1.0, "scale": 0.25}),
    scipy=lambda asymmetry, loc, scale: stats.laplace_asymmetric(asymmetry, loc, scale),
    cdf=lambda x, asymmetry, loc, scale: stats.laplace_asymmetric.cdf(x, asymmetry, loc, scale),
    hard=({"asymmetry": 1e-3, "loc": 0.0, "scale": 1.0}, {"asymmetry": 1e3, "loc": 0.0, "scale": 1.0}),
    expectations={"x": _mean, "x**2": _square},
    tails=({"asymmetry": 1.5, "loc": 0.5, "scale": 2.0}, (-160.0, -2.0, 0.25, 3.0, 100.0)),
    masses=_masses,
    log_density=_log_density,
    truncations=(
        (HERE, -3.0, 2.0),
        (HERE, 20.0, None, 20.01, 21.0),
        (HERE, 0.499999, 0.500001, 0.4999996, 0.5, 0.5000008),
    ),
    apart="shared/test_rows.py",
)
