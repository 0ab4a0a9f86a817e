"""Classes that are loaded when they are first asked for: the table of the files that both adapters have."""

from __future__ import annotations

import re
from collections.abc import Mapping

# The files of one class, the file's name in snake case.
_ALONE = """
    AffineBeta AsymmetricLaplace AsymmetricLaplaceQuantile Beta BetaPrime BetaProportion Chi2 ConditionalChain
    ContinuousBernoulli Dagum Dirichlet DoublyTruncatedPowerLaw ExponentiallyModifiedGaussian FisherSnedecor Gamma
    GeneralizedBeta GeneralizedExtremeValue GeneralizedGamma GeneralizedInverseGaussian GeneralizedNormal
    GeneralizedPareto Gompertz HalfStudentT InverseGamma InverseGaussian JohnsonSU Kumaraswamy Levy LogGamma
    LogUniform LogitNormal LowerTruncatedPowerLaw Maxwell MultivariateStudentT Nakagami NoncentralChi2
    NormalInverseGaussian PERT Pareto PowerSpherical Rayleigh RelaxedBernoulli RelaxedOneHotCategorical Rice
    SineBivariateVonMises SineSkewed SkewLogistic SkewNormal SoftAsymmetricLaplace SoftLaplace SphericalUniform
    Stable StudentT Triangular VonMises VonMisesFisher Weibull Wrapped
"""
# file -> its classes
_TOGETHER = {
    "censored": "IntervalCensoredDistribution LeftCensoredDistribution RightCensoredDistribution",
    "gaussian_copula": "GaussianCopula GaussianCopulaBeta",
    "implicit_density": "Implicit ImplicitDensity",
    "inverse_wishart": "InverseWishart InverseWishartCholesky",
    "lkj_cholesky": "LKJ LKJCholesky",
    "mixture": "MixtureSameFamily",
    "mixture_of_diag_normals": "GaussianScaleMixture MixtureOfDiagNormals MixtureOfDiagNormalsSharedCovariance",
    "truncated": """
        LeftTruncatedDistribution RightTruncatedDistribution Truncated TruncatedCauchy TruncatedDistribution
        TruncatedNormal TwoSidedTruncatedDistribution
    """,
    "wishart": "Wishart WishartCholesky",
}


def later(own: Mapping[str, str]) -> dict[str, str]:
    """Class -> file, sorted by class.

    :param own: of the classes that the other adapter has not.
    """
    alone = {name: re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in _ALONE.split()}
    together = {name: file for file, names in _TOGETHER.items() for name in names.split()}
    return dict(sorted({**alone, **together, **own}.items()))
