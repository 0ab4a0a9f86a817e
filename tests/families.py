"""The table of families: a row each, with its points (hard ones included), its oracles, and what it has.

Parameters go by the hosts' names; a Dirichlet's concentration is a tuple.  Nothing here knows of an adapter: the tests
in `shared/` hold both to it.  A new family is a row, `ROW` of a file of its own in `rows/`, and every test that takes
its rows from here holds for it.
"""

import math

import numpy as np
from mpmath import mp
from scipy import special, stats

from tests import closed_forms
from tests.row import FUNCTIONS as FUNCTIONS
from tests.row import Family
from tests.rows import ROWS

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


def _entropies(first, second, **fixed):
    pairs = ((0.5, 2.0), (3.0, 0.7), (20.0, 5.0), (0.01, 0.3), (200.0, 300.0))
    return tuple({first: a, **fixed, second: b} for a, b in pairs)


ANGLES = ("phi_loc", "psi_loc", "phi_concentration", "psi_concentration", "correlation")
LOC_SCALE = {"loc": 0.5, "scale": 2.0}
TWO = {"scale": 2.0}
LOCS = ((0.0, 1.0), (2.0, 3.0))

TABLE = (
    Family(
        "Gamma",
        points=({"concentration": 0.5, "rate": 2.0}, {"concentration": 7.5, "rate": 0.25}),
        outside=(-1.0,),
        scipy=lambda concentration, rate: stats.gamma(concentration, scale=1.0 / rate),
        entropies=_entropies("concentration", "rate"),
        cdf=_gamma_cdf,
        ppf=lambda u, concentration, rate: special.gammaincinv(concentration, u) / rate,
        tails=({"concentration": 2.5, "rate": 1.5}, (2.0**-60, 0.25, 1.5, 8.0, 120.0)),
        hard=tuple({"concentration": a, "rate": b} for a, b in [(1e-3, 1.0), (0.02, 1e-30), (1.0, 1e3), (1e6, 10.0)]),
        expectations=GAMMA_MOMENTS,
        small=("log x", GAMMA_MOMENTS["log x"], {"concentration": 0.001, "rate": 2.0}),
        divergence=(
            closed_forms.gamma_divergence,
            (
                ((0.5, 2.0), (3.0, 0.25)),
                ((1e-3, 1.0), (1e3, 7.0)),
                ((1e3, 2.0), (1e-3, 1.0)),
                ((2.5, 1.0), (2.5009765625, 1.0)),
                ((1e6, 4.0), (1000000.5, 4.000002)),
                ((0.001, 1.0), (0.0010001, 1.0)),
                ((9.5, 1.0), (10.5, 1.0)),
                ((4.0, 2.0), (4.0000005, 2.0)),
            ),
        ),
    ),
    Family(
        "LogGamma",
        points=({"concentration": 0.5, "rate": 2.0}, {"concentration": 7.5, "rate": 0.25}),
        outside=(math.nan,),
        ends=(-math.inf, math.inf),
        scipy=lambda concentration, rate: stats.loggamma(concentration, loc=-math.log(rate)),
        entropies=_entropies("concentration", "rate"),
        cdf=lambda x, concentration, rate: _log_gamma_tails(x, concentration, rate)[0],
        ppf=lambda u, concentration, rate: np.log(special.gammaincinv(concentration, u) / rate),
        tails=({"concentration": 2.5, "rate": 1.5}, (-60.0, -1.0, 0.5, 2.0, 4.5)),
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
    Family(
        "InverseGamma",
        points=({"concentration": 6.0, "rate": 2.0}, {"concentration": 20.0, "rate": 0.25}),
        outside=(-1.0,),
        scipy=lambda concentration, rate: stats.invgamma(concentration, scale=rate),
        entropies=_entropies("concentration", "rate"),
        cdf=_inverse_gamma_cdf,
        ppf=lambda u, concentration, rate: rate / special.gammainccinv(concentration, u),
        tails=({"concentration": 2.5, "rate": 1.5}, (2.0**-7, 0.25, 1.0, 64.0, 2.0**50)),
        hard=tuple({"concentration": a, "rate": b} for a, b in [(1e-2, 1.0), (0.02, 1e-30), (1.0, 1e-3), (1e4, 1.0)]),
        expectations={
            "x": lambda concentration, rate: rate / (concentration - 1),
            "1/x": lambda concentration, rate: concentration / rate,
            "log x": _mean_log_inverse_gamma,
        },
        small=("log x", _mean_log_inverse_gamma, {"concentration": 0.001, "rate": 2.0}),
    ),
    Family(
        "Chi2",
        points=({"df": 1.0}, {"df": 15.0}),
        outside=(-1.0,),
        scipy=stats.chi2,
        cdf=lambda x, df: _gamma_cdf(x, df / 2.0, 0.5),
        ppf=lambda u, df: 2.0 * special.gammaincinv(df / 2.0, u),
        tails=({"df": 5.0}, (2.0**-60, 1.0, 5.0, 40.0, 250.0)),
        hard=({"df": 0.01}, {"df": 2.0}, {"df": 1e5}),
        expectations=CHI2_MOMENTS,
        small=("log x", CHI2_MOMENTS["log x"], {"df": 0.002}),
    ),
    Family(
        "Beta",
        points=({"concentration1": 0.5, "concentration0": 2.0}, {"concentration1": 8.0, "concentration0": 3.0}),
        outside=(-0.5, 1.5),
        ends=(0.0, 1.0),
        scipy=lambda concentration1, concentration0: stats.beta(concentration1, concentration0),
        entropies=_entropies("concentration1", "concentration0"),
        cdf=lambda x, concentration1, concentration0: special.betainc(concentration1, concentration0, x),
        ppf=lambda u, concentration1, concentration0: special.betaincinv(concentration1, concentration0, u),
        tails=({"concentration1": 2.5, "concentration0": 30.0}, (2.0**-60, 0.0625, 0.5, 0.96875)),
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
        divergence=(
            closed_forms.dirichlet_divergence,
            (
                ((0.5, 2.0), (3.0, 0.25)),
                ((1e-3, 1e-3), (5.0, 1e3)),
                ((1e6, 1e6), (1000100.0, 1e6)),
                ((2.5, 7.0), (2.5009765625, 7.0)),
                ((1e4, 2.0), (10001.0, 2.0001)),
            ),
        ),
    ),
    Family(
        "AffineBeta",
        points=({"concentration1": 2.0, "concentration0": 3.0, "loc": -1.0, "scale": 2.0},),
        scipy=stats.beta,
        tails=(
            {"concentration1": 2.0, "concentration0": 3.0, "loc": -1.0, "scale": 2.0},
            (2.0**-20 - 1.0, -0.5, 0.5, 0.9375),
        ),
        apart="shared/test_beta_relatives.py",
    ),
    Family("BetaProportion", points=({"mean": 0.3, "concentration": 5.0},), apart="shared/test_beta_relatives.py"),
    Family(
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
            "log x[0]": _mean_log_dirichlet,
            "x[0] x[1]": lambda concentration: (
                concentration[0] * concentration[1] / (mp.fsum(concentration) * (mp.fsum(concentration) + 1))
            ),
        },
        small=("log x[0]", _mean_log_dirichlet, {"concentration": (0.001, 0.002, 0.003)}),
    ),
    Family(
        "StudentT",
        points=({"df": 5.0, "loc": 0.3, "scale": 0.8}, {"df": 20.0, "loc": -0.5, "scale": 2.0}),
        outside=(math.nan,),
        ends=(-math.inf, math.inf),
        scipy=stats.t,
        entropies=_entropies("df", "scale", loc=0.5),
        cdf=lambda x, df, loc, scale: special.stdtr(df, (np.asarray(x, dtype=np.float64) - loc) / scale),
        ppf=lambda u, df, loc, scale: loc + scale * stats.t.ppf(u, df),
        tails=({"df": 5.0, "loc": 0.5, "scale": 2.0}, (-(2.0**30), -6.0, 0.25, 9.0, 2.0**30)),
        hard=tuple({"df": df, "loc": 0.0, "scale": 1.0} for df in (0.05, 1.0, 2.0, 1e8)),
        expectations={
            "cos x": lambda df, loc, scale: mp.cos(loc) * _mean_cos_t(df, scale),
            "sin x": lambda df, loc, scale: mp.sin(loc) * _mean_cos_t(df, scale),
        },
        small=("log |x|", _mean_log_t, {"df": 0.05, "loc": 0.0, "scale": 2.0}),
    ),
    Family(
        "VonMises",
        points=({"loc": 0.5, "concentration": 0.7}, {"loc": -2.9, "concentration": 12.0}),
        outside=(math.nan,),
        ends=(-math.pi, math.pi),
        scipy=lambda loc, concentration: stats.vonmises(concentration, loc=loc),
        entropies=tuple({"loc": 0.5, "concentration": kappa} for kappa in (0.5, 3.0, 20.0, 0.01, 200.0)),
        cdf=_von_mises_cdf,
        ppf=_von_mises_ppf,
        tails=({"loc": 0.0, "concentration": 30.0}, (-3.0, -0.5, 0.125, 1.0, 3.0)),
        hard=tuple(
            {"loc": loc, "concentration": kappa}
            for loc, kappa in [(0.0, 1e-8), (3.0, 0.5), (0.0, 50.0), (0.0, 1e4), (0.0, 1e6), (0.0, 1e8)]
        ),
        expectations={
            "cos x": lambda loc, concentration: _mean_cos(concentration) * mp.cos(loc),
            "sin x": lambda loc, concentration: _mean_cos(concentration) * mp.sin(loc),
            "cos 2x": lambda loc, concentration: _mean_cos(concentration, 2) * mp.cos(2 * loc),
        },
        divergence=(
            closed_forms.von_mises_divergence,
            (
                ((0.5, 2.0), (-1.0, 7.0)),
                ((0.0, 1e-3), (3.0, 30.0)),
                ((0.0, 100.0), (0.5, 1e-3)),
                ((1.0, 2.0), (1.0, 2.000244140625)),
                ((1.0, 15.9), (1.0, 16.1)),
                ((1.0, 1e4), (1.0009765625, 10010.0)),
                ((0.0, 1e-5), (0.0, 2e-5)),
            ),
        ),
    ),
    Family(
        "ContinuousBernoulli",
        points=({"probs": 0.25},),
        tails=({"logits": -3.0}, (2.0**-30, 0.25, 0.5, 0.96875)),
        apart="shared/test_continuous_bernoulli.py",
    ),
    Family(
        "GeneralizedPareto",
        points=({"loc": 0.5, "scale": 2.0, "concentration": 0.25},),
        scipy=lambda concentration, loc, scale: stats.genpareto(concentration, loc, scale),
        tails=({"concentration": 0.25, "loc": 0.5, "scale": 2.0}, (0.5 + 2.0**-20, 0.75, 3.0, 64.0, 2.0**20)),
        apart="shared/test_generalized_pareto.py",
    ),
    Family(
        "SineBivariateVonMises",
        points=(dict(zip(ANGLES, (0.5, -1.0, 2.0, 3.0, 1.0), strict=True)),),
        apart="shared/test_sine_bivariate_von_mises.py",
    ),
    Family(
        "MixtureOfDiagNormals",
        points=({"locs": LOCS, "coord_scale": ((1.0, 0.5), (2.0, 1.0)), "component_logits": (0.0, 1.0)},),
        apart="shared/test_mixture_of_diag_normals.py",
    ),
    Family(
        "MixtureOfDiagNormalsSharedCovariance",
        points=({"locs": LOCS, "coord_scale": (1.0, 0.5), "component_logits": (0.0, 1.0)},),
        apart="shared/test_mixture_of_diag_normals.py",
    ),
    Family(
        "GaussianScaleMixture",
        points=({"coord_scale": (1.0, 0.5), "component_logits": (0.0, 1.0), "component_scale": (1.0, 2.0)},),
        apart="shared/test_mixture_of_diag_normals.py",
    ),
    Family(
        "MatrixNormal",
        points=({"loc": ((0.0, 1.0),), "scale_tril_row": ((1.0,),), "scale_tril_column": ((1.0, 0.0), (0.5, 1.0))},),
        apart="pyro/test_normal_arrays.py",
    ),
    Family("ZeroSumNormal", apart="pyro/test_normal_arrays.py"),
    Family(
        "Stable",
        points=({"stability": 1.5, "skew": 0.5, "scale": 2.0, "loc": 1.0},),
        apart="shared/test_stable.py",
    ),
    Family(
        "StableWithLogProb",
        points=({"stability": 1.5, "skew": 0.5, "scale": 2.0, "loc": 1.0},),
        apart="shared/test_stable.py",
    ),
    *(
        Family(name, scipy=scipy, tails=tails, hosts=True, apart="kernels/test_families.py")
        for name, scipy, tails in (
            ("Normal", stats.norm, (LOC_SCALE, (-20.0, -2.0, 0.25, 3.0, 24.0))),
            (
                "LogNormal",
                lambda loc, scale: stats.lognorm(scale, scale=math.exp(loc)),
                (LOC_SCALE, (2.0**-20, 0.5, 2.0**20)),
            ),
            ("Cauchy", stats.cauchy, (LOC_SCALE, (-(2.0**30), -6.0, 0.25, 9.0, 2.0**30))),
            ("Laplace", stats.laplace, (LOC_SCALE, (-160.0, -2.0, 0.25, 3.0, 160.0))),
            ("Logistic", stats.logistic, (LOC_SCALE, (-160.0, -2.0, 0.25, 3.0, 160.0))),
            ("Gumbel", stats.gumbel_r, (LOC_SCALE, (-8.0, -2.0, 0.75, 3.0, 160.0))),
            ("Exponential", lambda rate: stats.expon(scale=1.0 / rate), ({"rate": 1.5}, (2.0**-40, 0.5, 3.0, 60.0))),
            ("HalfNormal", lambda scale: stats.halfnorm(scale=scale), (TWO, (2.0**-40, 0.5, 3.0, 24.0))),
            ("HalfCauchy", lambda scale: stats.halfcauchy(scale=scale), (TWO, (2.0**-40, 0.5, 3.0, 2.0**30))),
            (
                "Uniform",
                lambda low, high: stats.uniform(low, high - low),
                ({"low": 0.5, "high": 4.0}, (0.5 + 2.0**-20, 1.0, 3.875)),
            ),
        )
    ),
    *ROWS,
    Family("MixtureSameFamily", made=True, apart="shared/test_mixture.py"),
    Family("MixtureGeneral", made=True, apart="shared/test_mixture.py"),
    Family("GaussianCopula", made=True, apart="shared/test_gaussian_copula.py"),
    Family("GaussianCopulaBeta", made=True, apart="shared/test_gaussian_copula.py"),
    Family("ConditionalChain", made=True, apart="shared/test_conditional_chain.py"),
    Family("Implicit", made=True, apart="shared/test_implicit_density.py"),
    Family("ImplicitDensity", made=True, apart="shared/test_implicit_density.py"),
    Family("Wrapped", made=True, apart="shared/test_wrapped.py"),
    *(Family(f"Truncated{base}", made=True, apart="shared/test_truncated.py")
      for base in ("", "Normal", "Cauchy", "Distribution")),
    *(Family(f"{side}TruncatedDistribution", made=True, apart="shared/test_truncated.py")
      for side in ("Left", "Right", "TwoSided")),
    *(Family(f"{side}CensoredDistribution", made=True, apart="shared/test_censored.py")
      for side in ("Left", "Right", "Interval")),
    *(Family(name, made=True, apart="shared/test_lkj_cholesky.py") for name in ("LKJ", "LKJCholesky")),
    *(Family(name, made=True, apart="shared/test_spherical.py")
      for name in ("PowerSpherical", "SphericalUniform", "VonMisesFisher")),
    *(Family(f"{name}{of}", made=True, apart="shared/test_wishart.py")
      for name in ("Wishart", "InverseWishart") for of in ("", "Cholesky")),
    Family("SineSkewed", made=True, apart="shared/test_sine_skewed.py"),
    *(Family(f"Relaxed{name}", made=True, apart="shared/test_relaxed.py")
      for name in ("BernoulliLogits", "OneHotCategorical")),
    Family("MultivariateStudentT", made=True, apart="shared/test_multivariate_student_t.py"),
)  # fmt: skip
BY_NAME = {family.name: family for family in TABLE}
FAMILIES = tuple(family for family in TABLE if not family.apart)
UNIVARIATE = tuple(family for family in FAMILIES if family.cdf)
SEVERAL_PARAMETERS = tuple(family for family in FAMILIES if len(family.points[0]) > 1)
DIRICHLETS = tuple(params["concentration"] for params in BY_NAME["Dirichlet"].points + BY_NAME["Dirichlet"].hard)
