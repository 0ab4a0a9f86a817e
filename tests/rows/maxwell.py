"""Maxwell."""

from mpmath import mp
from scipy import special, stats

from tests.row import Family


def _masses(x, scale):
    z, a = (x / scale) ** 2 / 2, mp.mpf(3) / 2
    return mp.gammainc(a, 0, z, regularized=True), mp.gammainc(a, z, mp.inf, regularized=True)


ROW = Family(
    "Maxwell",
    points=({"scale": 2.0}, {"scale": 0.5}),
    scipy=lambda scale: stats.maxwell(scale=scale),
    cdf=lambda x, scale: special.gammainc(1.5, 0.5 * (x / scale) ** 2),
    hard=({"scale": 1e-6}, {"scale": 1e8}),
    expectations={"x": lambda scale: 2 * scale * mp.sqrt(2 / mp.pi), "x**2": lambda scale: 3 * mp.mpf(scale) ** 2},
    tails=({"scale": 2.0}, (2.0**-20, 0.5, 3.0, 20.0)),
    clamped=("low", "high"),
    masses=_masses,
    log_density=lambda x, scale: mp.log(2 / mp.pi) / 2 + 2 * mp.log(x / scale) - mp.log(scale) - (x / scale) ** 2 / 2,
    apart="shared/test_rows.py",
)
