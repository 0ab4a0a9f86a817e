"""Rayleigh: the length of a vector of two normal numbers, a Weibull one of concentration 2 and
scale sqrt(2) times its own."""

from __future__ import annotations

import dataclasses
import math

from ..generic.derived import with_parameters
from ..namespace import Array, Namespace
from . import weibull


def _into(xp: Namespace[Array], scale: Array) -> tuple[Array, Array]:
    return math.sqrt(2.0) * scale, 2.0 + 0.0 * scale


def _jacobian(xp: Namespace[Array], scale: Array) -> tuple[tuple[float, float], ...]:
    return ((math.sqrt(2.0), 0.0),)


FAMILY = dataclasses.replace(
    with_parameters(weibull.FAMILY, {"scale": "positive"}, _into, _jacobian),
    mean=lambda xp, scale: math.sqrt(0.5 * math.pi) * scale,
    variance=lambda xp, scale: (2.0 - 0.5 * math.pi) * scale * scale,
    about=r"""
    Density :math:`x / \sigma^2 \exp(-x^2 / (2 \sigma^2))` for x > 0.

    :param scale: :math:`\sigma > 0`; number or array.
    """,
)
