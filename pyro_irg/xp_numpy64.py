"""The NumPy `Namespace` for float32 answers computed in float64: `xp_numpy` with what `xp64` changes."""

from __future__ import annotations

import torch

from .xp_numpy import *  # noqa: F403
from .xp_numpy import Array
from .xp_numpy import __all__ as __all__

has_guard_digits = True

_LIMITS = torch.finfo(torch.float32)


def finfo(like: Array) -> torch.finfo:  # type: ignore[no-redef]
    return _LIMITS
