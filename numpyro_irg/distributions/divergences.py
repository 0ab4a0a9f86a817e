"""KL divergences, registered with NumPyro for this package's classes, also against the host's.

Each is a sum of terms that are never negative (`irg_kernels`), accurate where the two distributions are close as where
a parameter is extreme; the textbook's formulas of the host lose all their digits there.  Two StudentT take a rule
of fixed nodes, as exact.
"""

from __future__ import annotations

import numpyro.distributions as host
from numpyro.distributions.kl import kl_divergence

from irg_kernels.adapter.host_families import register_divergences

from .base import closed_form
from .beta import Beta
from .chi2 import Chi2
from .dirichlet import Dirichlet
from .gamma import Gamma
from .inverse_gamma import InverseGamma
from .log_gamma import LogGamma
from .student_t import StudentT
from .von_mises import VonMises

__all__: list[str] = []

CLASSES: dict[str, tuple[type, ...]] = {
    "Beta": (host.Beta, Beta),
    "Dirichlet": (host.Dirichlet, Dirichlet),
    "Exponential": (host.Exponential,),
    "Gamma": (host.Gamma, Gamma, Chi2),
    "InverseGamma": (host.InverseGamma, InverseGamma),
    "LogGamma": (LogGamma,),
    "StudentT": (host.StudentT, StudentT),
    "Uniform": (host.Uniform,),
    "VonMises": (host.VonMises, VonMises),
}
"""A name in `Family.divergences` -> the classes that it stands for."""

register_divergences(lambda p, q, kl: kl_divergence.register(p, q)(kl), CLASSES, "numpyro", closed_form)
