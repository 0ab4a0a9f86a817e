"""Rice."""

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests.row import Family


def poisson_masses(x, df, noncentrality):
    """Both masses of a noncentral chi-squared number, a Poisson mixture of gamma numbers, of which those of neighbours
    differ by one term: upwards for the upper mass and downwards for the lower, so that none cancels."""
    a, y, half = noncentrality / 2, x / 2, df / 2
    with mp.extradps(30):
        weights = [mp.exp(-a)]
        while len(weights) <= a or weights[-1] > mp.eps * weights[0] * mp.mpf("1e-20"):
            weights.append(weights[-1] * a / len(weights))
        last = len(weights)
        lower = mp.gammainc(half + last, 0, y, regularized=True)
        upper = mp.gammainc(half, y, mp.inf, regularized=True)
        steps = [mp.exp(half * mp.log(y) - y - mp.loggamma(half + 1))]  # P(half) - P(half + 1)
        for j in range(1, last):
            steps.append(steps[-1] * y / (half + j))
        above = below = mp.zero
        for weight, step in zip(weights, steps, strict=True):
            above += weight * upper
            upper += step
        for weight, step in zip(reversed(weights), reversed(steps), strict=True):
            lower += step
            below += weight * lower
        return below, above


def _masses(x, nu, sigma):
    return poisson_masses((x / sigma) ** 2, mp.mpf(2), (nu / sigma) ** 2)


def _log_density(x, nu, sigma):
    y, m = x / sigma, nu / sigma
    return mp.log(y / sigma) - (y * y + m * m) / 2 + mp.log(mp.besseli(0, m * y, maxterms=10**6))


def _scipy(nu, sigma):
    return stats.rice(nu / sigma, scale=sigma)


def _mean(nu, sigma):
    half = (mp.mpf(nu) / sigma) ** 2 / 4
    bessel = (1 + 2 * half) * mp.besseli(0, half) + 2 * half * mp.besseli(1, half)
    return sigma * mp.sqrt(mp.pi / 2) * mp.exp(-half) * bessel


ROW = Family(
    "Rice",
    points=({"nu": 1.5, "sigma": 0.5}, {"nu": 0.5, "sigma": 2.0}),
    scipy=_scipy,
    cdf=lambda x, nu, sigma: special.chndtr((np.asarray(x, dtype=np.float64) / sigma) ** 2, 2.0, (nu / sigma) ** 2),
    hard=({"nu": 1e-3, "sigma": 1e3}, {"nu": 100.0, "sigma": 1.0}),
    expectations={"x": _mean, "x**2": lambda nu, sigma: nu**2 + 2 * sigma**2},
    tails=({"nu": 1.5, "sigma": 0.5}, (2.0**-20, 0.75, 1.5, 3.0, 6.0)),
    truncations=(
        ({"nu": 1.5, "sigma": 0.5}, 1.0, 2.5),
        ({"nu": 1.5, "sigma": 0.5}, 6.5, None, 6.6, 7.0),
        ({"nu": 0.01, "sigma": 2.0}, 1.0, 5.0),
        ({"nu": 100.0, "sigma": 1.0}, 101.0, 101.01),
    ),
    narrow=(({"nu": 1.5, "sigma": 0.5}, 1.0, 1.000002),),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "nu": lambda rng, count: 10 ** rng.uniform(-3, 1.5, count),
        "sigma": lambda rng, count: 10 ** rng.uniform(-0.5, 3, count),
    },
    apart="shared/test_rows.py",
)
