"""Guides for Pyro's SVI."""

from .auto import AutoHVAE
from .auto_mixture import AutoMixture
from .evaluation import Evidence, diagnostics, log_evidence, log_weights
from .hvae import HVAE

__all__ = ["HVAE", "AutoHVAE", "AutoMixture", "Evidence", "diagnostics", "log_evidence", "log_weights"]
