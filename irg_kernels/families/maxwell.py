"""Maxwell: the length of a vector of three normal numbers, a generalized gamma distribution of power 2."""

from __future__ import annotations

import dataclasses
import math

from ..generic.derived import with_parameters
from ..generic.family import Draw
from ..namespace import Array, Namespace
from ..numerics.elementary import positive
from . import generalized_gamma


def _into(xp: Namespace[Array], scale: Array) -> tuple[Array, Array, Array]:
    return 1.5 + 0.0 * scale, math.sqrt(2.0) * scale, 2.0 + 0.0 * scale


def _jacobian(xp: Namespace[Array], scale: Array) -> tuple[tuple[float, ...], ...]:
    return ((0.0, math.sqrt(2.0), 0.0),)


def _draw(xp: Namespace[Array], first: Array, second: Array, third: Array, scale: Array) -> Array:
    """log x"""
    return xp.log(scale) + 0.5 * xp.log(positive(xp, first * first + second * second + third * third))


FAMILY = dataclasses.replace(
    with_parameters(generalized_gamma.FAMILY, {"scale": "positive"}, _into, _jacobian),
    draw=Draw(_draw, ("normal", "normal", "normal")),
    mean=lambda xp, scale: 2.0 * math.sqrt(2.0 / math.pi) * scale,
    variance=lambda xp, scale: (3.0 - 8.0 / math.pi) * scale * scale,
    about=r"""
    Density :math:`\sqrt{2/\pi} x^2 / \sigma^3 \exp(-x^2 / (2 \sigma^2))` for x > 0.

    :param scale: :math:`\sigma > 0`; number or array.
    """,
)
