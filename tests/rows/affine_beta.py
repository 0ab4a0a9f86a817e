"""AffineBeta."""

from scipy import stats

from tests.row import Family
from tests.rows import beta

ROW = Family(
    "AffineBeta",
    points=({"concentration1": 2.0, "concentration0": 3.0, "loc": -1.0, "scale": 2.0},),
    scipy=stats.beta,
    tails=(
        {"concentration1": 2.0, "concentration0": 3.0, "loc": -1.0, "scale": 2.0},
        (2.0**-20 - 1.0, -0.5, 0.5, 0.9375),
    ),
    apart="shared/test_beta_relatives.py",
    masses=lambda x, a, b, loc, scale: beta.masses((x - loc) / scale, a, b),
)
