"""Chi2(df) = Gamma(df / 2, 1 / 2)."""

from __future__ import annotations

import dataclasses

from ..generic.derived import with_parameters
from . import gamma

FAMILY = dataclasses.replace(
    with_parameters(
        gamma.FAMILY,
        {"df": "positive"},
        into=lambda xp, df: (0.5 * df, 0.5 + 0.0 * df),
        jacobian=lambda xp, df: ((0.5, 0.0),),
    ),
    about=r"""
    Density :math:`x^{\nu/2 - 1} e^{-x/2} / (2^{\nu/2} \Gamma(\nu/2))` for x > 0.

    :param df: degrees of freedom :math:`\nu > 0`; number or array.
    """,
)
