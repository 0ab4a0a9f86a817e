"""Angles in [-pi, pi]."""

from __future__ import annotations

import math

from ..namespace import Array, Namespace


def wrap(xp: Namespace[Array], angle: Array) -> Array:
    """The angle in [-pi, pi]; one that lies there already keeps all its digits."""
    turns = xp.round(angle / (2.0 * math.pi))
    # 2 pi as a sum of two numbers, of which the first has so few digits that its multiples are exact
    return _held(xp, (angle - 6.28125 * turns) - 0.001935307179586477 * turns, math.pi)


def turned(xp: Namespace[Array], loc: Array, centred: Array) -> Array:
    """The angle loc + centred, strictly between -pi and pi: float32's number next to pi is larger than pi."""
    return between(xp, wrap(xp, wrap(xp, loc) + centred))


def between(xp: Namespace[Array], angle: Array) -> Array:
    """The angle strictly between -pi and pi, where a distribution function that counts from -pi is neither 0 nor 1."""
    return _held(xp, angle, math.pi * (1.0 - float(xp.finfo(angle).eps)))


def _held(xp: Namespace[Array], angle: Array, end: float) -> Array:
    """In [-end, end], with its derivatives also where rounding has put it beyond, as 3 pi less two turns."""
    fixed = xp.stop_gradient(angle)
    return angle + (xp.clip(fixed, -end, end) - fixed)
