"""A drop-in for `numpyro.distributions`: everything of the host's module, with implicit gradients where needed."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from numpyro import distributions as _host
from numpyro.distributions import *

from irg_kernels.adapter.later import later as _later

from ..registry import TWINS as _TWINS
from . import divergences as _divergences

if TYPE_CHECKING:  # what LATER loads
    from .affine_beta import AffineBeta
    from .asymmetric_laplace import AsymmetricLaplace
    from .asymmetric_laplace_quantile import AsymmetricLaplaceQuantile
    from .beta import Beta
    from .beta_prime import BetaPrime
    from .beta_proportion import BetaProportion
    from .censored import IntervalCensoredDistribution, LeftCensoredDistribution, RightCensoredDistribution
    from .chi2 import Chi2
    from .conditional_chain import ConditionalChain, Rosenblatt
    from .continuous_bernoulli import ContinuousBernoulli
    from .dagum import Dagum
    from .dirichlet import Dirichlet
    from .doubly_truncated_power_law import DoublyTruncatedPowerLaw
    from .exponentially_modified_gaussian import ExponentiallyModifiedGaussian
    from .fisher_snedecor import FisherSnedecor
    from .gamma import Gamma
    from .gaussian_copula import GaussianCopula, GaussianCopulaBeta
    from .generalized_extreme_value import GeneralizedExtremeValue
    from .generalized_gamma import GeneralizedGamma
    from .generalized_inverse_gaussian import GeneralizedInverseGaussian
    from .generalized_normal import GeneralizedNormal
    from .generalized_pareto import GeneralizedPareto
    from .gompertz import Gompertz
    from .half_student_t import HalfStudentT
    from .implicit_density import Implicit, ImplicitDensity
    from .inverse_gamma import InverseGamma
    from .inverse_gaussian import InverseGaussian
    from .inverse_wishart import InverseWishart, InverseWishartCholesky
    from .johnson_su import JohnsonSU
    from .kumaraswamy import Kumaraswamy
    from .levy import Levy
    from .lkj_cholesky import LKJ, LKJCholesky
    from .log_gamma import LogGamma
    from .log_uniform import LogUniform
    from .logit_normal import LogitNormal
    from .lower_truncated_power_law import LowerTruncatedPowerLaw
    from .maxwell import Maxwell
    from .mixture import MixtureGeneral, MixtureSameFamily
    from .mixture_of_diag_normals import (
        GaussianScaleMixture,
        MixtureOfDiagNormals,
        MixtureOfDiagNormalsSharedCovariance,
    )
    from .multivariate_student_t import MultivariateStudentT
    from .nakagami import Nakagami
    from .noncentral_chi2 import NoncentralChi2
    from .normal_inverse_gaussian import NormalInverseGaussian
    from .pareto import Pareto
    from .pert import PERT
    from .power_spherical import PowerSpherical
    from .rayleigh import Rayleigh
    from .relaxed_bernoulli import RelaxedBernoulli, RelaxedBernoulliLogits
    from .relaxed_one_hot_categorical import RelaxedOneHotCategorical
    from .rice import Rice
    from .sine_bivariate_von_mises import SineBivariateVonMises
    from .sine_skewed import SineSkewed
    from .skew_logistic import SkewLogistic
    from .skew_normal import SkewNormal
    from .soft_asymmetric_laplace import SoftAsymmetricLaplace
    from .soft_laplace import SoftLaplace
    from .spherical_uniform import SphericalUniform
    from .stable import Stable
    from .student_t import StudentT
    from .triangular import Triangular
    from .truncated import (
        LeftTruncatedDistribution,
        RightTruncatedDistribution,
        Truncated,
        TruncatedCauchy,
        TruncatedDistribution,
        TruncatedNormal,
        TwoSidedTruncatedDistribution,
    )
    from .von_mises import VonMises
    from .von_mises_fisher import VonMisesFisher
    from .weibull import Weibull
    from .wishart import Wishart, WishartCholesky
    from .wrapped import Wrapped

__all__ = [
    "LKJ",
    "PERT",
    "AffineBeta",
    "AsymmetricLaplace",
    "AsymmetricLaplaceQuantile",
    "Beta",
    "BetaPrime",
    "BetaProportion",
    "Chi2",
    "ConditionalChain",
    "ContinuousBernoulli",
    "Dagum",
    "Dirichlet",
    "DoublyTruncatedPowerLaw",
    "ExponentiallyModifiedGaussian",
    "FisherSnedecor",
    "Gamma",
    "GaussianCopula",
    "GaussianCopulaBeta",
    "GaussianScaleMixture",
    "GeneralizedExtremeValue",
    "GeneralizedGamma",
    "GeneralizedInverseGaussian",
    "GeneralizedNormal",
    "GeneralizedPareto",
    "Gompertz",
    "HalfStudentT",
    "Implicit",
    "ImplicitDensity",
    "IntervalCensoredDistribution",
    "InverseGamma",
    "InverseGaussian",
    "InverseWishart",
    "InverseWishartCholesky",
    "JohnsonSU",
    "Kumaraswamy",
    "LKJCholesky",
    "LeftCensoredDistribution",
    "LeftTruncatedDistribution",
    "Levy",
    "LogGamma",
    "LogUniform",
    "LogitNormal",
    "LowerTruncatedPowerLaw",
    "Maxwell",
    "MixtureGeneral",
    "MixtureOfDiagNormals",
    "MixtureOfDiagNormalsSharedCovariance",
    "MixtureSameFamily",
    "MultivariateStudentT",
    "Nakagami",
    "NoncentralChi2",
    "NormalInverseGaussian",
    "Pareto",
    "PowerSpherical",
    "Rayleigh",
    "RelaxedBernoulli",
    "RelaxedBernoulliLogits",
    "RelaxedOneHotCategorical",
    "Rice",
    "RightCensoredDistribution",
    "RightTruncatedDistribution",
    "SineBivariateVonMises",
    "SineSkewed",
    "SkewLogistic",
    "SkewNormal",
    "SoftAsymmetricLaplace",
    "SoftLaplace",
    "SphericalUniform",
    "Stable",
    "StudentT",
    "Triangular",
    "Truncated",
    "TruncatedCauchy",
    "TruncatedDistribution",
    "TruncatedNormal",
    "TwoSidedTruncatedDistribution",
    "VonMises",
    "VonMisesFisher",
    "Weibull",
    "Wishart",
    "WishartCholesky",
    "Wrapped",
]
IMPLICIT = tuple(__all__)
"""Names of the classes that are this package's own."""

__all__ += _host.__all__  # so written that type checkers read it
__all__[:] = sorted(set(__all__))

_ELSEWHERE = {
    "GaussianCopulaBeta": "gaussian_copula",
    "GaussianScaleMixture": "mixture_of_diag_normals",
    "Implicit": "implicit_density",
    "IntervalCensoredDistribution": "censored",
    "InverseWishartCholesky": "inverse_wishart",
    "LKJ": "lkj_cholesky",
    "LKJCholesky": "lkj_cholesky",
    "LeftCensoredDistribution": "censored",
    "LeftTruncatedDistribution": "truncated",
    "MixtureGeneral": "mixture",
    "MixtureOfDiagNormalsSharedCovariance": "mixture_of_diag_normals",
    "MixtureSameFamily": "mixture",
    "RelaxedBernoulliLogits": "relaxed_bernoulli",
    "RightCensoredDistribution": "censored",
    "RightTruncatedDistribution": "truncated",
    "Rosenblatt": "conditional_chain",
    "TruncatedCauchy": "truncated",
    "TruncatedDistribution": "truncated",
    "TruncatedNormal": "truncated",
    "TwoSidedTruncatedDistribution": "truncated",
    "WishartCholesky": "wishart",
}

LATER = _later(__name__, (*IMPLICIT, "Rosenblatt"), globals(), _ELSEWHERE)
"""Class -> module: each is loaded when it is first asked for; those that NumPyro has, when the table of twins is."""

for _name in LATER.keys() & globals().keys():  # the host's class of that name
    del globals()[_name]


def _load_twins() -> None:
    """Load every class that NumPyro has, too."""
    for name in LATER:
        if hasattr(_host, name):
            __getattr__(name)


_TWINS.load_by(_load_twins)


def __getattr__(name):
    if name in LATER:
        globals()[name] = getattr(_import_module(f".{LATER[name]}", __name__), name)
        return globals()[name]
    # submodules and names that the host's __all__ leaves out
    return getattr(_host, name)


def __dir__():
    return sorted({*globals(), *__all__, *LATER})
