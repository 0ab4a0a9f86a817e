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
    truncations=(
        ({"concentration1": 2.0, "concentration0": 3.0, "loc": -1.0, "scale": 2.0}, -0.5, 0.5),
        ({"concentration1": 0.25, "concentration0": 0.5, "loc": 0.1, "scale": 0.7}, 0.2, 0.75),
        (
            {"concentration1": 4.0, "concentration0": 0.1, "loc": -3.0, "scale": 5.0},
            None,
            -1.0,
            -2.96875,
            -2.75,
            -2.0,
            -1.25,
        ),
        ({"concentration1": 0.1, "concentration0": 4.0, "loc": -3.0, "scale": 5.0}, 0.0, None, 1.96875, 1.5, 0.25),
        ({"concentration1": 2.0, "concentration0": 0.3, "loc": 1.0, "scale": 3.0}, 3.0, None, 3.0625, 3.5, 3.96875),
    ),
    narrow=(({"concentration1": 2.0, "concentration0": 3.0, "loc": -1.0, "scale": 2.0}, -0.5, -0.5 + 2.0**-20),),
    apart="shared/test_beta_relatives.py",
    masses=lambda x, a, b, loc, scale: beta.masses((x - loc) / scale, a, b),
)
