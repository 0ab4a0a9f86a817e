"""Beta: its series, and its row."""

import itertools
import math

import numpy as np
from mpmath import mp
from scipy import special, stats

from irg_kernels.families import beta
from tests.case import Case, grid, rounded, trigamma
from tests.oracles import settled, solve
from tests.row import Family
from tests.rows import dirichlet
from tests.rows.gamma import entropies

# ------------------------------------------------------------------------------------------------- d logit z / d(a, b)


def beta_partial(a, b, x):
    """(dx/da, dx/db), x = logit z, at a fixed quantile of Beta(a, b).

    I_z(a, b) = z^a (1-z)^b / (a B(a, b)) * S,  S = sum_n (a + b)_n / (a + 1)_n z^n      (DLMF 8.17.8 with 15.2.1)
    dx/da = -(dI/da) / (z (1-z) p(z)) = -((log z - psi(a + 1) + psi(a + b)) S + dS/da) / a
    dx/db = -((log(1-z) - psi(b) + psi(a + b)) S + dS/db) / a
    For z > 1/2 by I_z(a, b) = 1 - I_{1-z}(b, a) (DLMF 8.17.4), under which x changes sign.
    """
    a, b, x = mp.convert(a), mp.convert(b), mp.convert(x)
    if x > 0:
        by_b, by_a = beta_partial(b, a, -x)
        return -by_a, -by_b

    def evaluate():
        log_z, log_y = -mp.log1p(mp.exp(-x)), -mp.log1p(mp.exp(x))
        total, by_a, by_b = _beta_sums(a, b, mp.exp(log_z))
        common = mp.digamma(a + b)
        return (
            -((log_z - mp.digamma(a + 1) + common) * total + by_a) / a,
            -((log_y - mp.digamma(b) + common) * total + by_b) / a,
        )

    return settled(evaluate)


def _beta_sums(a, b, z):
    """S, dS/da, dS/db: each term is the last times z (a + b + n - 1) / (a + n)."""
    term, by_a, by_b = mp.one, mp.zero, mp.zero
    total, total_a, total_b, n = mp.one, mp.zero, mp.zero, 0
    while True:
        n += 1
        up, down = a + b + (n - 1), a + n
        ratio = z * up / down
        term *= ratio
        by_b += 1 / up
        by_a += (down - up) / (up * down)
        total += term
        total_a += term * by_a
        total_b += term * by_b
        if ratio < 1 and z < 1 and term * (1 + abs(by_a) + by_b) < mp.eps * (1 - max(ratio, z)):
            return total, total_a, total_b


def beta_tails(a, b, x):
    """(I_z, 1 - I_z, dI/dx) of Beta(a, b) at x = logit z; DLMF 8.17.8, at the working precision."""
    if x > 0:
        upper, lower, density = beta_tails(b, a, -x)
        return lower, upper, density
    log_z, log_y = -mp.log1p(mp.exp(-x)), -mp.log1p(mp.exp(x))
    log_beta = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
    density = mp.exp(a * log_z + b * log_y - log_beta)
    lower = density / a * _beta_sums(a, b, mp.exp(log_z))[0]
    return lower, 1 - lower, density


def beta_quantile(q, a, b):
    """logit z with I_z(a, b) = q, to some 10 digits, as a float.

    Newton as for gamma: from I_z ~ z^a / (a B(a, b)) (DLMF 8.17.8) or its mirror image far out, else from SciPy.
    """
    log_beta = special.betaln(a, b)
    lower = (math.log(q) + math.log(a) + log_beta) / a
    upper = (math.log1p(-q) + math.log(b) + log_beta) / b
    start = lower if lower < -100 else -upper
    if min(lower, upper) > -100:
        start = math.log(special.betaincinv(a, b, q)) - math.log(special.betaincinv(b, a, 1 - q))
    return solve(lambda x: beta_tails(mp.convert(a), mp.convert(b), x), q, start)


def tails(x, a, b):
    return beta_tails(a, b, x)


def _log_tails(xp, x, a, b):
    return beta.log_tails_at(xp, beta._at_logit(xp, x, a, b), a, b)


def _units(a, b):
    both = trigamma(a + b)
    return np.sqrt(trigamma(a) + trigamma(b)), 1 / np.sqrt(trigamma(a) - both), 1 / np.sqrt(trigamma(b) - both)


# ------------------------------------------------------------------------------------------ points of references.json

SHAPES = (1e-3, 0.01, 0.1, 0.5, 1.0, 2.0, 8.0, 50.0, 1e3, 1e4, 65536.0, 1e6)
# Thinned for the 145 pairs of beta: between them the two precisions see every quantile.
THINNED = {True: (1e-12, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-12), False: (1e-6, 0.3, 0.7, 1 - 1e-6)}


def _places():
    """From the quantiles; and the mean's log-odds, exact and with 1e-8 added and taken away."""
    pairs = [*itertools.product(SHAPES, SHAPES), (0.28488, 34051.0)]
    for params, float32, q in grid(pairs, THINNED):
        exact = tuple(rounded(p, float32) for p in params)
        yield params, exact, {"at": rounded(beta_quantile(q, *exact), float32)}, float32, q
    for a, b in pairs:
        for step in (-1e-8, 0.0, 1e-8):
            yield (a, b), (a, b), {"at": math.log(a / b) + step}, False, None


CASE = Case(
    family="beta",
    distribution="Beta",
    parameters=("concentration1", "concentration0"),
    kernels={"logit_z": (beta.dlogit_da, beta.dlogit_db)},
    units=_units,
    oracle=beta_partial,
    tails=tails,
    log_tails=("logit_z", _log_tails),
    signs=(1, -1),
    places=_places,
    seconds=(
        {(0.01, 0.01), (0.5, 0.5), (1, 1), (2, 8), (8, 0.5), (50, 0.1), (1e4, 2), (1e6, 1e6), (0.28488, 34051)},
        {1e-3, 0.1, 0.9},
    ),
    # z near (a + 1/2) / (a + b + 1); a score next to its zero, far from the mean because of a small shape; next to
    # 1 or 0, where a small shape makes a plateau; a large shape beside a small one
    switches=(
        (-4.24280214, 0.00584756769, 0.767114699),
        (-5.23672485, 0.0042248359, 1.20611572),
        (-16.2514954, 0.00265690195, 30361.1113),
        (18.3244152, 104836.156, 0.00115429366),
        (7.7452178, 26.9593639, 0.0114531685),
        (0.187188759, 0.117040865, 0.0117040863),
        (-13.5360518, 0.00177571666, 377722.5),
        (10.8140745, 2.4851494, 6.8393496e-07),
        (-11.4953651, 2.43127524e-05, 34.0446320),
        (4.15598869, 5.6084, 0.0499),
        (4.15598869, 5.6084, 0.0501),
        (-14.7176619, 2.6971498, 7862985.0),
        (18.43764, 96549500.0, 0.2018629),
        (32436.8301, 91830440.0, 1.01437786e-06),
    ),
)


# ------------------------------------------------------------------------------------------------- the distribution


def masses(x, a, b):
    return mp.betainc(a, b, 0, x, regularized=True), mp.betainc(b, a, 0, 1 - x, regularized=True)


def _mean_log(concentration1, concentration0):
    return mp.psi(0, concentration1) - mp.psi(0, concentration1 + concentration0)


def _mean_square(concentration1, concentration0):
    total = concentration1 + concentration0
    return concentration1 * (concentration1 + 1) / (total * (total + 1))


ROW = Family(
    "Beta",
    points=({"concentration1": 0.5, "concentration0": 2.0}, {"concentration1": 8.0, "concentration0": 3.0}),
    outside=(-0.5, 1.5),
    ends=(0.0, 1.0),
    scipy=lambda concentration1, concentration0: stats.beta(concentration1, concentration0),
    entropies=entropies("concentration1", "concentration0"),
    cdf=lambda x, concentration1, concentration0: special.betainc(concentration1, concentration0, x),
    ppf=lambda u, concentration1, concentration0: special.betaincinv(concentration1, concentration0, u),
    tails=({"concentration1": 2.5, "concentration0": 30.0}, (2.0**-60, 0.0625, 0.5, 0.96875)),
    hard=tuple(
        {"concentration1": a, "concentration0": b}
        for a, b in [(1e-3, 1e-3), (1.0, 1.0), (0.3, 0.3), (2.0, 1e4), (1e6, 1e6)]
    ),
    expectations={
        "x": lambda concentration1, concentration0: concentration1 / (concentration1 + concentration0),
        "x**2": _mean_square,
        "log x": _mean_log,
        "log1p -x": lambda concentration1, concentration0: _mean_log(concentration0, concentration1),
    },
    small=("log x", _mean_log, {"concentration1": 0.001, "concentration0": 0.002}),
    divergence=(
        dirichlet.divergence,
        (
            ((0.5, 2.0), (3.0, 0.25)),
            ((1e-3, 1e-3), (5.0, 1e3)),
            ((1e6, 1e6), (1000100.0, 1e6)),
            ((2.5, 7.0), (2.5009765625, 7.0)),
            ((1e4, 2.0), (10001.0, 2.0001)),
        ),
    ),
    masses=masses,
    log_density=lambda x, a, b: dirichlet.log_density((x, 1 - x), (a, b)),
    case=CASE,
    clamped=("low", "high"),
    truncations=(
        ({"concentration1": 2.5, "concentration0": 0.7}, 0.3, 0.9),
        ({"concentration1": 8.0, "concentration0": 3.0}, None, 0.2, 0.05, 0.15),
    ),
    narrow=(({"concentration1": 2.5, "concentration0": 0.7}, 0.3, 0.300001),),
)
