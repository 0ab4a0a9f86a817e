"""NoncentralChi2."""

from mpmath import mp
from scipy import special, stats

from tests.row import Family
from tests.rows.rice import poisson_masses


def _log_density(x, df, lam):
    half = df / 2
    bessel = mp.log(mp.hyp0f1(half, lam * x / 4, maxterms=10**6))
    return (half - 1) * mp.log(x / 2) - mp.loggamma(half) - mp.log(2) - (x + lam) / 2 + bessel


ROW = Family(
    "NoncentralChi2",
    points=({"df": 3.5, "noncentrality": 2.0},),
    scipy=stats.ncx2,
    cdf=lambda x, df, noncentrality: special.chndtr(x, df, noncentrality),
    hard=({"df": 0.05, "noncentrality": 3.0},),
    expectations={
        "x": lambda df, noncentrality: df + noncentrality,
        "x**2": lambda df, noncentrality: (df + noncentrality) ** 2 + 2 * (df + 2 * noncentrality),
    },
    tails=({"df": 3.5, "noncentrality": 2.0}, (2.0**-20, 2.0, 6.0, 60.0)),
    clamped=("low", "high"),
    masses=poisson_masses,
    rounded_twice=True,
    log_density=_log_density,
    ranges={
        "df": lambda rng, count: 10 ** rng.uniform(-3, 2.5, count),
        "noncentrality": lambda rng, count: 10 ** rng.uniform(-3, 1.7, count),
    },
    apart="shared/test_rows.py",
)
