"""HalfStudentT with implicit gradients."""

from __future__ import annotations

from typing import Any

from irg_kernels.families import half_student_t

from .base import Univariate


class HalfStudentT(Univariate):
    """Half Student-t distribution."""

    family = half_student_t.FAMILY

    def __init__(self, df: Any, scale: Any, *, validate_args: bool | None = None) -> None:
        self._begin(validate_args, df=df, scale=scale)
