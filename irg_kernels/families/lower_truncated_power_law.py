"""LowerTruncatedPowerLaw: density proportional to x**alpha from low on, alpha < -1; Pareto of shape -1 - alpha."""

from __future__ import annotations

from ..generic.family import with_parameters
from ..namespace import Array, Namespace
from . import pareto


def _into(xp: Namespace[Array], alpha: Array, low: Array) -> tuple[Array, Array]:
    return low, -1.0 - alpha


def _jacobian(xp: Namespace[Array], alpha: Array, low: Array) -> tuple[tuple[float, float], ...]:
    return (0.0, -1.0), (1.0, 0.0)


FAMILY = with_parameters(pareto.FAMILY, {"alpha": "less_than -1", "low": "greater_than 0"}, _into, _jacobian)
