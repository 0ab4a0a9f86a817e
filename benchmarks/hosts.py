"""What the libraries do today, and what the rows of docs/distributions.md say of distributions that have no record.

The faults are those of torch 2.13, Pyro 1.9.1, JAX and NumPyro 0.22 as seen; `distributions.py` writes them into the
table.
"""

REMARKS = {
    "AffineBeta": "torch's Beta inside",
    "AsymmetricLaplace": "a gradient through two draws, of larger variance",
    "AsymmetricLaplaceQuantile": "a gradient through two draws, of larger variance",
    "Beta": "torch: gradient to 1e-3, wrong sign in places; NumPyro: 1.1 to 1.95 times the variance",
    "BetaProportion": "a mixture of it raises in its derivative",
    "Chi2": "as `Gamma`",
    "ContinuousBernoulli": "no gradient for `probs` in (0.499, 0.501)",
    "Dagum": "NaN at small parameters",
    "Dirichlet": "as `Beta`; float32 gradients of log shares too small below 0.1: of 20 shares at 0.01, 0.58 of it in "
    "Pyro, 0.22 in NumPyro",
    "DoublyTruncatedPowerLaw": "off by 1 to 800 times at `alpha` near -1, NaN where steep",
    "FisherSnedecor": "at 0.02 degrees of freedom 31 % of the gradients NaN, those of log x 0.58 of the right ones; no "
    "cdf",
    "Gamma": "torch: gradient to 1e-4 in float64 too; both: small shapes underflow and lose or break the gradient",
    "GeneralizedPareto": "no gradient in `concentration` at 0",
    "Gompertz": "tails that round to 0 or 1",
    "InverseGamma": "NaN at small shapes",
    "Kumaraswamy": "exactly 0 or 1 at small parameters, without gradient",
    "Levy": "not declared reparameterized",
    "LogUniform": "NaN over a wide range",
    "LowerTruncatedPowerLaw": "infinite, with NaN, at `alpha` near -1",
    "MultivariateStudentT": "NaN in every draw at `df` 0.05, in some at 0.3 in float32; Pyro: no second derivative",
    "Pareto": "infinite at small `alpha`, with NaN",
    "RelaxedBernoulli": "at cold temperatures draws that are exactly 0 or 1, without gradient",
    "RelaxedBernoulliLogits": "as `RelaxedBernoulli`",
    "SineBivariateVonMises": "no gradient; Pyro refuses concentrations over 10,000",
    "SkewLogistic": "infinite draws, and NaN, at small `asymmetry`",
    "SoftAsymmetricLaplace": "a gradient through three draws, of larger variance; no cdf",
    "SoftLaplace": "infinite draws in float32",
    "StudentT": "a gradient through two draws, of larger variance; NaN at small `df`",
    "VonMises": "Pyro: no `rsample`; NumPyro: raises, or in forward mode wrong for `concentration`; float32 draws "
    "degenerate past kappa = 1e6",
    "Weibull": "infinite or exactly 0 at small `concentration`, with the gradient lost",
}

PARAMETERS = {"ContinuousBernoulli": "`probs` or `logits`"}

COMPOSED: tuple[tuple[tuple[str, ...], str, str, str, str], ...] = (
    (
        ("Dirichlet",),
        "`concentration`",
        "sampler of betas; one conditional mean of the share",
        "all",
        REMARKS["Dirichlet"],
    ),
    (
        ("MultivariateStudentT",),
        "`df`, `loc`, `scale_tril`",
        "normal numbers over the root of a gamma number; integral of its length",
        "all",
        REMARKS["MultivariateStudentT"],
    ),
    (
        ("VonMisesFisher", "PowerSpherical"),
        "`mean_direction`, `concentration`, in every dimension from 2 on",
        "the cosine's sampler and its integral, on a turned sphere",
        "all",
        "absent (Pyro's `VonMises3D` has a density alone)",
    ),
    (("SphericalUniform",), "it has none", "normal numbers", "all", "absent"),
    (
        ("LKJCholesky", "LKJ"),
        "`concentration`",
        "an onion of betas in log space",
        "all",
        "Pyro: no `rsample`; NumPyro: the gradient of log det is 102 for 10,000 at a concentration of 0.01, silently",
    ),
    (
        ("Wishart", "WishartCholesky", "InverseWishart", "InverseWishartCholesky"),
        "all",
        "Bartlett's factor, chi-squared numbers in log space",
        "all",
        "degrees of freedom next to d - 1: half of the draws outside the support, NaN; Pyro: no second derivative, "
        "`Wishart` alone; NumPyro: not declared reparameterized",
    ),
    (
        ("RelaxedOneHotCategorical",),
        "all",
        "Gumbel numbers",
        "all",
        "Pyro: at cold temperatures draws that are exactly 0 or 1, without gradient; NumPyro: absent",
    ),
    (
        ("SineBivariateVonMises",),
        "all",
        "sampler; one angle, then the other given it, by integrals",
        "all",
        REMARKS["SineBivariateVonMises"],
    ),
    (
        ("SineSkewed",),
        "`skewness`, and all of independent von Mises angles",
        "angles, mirrored at random; integral",
        "all",
        "no gradient in `skewness`; NumPyro: one in the base that is a fifth off, silently",
    ),
    (
        ("GaussianCopula", "GaussianCopulaBeta"),
        "correlation and marginals",
        "quantiles of normal numbers",
        "all",
        "Pyro: absent; NumPyro: infinite draws in float32's tails",
    ),
    (
        ("MixtureSameFamily", "MixtureGeneral"),
        "weights, and all of the components: univariate, `Independent`, `MultivariateNormal`, `MultivariateStudentT`",
        "a component's; tails of all, one coordinate after the other",
        "3, of vectors 2",
        "Pyro: no `rsample`; NumPyro: biased in the weights, silently",
    ),
    (
        ("MixtureOfDiagNormals", "MixtureOfDiagNormalsSharedCovariance"),
        "all",
        "a component's; tails of all, one coordinate after the other",
        "2",
        "Pyro: biased in the logits; NumPyro: absent",
    ),
    (
        ("GaussianScaleMixture",),
        "all",
        "a component's; tails of all, one coordinate after the other",
        "2",
        "Pyro: right, of one batch and more than one dimension; NumPyro: absent",
    ),
    (
        ("MatrixNormal", "ZeroSumNormal"),
        "all",
        "normal numbers",
        "all",
        "Pyro: absent; NumPyro's own are right",
    ),
    (
        ("Stable", "StableWithLogProb"),
        "all",
        "an angle and an exponential number; closed (the density an integral)",
        "all",
        "Pyro: within 0.01 of `stability` 1 interpolated, the log-density off by 1e-3; draws that overflow, with NaN; "
        'that of `coords="S"` another; NumPyro: absent',
    ),
    (
        (
            "Truncated",
            "TruncatedNormal",
            "TruncatedCauchy",
            "TruncatedDistribution",
            "LeftTruncatedDistribution",
            "RightTruncatedDistribution",
            "TwoSidedTruncatedDistribution",
        ),
        "bounds, and all of the base: any univariate distribution with a cdf",
        "quantile of the base; integrals of its density between the bounds",
        "3",
        "Pyro: absent; NumPyro: draws outside the support past 13 sigma in float32",
    ),
    (
        ("LeftCensoredDistribution", "RightCensoredDistribution", "IntervalCensoredDistribution"),
        "bounds, and all of the base (a likelihood)",
        "none: log-tails",
        "all",
        "Pyro: absent; NumPyro: log of a rounded mass, floored at -16 with gradient 0 in float32",
    ),
    (
        ("Wrapped",),
        "all of any distribution of the line with a cdf, as an angle",
        "the base's, modulo a turn",
        "2",
        "absent",
    ),
    (
        ("Implicit", "ImplicitDensity", "ConditionalChain"),
        "all of any univariate distribution, of a log-density alone, of a chain of conditionals",
        "any; tails by a cdf or by integrals of the density",
        "3",
        "absent",
    ),
)
"""(names, parameters, draw and path, orders to which a draw's derivatives are right, what the libraries do today)"""

IN_README = (
    ("VonMises", "none: no `rsample`, or an error"),
    ("Gamma", "off by 1e-4 (Beta 1e-3), lost at small shapes"),
    ("StudentT", "a larger variance; NaN at small `df`"),
)
"""(name, the fault in a few words)"""
