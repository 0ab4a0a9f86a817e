"""A distribution as parameters by name, those of the distributions inside too, and made anew from others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Parts(NamedTuple):
    """What a distribution is made of."""

    params: dict[str, tuple[Any, int]]
    """name -> array, and the axes of one of its values"""
    inside: dict[str, tuple[Any, int]]
    """name -> distribution, and how many batch axes more than the one around it has"""
    make: Callable
    """(params, inside) -> the distribution"""


class Leaf(NamedTuple):
    """A parameter of a distribution or of one inside."""

    value: Any
    own: int
    """how many of its last axes are not those of the batch of the outermost distribution"""

    @property
    def own_shape(self) -> tuple[int, ...]:
        """Of those axes that it has."""
        shape = tuple(self.value.shape)
        return shape[max(len(shape) - self.own, 0) :]

    def shapes(self, batch: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shape with axes of one element where it has none, and that of one such parameter for each of a batch."""
        own = (1,) * (self.own - len(self.own_shape)) + self.own_shape
        lead = tuple(self.value.shape)[: len(self.value.shape) - len(self.own_shape)]
        return (1,) * (len(batch) - len(lead)) + lead + own, batch + own


def leaves_of(parts_of: Callable, distribution: Any, own: int = 0, path: str = "") -> dict[str, Leaf]:
    """path -> parameter, as in "base_dist.loc".

    :param parts_of: distribution -> `Parts`.
    """
    parts = parts_of(distribution)
    found = {path + name: Leaf(value, own + axes) for name, (value, axes) in parts.params.items()}
    for name, (inner, more) in parts.inside.items():
        found |= leaves_of(parts_of, inner, own + more, f"{path}{name}.")
    return found


def rebuilt(parts_of: Callable, distribution: Any, leaves: dict[str, Any], path: str = "") -> Any:
    """The distribution with the parameters of `leaves`."""
    parts = parts_of(distribution)
    inside = {n: rebuilt(parts_of, inner, leaves, f"{path}{n}.") for n, (inner, _) in parts.inside.items()}
    return parts.make({name: leaves[path + name] for name in parts.params}, inside)
