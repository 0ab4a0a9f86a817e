"""The NumPy `Namespace` for float64 answers where no parameter is so large that the short formulas cancel: `xp_numpy`
with what `xp_tame` changes."""

from __future__ import annotations

from .xp_numpy import *  # noqa: F403
from .xp_numpy import __all__ as __all__

has_guard_digits = True
