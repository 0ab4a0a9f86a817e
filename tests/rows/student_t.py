"""StudentT: its oracle, by Beta's, and its row."""

import itertools
import math

import numpy as np
from mpmath import mp
from scipy import special, stats

from irg_kernels.families import student_t
from tests.case import UPPER_QUANTILES, Case, grid, rounded, trigamma
from tests.oracles import settled
from tests.row import Family
from tests.rows.beta import beta_partial, beta_quantile, beta_tails
from tests.rows.gamma import entropies

# ------------------------------------------------------------------------------------------------- d log|t| / d nu


def student_t_partial(nu, u):
    """d log|t| / d nu at a fixed quantile of Student's t with nu degrees of freedom, u = log|t|, as a 1-tuple.

    t^2 / (nu + t^2) ~ Beta(1/2, nu/2), with logit X = 2u - log nu (Abramowitz & Stegun 26.5.27, 26.7.1).  So
    2 du/dnu = 1/nu + dX/dnu,  dX/dnu = (1/2) dX/db at b = nu/2,  and  du/dnu = 1 / (2 nu) + (1/4) dX/db.
    For large nu the two nearly cancel, leaving -(t^2 + 1) / (4 nu^2): ``settled`` raises the precision.
    """
    nu, u = mp.convert(nu), mp.convert(u)
    return settled(lambda: (1 / (2 * nu) + beta_partial(mp.mpf(0.5), nu / 2, 2 * u - mp.log(nu))[1] / 4,))


def student_t_quantile(q, nu):
    """log t with F(t) = q > 1/2, to some 10 digits, as a float; by the beta distribution of t^2 / (nu + t^2)."""
    if q <= 0.5:
        raise ValueError(f"student_t_quantile: q = {q} must be above 1/2, where log t exists")
    return (beta_quantile(2 * q - 1, 0.5, nu / 2) + math.log(nu)) / 2


def tails(t, nu):
    _, outside, density = beta_tails(mp.mpf(0.5), nu / 2, mp.log(t * t / nu))
    tail = outside / 2
    return (tail, 1 - tail, density / abs(t)) if t < 0 else (1 - tail, tail, density / abs(t))


def _units(nu):
    return np.sqrt(trigamma(0.5) + trigamma(nu / 2)) / 2, nu  # log|t|; nu within a factor 2


# ------------------------------------------------------------------------------------------ points of references.json

DEGREES = (1e-3, 0.05, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0, 30.0, 1e3, 1e5, 1e6, 1e8)


def _places():
    """From the quantiles; and t = 1e-8, 1e6."""
    for params, float32, q in grid([(nu,) for nu in DEGREES], UPPER_QUANTILES):
        exact = tuple(rounded(p, float32) for p in params)
        yield params, exact, {"at": rounded(student_t_quantile(q, *exact), float32)}, float32, q
    for nu, t in itertools.product(DEGREES, (1e-8, 1e6)):
        yield (nu,), (nu,), {"at": math.log(t)}, False, None


CASE = Case(
    family="student_t",
    distribution="StudentT",
    parameters=("df",),
    kernels={"log_t": (student_t.dlogt_dnu,)},
    units=_units,
    oracle=student_t_partial,
    tails=tails,
    log_tails=("log_t", student_t.log_tails),
    signs=(-1,),
    places=_places,
    seconds=({(nu,) for nu in (0.05, 0.5, 1.0, 2.0, 5.0, 30.0, 1e3, 1e6)}, {0.6, 0.9, 0.999}),
    # nu near 2; the score's zero, from which the integral is taken inwards or outwards
    switches=(
        (0.723755, 2.08901548),
        (0.745463669, 2.0),
        (0.785907924, 2.00000238),
        (-2.58130884, 1.99999845),
        (0.631788611, 3.0),
        (0.510700464, 7.70704508),
    ),
)


# ------------------------------------------------------------------------------------------------- the distribution


def _masses(x, df, loc, scale):
    t = (x - loc) / scale
    beyond = mp.betainc(df / 2, mp.mpf(1) / 2, 0, df / (df + t * t), regularized=True) / 2
    return (beyond, 1 - beyond) if t < 0 else (1 - beyond, beyond)


def _log_density(x, df, loc, scale):
    t = (x - loc) / scale
    half = (df + 1) / 2
    constant = mp.loggamma(half) - mp.loggamma(df / 2) - mp.log(mp.pi * df) / 2
    return constant - half * mp.log1p(t * t / df) - mp.log(scale)


def mean_cos(df, scale):
    """The characteristic function of scale * t at 1 (Hurst 1995)."""
    half, w = mp.mpf(df) / 2, mp.sqrt(df) * scale
    return mp.besselk(half, w) * w**half / (mp.gamma(half) * 2 ** (half - 1))


def mean_log(df, loc, scale):
    """For loc = 0, whose own gradient 1/x has no variance: nobody may ask for it."""
    return mp.log(scale) + (mp.log(df) + mp.psi(0, mp.mpf(0.5)) - mp.psi(0, mp.mpf(df) / 2)) / 2


ROW = Family(
    "StudentT",
    points=({"df": 5.0, "loc": 0.3, "scale": 0.8}, {"df": 20.0, "loc": -0.5, "scale": 2.0}),
    outside=(math.nan,),
    ends=(-math.inf, math.inf),
    scipy=stats.t,
    entropies=entropies("df", "scale", loc=0.5),
    cdf=lambda x, df, loc, scale: special.stdtr(df, (np.asarray(x, dtype=np.float64) - loc) / scale),
    ppf=lambda u, df, loc, scale: loc + scale * stats.t.ppf(u, df),
    tails=({"df": 5.0, "loc": 0.5, "scale": 2.0}, (-(2.0**30), -6.0, 0.25, 9.0, 2.0**30)),
    hard=tuple({"df": df, "loc": 0.0, "scale": 1.0} for df in (0.05, 1.0, 2.0, 1e8)),
    expectations={
        "cos x": lambda df, loc, scale: mp.cos(loc) * mean_cos(df, scale),
        "sin x": lambda df, loc, scale: mp.sin(loc) * mean_cos(df, scale),
    },
    small=("log |x|", mean_log, {"df": 0.05, "loc": 0.0, "scale": 2.0}),
    masses=_masses,
    log_density=_log_density,
    case=CASE,
    clamped=("low", "high"),
    truncations=(
        ({"df": 3.0, "loc": 0.5, "scale": 2.0}, -1.0, 4.0),
        ({"df": 3.0, "loc": 0.0, "scale": 1.0}, 8.0, None, 8.5),
        ({"df": 30.0, "loc": 0.5, "scale": 2.0}, -1.0, 4.0),
    ),
    narrow=(({"df": 3.0, "loc": 0.5, "scale": 2.0}, 1.0, 1.000002),),
)
