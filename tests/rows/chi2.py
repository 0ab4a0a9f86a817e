"""Chi2, a Gamma of half its degrees of freedom."""

from mpmath import mp
from scipy import special, stats

from tests.row import Family
from tests.rows import gamma

MOMENTS = {name: lambda df, f=f: f(mp.mpf(df) / 2, mp.mpf(0.5)) for name, f in gamma.MOMENTS.items()}

ROW = Family(
    "Chi2",
    points=({"df": 1.0}, {"df": 15.0}),
    outside=(-1.0,),
    scipy=stats.chi2,
    cdf=lambda x, df: gamma.cdf(x, df / 2.0, 0.5),
    ppf=lambda u, df: 2.0 * special.gammaincinv(df / 2.0, u),
    tails=({"df": 5.0}, (2.0**-60, 1.0, 5.0, 40.0, 250.0)),
    hard=({"df": 0.01}, {"df": 2.0}, {"df": 1e5}),
    expectations=MOMENTS,
    small=("log x", MOMENTS["log x"], {"df": 0.002}),
    masses=lambda x, df: gamma.masses(x, df / 2, mp.mpf(1) / 2),
    log_density=lambda x, df: gamma.log_density(x, df / 2, mp.mpf(1) / 2),
    clamped=("low", "high"),
    truncations=(({"df": 5.0}, 2.0, 12.0), ({"df": 5.0}, 65.0, None, 65.5, 70.0)),
    narrow=(({"df": 5.0}, 2.0, 2.000002),),
)
