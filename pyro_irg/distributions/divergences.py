"""KL divergences in closed form, registered with torch for this package's classes, also against the host's.

Each is a sum of terms that are never negative (`irg_kernels`), accurate where the two distributions are close as where
a parameter is extreme; the textbook's formulas of the host lose all their digits there.  StudentT has no closed form.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch.distributions as host
from pyro.distributions import InverseGamma as HostInverseGamma
from torch import Tensor
from torch.distributions.kl import register_kl

from irg_kernels.families import beta, dirichlet, gamma, inverse_gamma, log_gamma, standard, von_mises
from irg_kernels.generic.family import Family

from .base import closed_form
from .beta import Beta
from .chi2 import Chi2
from .dirichlet import Dirichlet
from .gamma import Gamma
from .inverse_gamma import InverseGamma
from .log_gamma import LogGamma
from .von_mises import VonMises

__all__: list[str] = []

# name in `Family.divergences` -> the family, and the classes that the name stands for, the host's first
FAMILIES: dict[str, tuple[Family, tuple[type, ...]]] = {
    "Beta": (beta.FAMILY, (host.Beta, Beta)),
    "Exponential": (standard.EXPONENTIAL, (host.Exponential,)),
    "Gamma": (gamma.FAMILY, (host.Gamma, Gamma, Chi2)),
    "InverseGamma": (inverse_gamma.FAMILY, (HostInverseGamma, InverseGamma)),
    "LogGamma": (log_gamma.FAMILY, (LogGamma,)),
    "Uniform": (standard.UNIFORM, (host.Uniform,)),
    "VonMises": (von_mises.FAMILY, (host.VonMises, VonMises)),
}


def _register(function: Callable, first: tuple[type, ...], second: tuple[type, ...]) -> None:
    """For every pair with a class of this package's in it; the host's own pairs stay its own."""
    for p, q in itertools.product(first, second):
        if not (p.__module__.startswith("torch.") and q.__module__.startswith("torch.")):
            register_kl(p, q)(function)


def _of_families(divergence: Callable, first: Family, second: Family) -> Callable:
    def kl(p: Any, q: Any) -> Tensor:
        parameters = [
            getattr(distribution, name)
            for distribution, family in ((p, first), (q, second))
            for name in family.parameters
        ]
        return closed_form(divergence, *parameters)

    return kl


def _dirichlet_dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    return closed_form(dirichlet.divergence, p.concentration, q.concentration)


for _family, _classes in FAMILIES.values():
    for _name, _divergence in _family.divergences.items():
        _other, _others = FAMILIES[_name]
        _register(_of_families(_divergence, _family, _other), _classes, _others)
_register(_dirichlet_dirichlet, (host.Dirichlet, Dirichlet), (host.Dirichlet, Dirichlet))
