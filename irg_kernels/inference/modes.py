"""Which ends of descents are modes: between two the energy rises."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..namespace import Array, Namespace

PARTED = 1.0
"""How many nats the energy must rise between two optima, in a straight line, if they are two modes."""

LINE = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Where on that line it is looked at."""


def between(xp: Namespace[Array], ends: Sequence[Array]) -> Array:
    """Points on the line between each two ends (D,), in the order of `apart`, (pairs, len(LINE), D)."""
    lines = []
    for i in range(len(ends)):
        for j in range(i):
            lines.append(xp.stack([ends[j] + part * (ends[i] - ends[j]) for part in LINE]))
    return xp.stack(lines)


def apart(count: int, energies: Sequence[Sequence[float]]) -> int:
    """How many of `count` ends are parted from all before that are: the energy rises in between, or is not finite.

    A descent along a curved or flat ridge may end anywhere on it, and in a poor approximation's scales far from others.

    :param energies: at the points of `between`.
    """
    rows, found = iter(energies), list[int]()
    for i in range(count):
        rises = [_rise(next(rows)) for _ in range(i)]
        if all(rises[j] > PARTED for j in found):
            found.append(i)
    return len(found)


def _rise(energies: Sequence[float]) -> float:
    """How far they rise above both ends."""
    first, *inner, last = energies
    return max(inner) - max(first, last) if all(map(math.isfinite, inner)) else math.inf
