"""The torch `Namespace` for float32 answers computed in float64.

Eager torch pays for every operation, and float64 needs far fewer of them than float32 code that must avoid
cancellation: arrays are float64, but node counts and series follow float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .xp import *  # noqa: F403
from .xp import __all__ as __all__

has_guard_digits = True


def finfo(like: Tensor) -> torch.finfo:  # type: ignore[no-redef]
    return torch.finfo(torch.float32)
