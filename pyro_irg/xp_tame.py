"""The torch `Namespace` for float64 answers where no parameter is so large that the short formulas cancel.

As `xp64` it promises guard digits, so that kernels leave out what guards against cancellation; node counts and series
follow float64.  Only `irg_kernels.generic.by_region` says where that is right.
"""

from __future__ import annotations

from .xp import *  # noqa: F403
from .xp import __all__ as __all__

has_guard_digits = True
