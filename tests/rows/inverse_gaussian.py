"""InverseGaussian."""

from mpmath import mp
from scipy import stats

from tests.row import Family


def _scipy(loc, concentration):
    return stats.invgauss(loc / concentration, scale=concentration)


def _masses(x, m, k):
    r = mp.sqrt(k / x)
    upper, lower = mp.erfc(r * (x / m - 1) / mp.sqrt(2)) / 2, mp.erfc(r * (1 - x / m) / mp.sqrt(2)) / 2
    more = mp.exp(2 * k / m) * mp.erfc(r * (x / m + 1) / mp.sqrt(2)) / 2
    return lower + more, upper - more


def _log_density(x, m, k):
    return mp.log(k / (2 * mp.pi * x**3)) / 2 - k * (x - m) ** 2 / (2 * m * m * x)


def _divergence(m, k, m_q, k_q):
    return (mp.log(k / k_q) + k_q / k - 1 + k_q * (m - m_q) ** 2 / (m * m_q * m_q)) / 2


ROW = Family(
    "InverseGaussian",
    points=({"loc": 1.5, "concentration": 4.0}, {"loc": 0.5, "concentration": 0.25}),
    outside=(-1.0,),
    scipy=_scipy,
    entropies=({"loc": 2.0, "concentration": 1e-3}, {"loc": 0.5, "concentration": 300.0}),
    cdf=lambda x, loc, concentration: _scipy(loc, concentration).cdf(x),
    ppf=lambda u, loc, concentration: _scipy(loc, concentration).ppf(u),
    tails=({"loc": 2.0, "concentration": 3.0}, (2.0**-6, 0.25, 1.5, 2.0, 16.0, 256.0)),
    hard=tuple({"loc": m, "concentration": k} for m, k in [(1.0, 1e-3), (1e3, 1.0), (1e-3, 1e3), (1.0, 1e6)]),
    expectations={
        "x": lambda loc, concentration: loc + 0 * concentration,
        "x**2": lambda loc, concentration: loc**2 + loc**3 / concentration,
        "1/x": lambda loc, concentration: 1 / loc + 1 / concentration,
        "log x": lambda loc, concentration: (
            mp.log(loc) - mp.exp(2 * concentration / loc) * mp.e1(2 * concentration / loc)
        ),
    },
    masses=_masses,
    rounded_twice=True,
    log_density=_log_density,
    divergence=(
        _divergence,
        (
            ((0.5, 2.0), (3.0, 0.25)),
            ((1e-3, 1.0), (1e3, 7.0)),
            ((2.5, 1.0), (2.5009765625, 1.0)),
            ((1e4, 4.0), (10001.0, 4.000002)),
        ),
    ),
    truncations=(
        ({"loc": 2.0, "concentration": 3.0}, 0.5, 3.0),
        ({"loc": 2.0, "concentration": 3.0}, 64.0, None, 64.5, 70.0),
        ({"loc": 2.0, "concentration": 3.0}, None, 0.0625, 0.03125, 0.0615),
    ),
)
