"""Guides for Pyro's SVI."""

from .auto import AutoHVAE
from .auto_mixture import AutoMixture
from .checkpoint import get_state, set_state
from .draws import to_arviz, weighted_draws
from .elbo import PathGradientELBO
from .evaluation import Evidence, diagnostics, log_evidence, log_weights, pareto_k
from .hvae import HVAE
from .qmc import QMC_ELBO

__all__ = [
    "HVAE",
    "QMC_ELBO",
    "AutoHVAE",
    "AutoMixture",
    "Evidence",
    "PathGradientELBO",
    "diagnostics",
    "get_state",
    "log_evidence",
    "log_weights",
    "pareto_k",
    "set_state",
    "to_arviz",
    "weighted_draws",
]
