"""GeneralizedPareto."""

from mpmath import mp
from scipy import stats

from tests.row import Family


def _masses(x, concentration, loc, scale):
    upper = (1 + concentration * (x - loc) / scale) ** (-1 / concentration)
    return 1 - upper, upper


ROW = Family(
    "GeneralizedPareto",
    points=({"loc": 0.5, "scale": 2.0, "concentration": 0.25},),
    scipy=lambda concentration, loc, scale: stats.genpareto(concentration, loc, scale),
    tails=({"concentration": 0.25, "loc": 0.5, "scale": 2.0}, (0.5 + 2.0**-20, 0.75, 3.0, 64.0, 2.0**20)),
    truncations=(
        ({"concentration": 0.25, "loc": 0.5, "scale": 2.0}, 0.75, 0.7501),
        ({"concentration": 1.5, "loc": 0.5, "scale": 2.0}, 1.0, 16.0),
        ({"concentration": -0.25, "loc": 0.5, "scale": 2.0}, 4.0, 8.0),
        ({"concentration": -1.5, "loc": 0.5, "scale": 3.0}, 1.0, 2.25),
    ),
    apart="shared/test_generalized_pareto.py",
    masses=_masses,
    log_density=lambda x, c, loc, scale: -(1 / c + 1) * mp.log1p(c * (x - loc) / scale) - mp.log(scale),
    ranges={"concentration": lambda rng, count: rng.choice([-1, 1], count) * 10 ** rng.uniform(-6, 1, count)},
)
