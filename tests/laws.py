"""The laws that the distributions must follow: distribution functions, exact expectations, exact ELBOs.

Parameters go by the hosts' names; a Dirichlet's concentration is a tuple.  Nothing here knows of an adapter: the twin
files `pyro/test_*.py` and `numpyro/test_*.py` hold both to it.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from mpmath import mp
from scipy import special, stats

Params = Mapping[str, float | tuple[float, ...]]

# |mean - truth| / standard error beyond which an unbiased estimate is rejected: one false alarm in 16,000, and the
# seeds are fixed.
STANDARD_ERRORS = 4.0

# p-value of the Kolmogorov-Smirnov tests, as rare a false alarm.
LEAST_P_VALUE = 6e-5

# f(xp, x) with xp torch or jax.numpy: the functions whose expectations `Law.expectations` gives
FUNCTIONS: dict[str, Callable] = {
    "x": lambda xp, x: x,
    "x**2": lambda xp, x: x * x,
    "1/x": lambda xp, x: 1.0 / x,
    "exp x": lambda xp, x: xp.exp(x),
    "log x": lambda xp, x: xp.log(x),
    "log1p -x": lambda xp, x: xp.log1p(-x),
    "cos x": lambda xp, x: xp.cos(x),
    "sin x": lambda xp, x: xp.sin(x),
    "cos 2x": lambda xp, x: xp.cos(2.0 * x),
    "log |x|": lambda xp, x: xp.log(xp.abs(x)),
    "log x[0]": lambda xp, x: xp.log(x[..., 0]),
    "x[0] x[1]": lambda xp, x: x[..., 0] * x[..., 1],
}


@dataclass(frozen=True, eq=False, repr=False)
class Law:
    """A family with the points at which it is tested."""

    name: str
    """its class in both adapters"""
    points: tuple[Params, ...]
    """moderate parameters, where every expectation below and its gradient's variance exist"""
    outside: tuple
    """values outside the support"""
    cdf: Callable | None = None
    """x, params -> P(X <= x); a Dirichlet has `marginal` instead"""
    ppf: Callable | None = None
    """quantile, params -> x, to full precision"""
    hard: tuple[Params, ...] = ()
    """parameters for the sampler alone"""
    expectations: Mapping[str, Callable] = field(default_factory=dict)
    """key of FUNCTIONS, exact E[f] as an mpmath function of the parameters"""
    small: tuple[str, Callable, Params] | None = None
    """key of FUNCTIONS, its exact expectation, and parameters so small that most draws leave the range of float32"""

    def __str__(self) -> str:
        return self.name


def functions_of(law: Law) -> tuple[str, ...]:
    """The keys of FUNCTIONS that the law is tested with."""
    return tuple(dict.fromkeys([*law.expectations, *(law.small[:1] if law.small else ())]))


def exact_gradient(function: Callable, params: Params) -> dict[str, np.ndarray]:
    """d function / d parameter, differentiated numerically at 50 digits."""
    gradient = {}
    with mp.workdps(50):
        for name, value in params.items():
            entries = np.atleast_1d(value)

            def along(t, i, name=name, entries=entries):
                moved = tuple(t if j == i else mp.mpf(float(v)) for j, v in enumerate(entries))
                return function(**{**params, name: moved if isinstance(params[name], tuple) else moved[0]})

            slopes = [float(mp.diff(lambda t, i=i: along(t, i), mp.mpf(float(v)))) for i, v in enumerate(entries)]
            gradient[name] = np.array(slopes if isinstance(value, tuple) else slopes[0])
    return gradient


def along_quantile(law: Law, x: np.ndarray, params: Params, name: str) -> tuple[np.ndarray, np.ndarray]:
    """dx/dtheta and d**2x/dtheta**2 at fixed quantile: differences of SciPy's ppf, extrapolated to step 0 (Richardson).

    Good to some 1e-10 and 1e-7: truncation leaves step**6, rounding eps / step and eps / step**2.
    """
    level, unit = law.cdf(x, **params), max(abs(params[name]), 0.5)

    def at(shift):
        return law.ppf(level, **{**params, name: params[name] + shift})

    firsts, seconds = [], []
    for step in (0.016 * unit, 0.008 * unit, 0.004 * unit):
        up, down = at(step), at(-step)
        firsts.append((up - down) / (2.0 * step))
        seconds.append((up - 2.0 * at(0.0) + down) / step**2)
    return _extrapolated(firsts), _extrapolated(seconds)


def _extrapolated(values):
    coarse, fine = [(4.0 * b - a) / 3.0 for a, b in itertools.pairwise(values)]
    return (16.0 * fine - coarse) / 15.0


def standardised(slopes: np.ndarray, truth: np.ndarray, rtol: float) -> np.ndarray:
    """|mean - truth| / standard error, over the leading axis; `rtol` is how exact a single slope is."""
    mean, error = slopes.mean(0), slopes.std(0) / math.sqrt(len(slopes))
    return np.abs(mean - truth) / (error + rtol / STANDARD_ERRORS * np.abs(truth))


def p_value(x: np.ndarray, cdf: Callable, held: tuple[float, float] | None = None) -> float:
    """Of the Kolmogorov-Smirnov test, over the range between the ends at which draws are `at_fixed_quantile`."""
    x, n = np.asarray(x, dtype=np.float64), np.size(x)
    assert not np.isnan(x).any()
    with np.errstate(over="ignore"):  # at the ends of float64
        level, inside, largest = cdf(x), np.ones(n, dtype=bool), 0.0
        if held:
            low, high = held
            inside = (x > low) & (x < high)
            below, above = cdf(np.array(held))
            largest = max(abs(np.mean(x <= low) - below), abs(np.mean(x < high) - above))
    assert inside.sum() > 1000
    order = np.argsort(level, kind="stable")
    inside, rank = inside[order], np.arange(1, n + 1)
    above, below = rank / n - level[order], level[order] - (rank - 1) / n
    return float(stats.kstwo.sf(max(largest, np.max(above[inside]), np.max(below[inside])), n))


def held_at(name: str, precision: str) -> tuple[float, float] | None:
    """Where draws are held that leave the range of their dtype."""
    limits = np.finfo(precision)
    low, high = float(limits.tiny), 0.25 / float(limits.tiny)
    if name in ("Beta", "Dirichlet"):
        return low, 1.0 - float(limits.eps)
    if name == "StudentT":
        return -high, high
    return (low, high) if name in ("Gamma", "Chi2", "InverseGamma") else None


def marginal(component: int, concentration: tuple[float, ...]) -> Callable:
    """Distribution function of a component of a Dirichlet."""
    rest = math.fsum(c for i, c in enumerate(concentration) if i != component)
    return stats.beta(concentration[component], rest).cdf


# ------------------------------------------------------------------------------------------------ the distributions


def _log_gamma_tails(x, concentration, rate=1.0):
    """P(log z <= x) and P(log z > x), where z itself may underflow."""
    log_z = np.asarray(x, dtype=np.float64) + math.log(rate)
    edge = -50.0  # below, exp(-z) is 1
    tiny = np.exp(concentration * np.minimum(log_z, edge) - special.gammaln(concentration + 1.0))
    z = np.exp(np.maximum(log_z, edge))
    lower = np.where(log_z < edge, tiny, special.gammainc(concentration, z))
    return lower, np.where(log_z < edge, 1.0 - tiny, special.gammaincc(concentration, z))


def _gamma_cdf(x, concentration, rate):
    return _log_gamma_tails(np.log(x), concentration, rate)[0]


def _inverse_gamma_cdf(x, concentration, rate):
    return _log_gamma_tails(-np.log(x), concentration, rate)[1]


def wrapped(angle):
    return np.remainder(angle + math.pi, 2.0 * math.pi) - math.pi


def _von_mises_cdf(x, loc, concentration):
    z = wrapped(np.asarray(x, dtype=np.float64) - loc)
    if concentration > 1e3:
        return special.ndtr(z * math.sqrt(concentration))  # off by less than 1 / (8 kappa)
    if z.size < 1000:
        return stats.vonmises.cdf(z, concentration)
    grid = np.linspace(-math.pi, math.pi, 10_001)  # interpolation is off by less than 1e-8 kappa
    return np.interp(z, grid, stats.vonmises.cdf(grid, concentration))


def _von_mises_ppf(level, loc, concentration):
    """SciPy's answer, which is good to 1e-9 or so, and three Newton steps on the Fourier series of F."""
    z = stats.vonmises.ppf(level, concentration)
    j = np.arange(1, 41)
    ratios = special.ive(j, concentration) / special.ive(0, concentration)
    for _ in range(3):  # F = 1/2 + z / 2 pi + sum_j (I_j / I_0) sin(j z) / (j pi), from DLMF 10.35.2
        cdf = 0.5 + z / (2.0 * np.pi) + (np.sin(np.multiply.outer(z, j)) * ratios / j).sum(-1) / np.pi
        z = z - (cdf - level) / stats.vonmises.pdf(z, concentration)
    return loc + z


def _mean_cos(kappa, order=1):
    return mp.besseli(order, kappa) / mp.besseli(0, kappa)


def _mean_cos_t(df, scale):
    """The characteristic function of scale * t at 1 (Hurst 1995)."""
    half, w = mp.mpf(df) / 2, mp.sqrt(df) * scale
    return mp.besselk(half, w) * w**half / (mp.gamma(half) * 2 ** (half - 1))


def _mean_log_t(df, loc, scale):
    """For loc = 0, whose own gradient 1/x has no variance: nobody may ask for it."""
    return mp.log(scale) + (mp.log(df) + mp.psi(0, mp.mpf(0.5)) - mp.psi(0, mp.mpf(df) / 2)) / 2


def _mean_log_inverse_gamma(concentration, rate):
    return mp.log(rate) - mp.psi(0, concentration)


def _mean_log_beta(concentration1, concentration0):
    return mp.psi(0, concentration1) - mp.psi(0, concentration1 + concentration0)


def _mean_square_beta(concentration1, concentration0):
    total = concentration1 + concentration0
    return concentration1 * (concentration1 + 1) / (total * (total + 1))


def _mean_log_dirichlet(concentration):
    return mp.psi(0, concentration[0]) - mp.psi(0, mp.fsum(concentration))


GAMMA_MOMENTS = {
    "x": lambda concentration, rate: concentration / rate,
    "x**2": lambda concentration, rate: concentration * (concentration + 1) / mp.mpf(rate) ** 2,
    "log x": lambda concentration, rate: mp.psi(0, concentration) - mp.log(rate),
}
CHI2_MOMENTS = {name: lambda df, f=f: f(mp.mpf(df) / 2, mp.mpf(0.5)) for name, f in GAMMA_MOMENTS.items()}

LAWS = (
    Law(
        "Gamma",
        points=({"concentration": 0.5, "rate": 2.0}, {"concentration": 7.5, "rate": 0.25}),
        outside=(-1.0,),
        cdf=_gamma_cdf,
        ppf=lambda u, concentration, rate: special.gammaincinv(concentration, u) / rate,
        hard=tuple({"concentration": a, "rate": b} for a, b in [(1e-3, 1.0), (0.02, 1e-30), (1.0, 1e3), (1e6, 10.0)]),
        expectations=GAMMA_MOMENTS,
        small=("log x", GAMMA_MOMENTS["log x"], {"concentration": 0.001, "rate": 2.0}),
    ),
    Law(
        "LogGamma",
        points=({"concentration": 0.5, "rate": 2.0}, {"concentration": 7.5, "rate": 0.25}),
        outside=(math.nan,),
        cdf=lambda x, concentration, rate: _log_gamma_tails(x, concentration, rate)[0],
        ppf=lambda u, concentration, rate: np.log(special.gammaincinv(concentration, u) / rate),
        hard=tuple({"concentration": a, "rate": b} for a, b in [(1e-3, 1.0), (1e-6, 1.0), (1.0, 1e3), (1e6, 1.0)]),
        expectations={
            "x": GAMMA_MOMENTS["log x"],
            "x**2": lambda concentration, rate: (
                mp.psi(1, concentration) + GAMMA_MOMENTS["log x"](concentration, rate) ** 2
            ),
            "exp x": lambda concentration, rate: concentration / rate,
        },
        small=("x", GAMMA_MOMENTS["log x"], {"concentration": 0.001, "rate": 2.0}),
    ),
    Law(
        "InverseGamma",
        points=({"concentration": 6.0, "rate": 2.0}, {"concentration": 20.0, "rate": 0.25}),
        outside=(-1.0,),
        cdf=_inverse_gamma_cdf,
        ppf=lambda u, concentration, rate: rate / special.gammainccinv(concentration, u),
        hard=tuple({"concentration": a, "rate": b} for a, b in [(1e-2, 1.0), (0.02, 1e-30), (1.0, 1e-3), (1e4, 1.0)]),
        expectations={
            "x": lambda concentration, rate: rate / (concentration - 1),
            "1/x": lambda concentration, rate: concentration / rate,
            "log x": _mean_log_inverse_gamma,
        },
        small=("log x", _mean_log_inverse_gamma, {"concentration": 0.001, "rate": 2.0}),
    ),
    Law(
        "Chi2",
        points=({"df": 1.0}, {"df": 15.0}),
        outside=(-1.0,),
        cdf=lambda x, df: _gamma_cdf(x, df / 2.0, 0.5),
        ppf=lambda u, df: 2.0 * special.gammaincinv(df / 2.0, u),
        hard=({"df": 0.01}, {"df": 2.0}, {"df": 1e5}),
        expectations=CHI2_MOMENTS,
        small=("log x", CHI2_MOMENTS["log x"], {"df": 0.002}),
    ),
    Law(
        "Beta",
        points=({"concentration1": 0.5, "concentration0": 2.0}, {"concentration1": 8.0, "concentration0": 3.0}),
        outside=(-0.5, 1.5),
        cdf=lambda x, concentration1, concentration0: special.betainc(concentration1, concentration0, x),
        ppf=lambda u, concentration1, concentration0: special.betaincinv(concentration1, concentration0, u),
        hard=tuple(
            {"concentration1": a, "concentration0": b}
            for a, b in [(1e-3, 1e-3), (1.0, 1.0), (0.3, 0.3), (2.0, 1e4), (1e6, 1e6)]
        ),
        expectations={
            "x": lambda concentration1, concentration0: concentration1 / (concentration1 + concentration0),
            "x**2": _mean_square_beta,
            "log x": _mean_log_beta,
            "log1p -x": lambda concentration1, concentration0: _mean_log_beta(concentration0, concentration1),
        },
        small=("log x", _mean_log_beta, {"concentration1": 0.001, "concentration0": 0.002}),
    ),
    Law(
        "Dirichlet",
        points=({"concentration": (0.6, 2.0, 1.5)}, {"concentration": (8.0, 3.0, 5.0)}),
        outside=((0.5, 0.4, 0.3), (1.2, -0.1, -0.1)),
        hard=(
            {"concentration": (1e-3, 1e-3, 1e-3)},
            {"concentration": (1e-3, 1e3, 1.0)},
            {"concentration": (2.0, 3.0)},
            {"concentration": (0.5,) * 5},
        ),
        expectations={
            "log x[0]": _mean_log_dirichlet,
            "x[0] x[1]": lambda concentration: (
                concentration[0] * concentration[1] / (mp.fsum(concentration) * (mp.fsum(concentration) + 1))
            ),
        },
        small=("log x[0]", _mean_log_dirichlet, {"concentration": (0.001, 0.002, 0.003)}),
    ),
    Law(
        "StudentT",
        points=({"df": 5.0, "loc": 0.3, "scale": 0.8}, {"df": 20.0, "loc": -0.5, "scale": 2.0}),
        outside=(math.nan,),
        cdf=lambda x, df, loc, scale: special.stdtr(df, (np.asarray(x, dtype=np.float64) - loc) / scale),
        ppf=lambda u, df, loc, scale: loc + scale * stats.t.ppf(u, df),
        hard=tuple({"df": df, "loc": 0.0, "scale": 1.0} for df in (0.05, 1.0, 2.0, 1e8)),
        expectations={
            "cos x": lambda df, loc, scale: mp.cos(loc) * _mean_cos_t(df, scale),
            "sin x": lambda df, loc, scale: mp.sin(loc) * _mean_cos_t(df, scale),
        },
        small=("log |x|", _mean_log_t, {"df": 0.05, "loc": 0.0, "scale": 2.0}),
    ),
    Law(
        "VonMises",
        points=({"loc": 0.5, "concentration": 0.7}, {"loc": -2.9, "concentration": 12.0}),
        outside=(math.nan,),
        cdf=_von_mises_cdf,
        ppf=_von_mises_ppf,
        hard=tuple(
            {"loc": loc, "concentration": kappa}
            for loc, kappa in [(0.0, 1e-8), (3.0, 0.5), (0.0, 50.0), (0.0, 1e4), (0.0, 1e6), (0.0, 1e8)]
        ),
        expectations={
            "cos x": lambda loc, concentration: _mean_cos(concentration) * mp.cos(loc),
            "sin x": lambda loc, concentration: _mean_cos(concentration) * mp.sin(loc),
            "cos 2x": lambda loc, concentration: _mean_cos(concentration, 2) * mp.cos(2 * loc),
        },
    ),
)
UNIVARIATE = tuple(law for law in LAWS if law.name != "Dirichlet")
SCALAR_POINTS = {f"{law}-{i}": (law, params) for law in UNIVARIATE for i, params in enumerate(law.points)}
POINTS = {f"{law}-{i}": (law, params) for law in LAWS for i, params in enumerate(law.points)}
SAMPLED = {
    f"{law}({', '.join(f'{v:g}' for v in params.values())})": (law, params)
    for law in UNIVARIATE
    for params in law.points + law.hard
}
SMALL = {str(law): law for law in LAWS if law.small}
DIRICHLETS = tuple(
    params["concentration"] for law in LAWS if law.name == "Dirichlet" for params in law.points + law.hard
)
