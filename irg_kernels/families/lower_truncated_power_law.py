"""LowerTruncatedPowerLaw: density proportional to x**alpha from low on, alpha < -1; Pareto of shape -1 - alpha."""

from __future__ import annotations

import dataclasses

from ..generic.derived import with_parameters
from ..namespace import Array, Namespace
from . import pareto


def _into(xp: Namespace[Array], alpha: Array, low: Array) -> tuple[Array, Array]:
    return low, -1.0 - alpha


def _jacobian(xp: Namespace[Array], alpha: Array, low: Array) -> tuple[tuple[float, float], ...]:
    return (0.0, -1.0), (1.0, 0.0)


FAMILY = dataclasses.replace(
    with_parameters(pareto.FAMILY, {"alpha": "less_than -1", "low": "greater_than 0"}, _into, _jacobian),
    about=r"""
    Density proportional to :math:`x^\alpha` for :math:`x \ge a`.

    A draw that leaves the range of its dtype is held at its end, with the relative derivative of the true draw.

    :param alpha: :math:`\alpha < -1`; number or array, broadcast with the others.
    :param low: :math:`a > 0`.
    """,
)
