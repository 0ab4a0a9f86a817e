"""A drop-in for `numpyro.distributions`: everything of the host's module, with implicit gradients where needed."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from numpyro import distributions as _host
from numpyro.distributions import *

from irg_kernels.adapter.later import later as _later

from ..registry import TWINS as _TWINS
from . import divergences as _divergences

LATER = _later({"MixtureGeneral": "mixture", "RelaxedBernoulliLogits": "relaxed_bernoulli"})
"""Class -> module: each is loaded when it is first asked for; those that NumPyro has, when the table of twins is."""

IMPLICIT = tuple(LATER)
"""Names of the classes that are this package's own."""

LATER["Rosenblatt"] = "conditional_chain"  # the old name of ConditionalChain

if TYPE_CHECKING:  # what LATER loads; "as" itself a name is public without an `__all__`, which is not written out
    from .affine_beta import AffineBeta as AffineBeta
    from .asymmetric_laplace import AsymmetricLaplace as AsymmetricLaplace
    from .asymmetric_laplace_quantile import AsymmetricLaplaceQuantile as AsymmetricLaplaceQuantile
    from .beta import Beta as Beta
    from .beta_prime import BetaPrime as BetaPrime
    from .beta_proportion import BetaProportion as BetaProportion
    from .censored import *
    from .chi2 import Chi2 as Chi2
    from .conditional_chain import *
    from .continuous_bernoulli import ContinuousBernoulli as ContinuousBernoulli
    from .dagum import Dagum as Dagum
    from .dirichlet import Dirichlet as Dirichlet
    from .doubly_truncated_power_law import DoublyTruncatedPowerLaw as DoublyTruncatedPowerLaw
    from .exponentially_modified_gaussian import ExponentiallyModifiedGaussian as ExponentiallyModifiedGaussian
    from .fisher_snedecor import FisherSnedecor as FisherSnedecor
    from .gamma import Gamma as Gamma
    from .gaussian_copula import *
    from .generalized_beta import GeneralizedBeta as GeneralizedBeta
    from .generalized_extreme_value import GeneralizedExtremeValue as GeneralizedExtremeValue
    from .generalized_gamma import GeneralizedGamma as GeneralizedGamma
    from .generalized_inverse_gaussian import GeneralizedInverseGaussian as GeneralizedInverseGaussian
    from .generalized_normal import GeneralizedNormal as GeneralizedNormal
    from .generalized_pareto import GeneralizedPareto as GeneralizedPareto
    from .gompertz import Gompertz as Gompertz
    from .half_student_t import HalfStudentT as HalfStudentT
    from .implicit_density import *
    from .inverse_gamma import InverseGamma as InverseGamma
    from .inverse_gaussian import InverseGaussian as InverseGaussian
    from .inverse_wishart import *
    from .johnson_su import JohnsonSU as JohnsonSU
    from .kumaraswamy import Kumaraswamy as Kumaraswamy
    from .levy import Levy as Levy
    from .lkj_cholesky import *
    from .log_gamma import LogGamma as LogGamma
    from .log_uniform import LogUniform as LogUniform
    from .logit_normal import LogitNormal as LogitNormal
    from .lower_truncated_power_law import LowerTruncatedPowerLaw as LowerTruncatedPowerLaw
    from .maxwell import Maxwell as Maxwell
    from .mixture import *
    from .mixture_of_diag_normals import *
    from .multivariate_student_t import MultivariateStudentT as MultivariateStudentT
    from .nakagami import Nakagami as Nakagami
    from .noncentral_chi2 import NoncentralChi2 as NoncentralChi2
    from .normal_inverse_gaussian import NormalInverseGaussian as NormalInverseGaussian
    from .pareto import Pareto as Pareto
    from .pert import PERT as PERT
    from .power_spherical import PowerSpherical as PowerSpherical
    from .rayleigh import Rayleigh as Rayleigh
    from .relaxed_bernoulli import *
    from .relaxed_one_hot_categorical import RelaxedOneHotCategorical as RelaxedOneHotCategorical
    from .rice import Rice as Rice
    from .sine_bivariate_von_mises import SineBivariateVonMises as SineBivariateVonMises
    from .sine_skewed import SineSkewed as SineSkewed
    from .skew_logistic import SkewLogistic as SkewLogistic
    from .skew_normal import SkewNormal as SkewNormal
    from .soft_asymmetric_laplace import SoftAsymmetricLaplace as SoftAsymmetricLaplace
    from .soft_laplace import SoftLaplace as SoftLaplace
    from .spherical_uniform import SphericalUniform as SphericalUniform
    from .stable import Stable as Stable
    from .student_t import StudentT as StudentT
    from .triangular import Triangular as Triangular
    from .truncated import *
    from .von_mises import VonMises as VonMises
    from .von_mises_fisher import VonMisesFisher as VonMisesFisher
    from .weibull import Weibull as Weibull
    from .wishart import Wishart as Wishart
    from .wishart import WishartCholesky as WishartCholesky
    from .wrapped import Wrapped as Wrapped
else:
    __all__ = sorted({*IMPLICIT, *_host.__all__})

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
    return sorted({*globals(), *LATER, *_host.__all__})
