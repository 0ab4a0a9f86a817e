"""Guides for NumPyro's SVI."""

from .auto import AutoHVAE
from .auto_mixture import AutoMixture
from .elbo import PathGradientELBO
from .evaluation import Evidence, diagnostics, log_evidence, log_weights
from .hvae import HVAE

__all__ = [
    "HVAE",
    "AutoHVAE",
    "AutoMixture",
    "Evidence",
    "PathGradientELBO",
    "diagnostics",
    "log_evidence",
    "log_weights",
]
