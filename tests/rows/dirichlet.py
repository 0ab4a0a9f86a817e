"""Dirichlet."""

from mpmath import mp
from scipy import stats

from tests.row import Family


def log_density(x, alpha):
    """Of x as it stands, whose components may not add up to 1."""
    terms = ((a - 1) * mp.log(c) - mp.loggamma(a) for a, c in zip(alpha, x, strict=True))
    return mp.loggamma(mp.fsum(alpha)) + mp.fsum(terms)


def divergence(*both):
    p, q = both[: len(both) // 2], both[len(both) // 2 :]
    total, mean = mp.loggamma(mp.fsum(p)) - mp.loggamma(mp.fsum(q)), mp.digamma(mp.fsum(p))
    return total + mp.fsum(
        mp.loggamma(b) - mp.loggamma(a) + (a - b) * (mp.digamma(a) - mean) for a, b in zip(p, q, strict=True)
    )


def _mean_log(concentration):
    return mp.psi(0, concentration[0]) - mp.psi(0, mp.fsum(concentration))


ROW = Family(
    "Dirichlet",
    points=({"concentration": (0.6, 2.0, 1.5)}, {"concentration": (8.0, 3.0, 5.0)}),
    outside=((0.5, 0.4, 0.3), (1.2, -0.1, -0.1)),
    ends=(0.0, 1.0),
    scipy=stats.dirichlet,
    hard=(
        {"concentration": (1e-3, 1e-3, 1e-3)},
        {"concentration": (1e-3, 1e3, 1.0)},
        {"concentration": (2.0, 3.0)},
        {"concentration": (0.5,) * 5},
    ),
    expectations={
        "log x[0]": _mean_log,
        "x[0] x[1]": lambda concentration: (
            concentration[0] * concentration[1] / (mp.fsum(concentration) * (mp.fsum(concentration) + 1))
        ),
    },
    small=("log x[0]", _mean_log, {"concentration": (0.001, 0.002, 0.003)}),
    clamped=("low", "high"),
)
