"""Methods of distributions that read the same in both libraries; `A` is the library's array.

Pyro's distributions are generic, too: of two bases of which one comes from here, the other stands first, or it would
come after all of the host's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Generic, TypeVar

from ..generic.family import Family, cdf_of, log_cdf_of, log_sf_of
from .messages import out_of_order, pairs_in_order, too_large

A = TypeVar("A")

PATH = r"""A draw moves with a parameter so as to keep its quantile, by
:math:`-(\partial F / \partial \theta) / p(x)` (Figurnov, Mohamed, Mnih 2018, eq. 5)."""


def described(own: str | None, family: Family, array: str) -> str | None:
    """The docstring of a class: its own first paragraph, what the record says, how a draw moves unless the record says
    so itself, what is refused, its own examples.

    One that describes its parameters itself stays as it is, and None under `python -OO`.

    :param array: what the library calls one.
    """
    if own is None or not family.about or ":param" in own:
        return own
    about = inspect.cleandoc(family.about).replace("number or array", f"number or {array}")
    about, source, cited = about.partition("\n\nSource:")
    if "Figurnov" not in about:
        text, param, params = about.partition(":param")
        about = "\n\n".join(part for part in (text.strip(), PATH, param + params) if part)
    if ":raises" not in about:
        about += f"\n:raises ValueError: {_refused(family)}."
    text = inspect.cleandoc(own)
    start = text.find(">>>")
    parts = (text, "") if start < 0 else (text[:start], text[start:])
    return "\n\n".join(part.strip() for part in (parts[0], about + source + cited, parts[1]) if part)


def _refused(family: Family) -> str:
    if len(family.parameters) == 1:
        return "for a parameter outside its constraint or not finite"
    order = " not in order," if family.order else ""
    return f"for parameters outside their constraint, not finite,{order} or that do not broadcast"


class FamilyMethods(Generic[A]):
    """Of a univariate distribution whose mathematics is the record `family`.

    A class gives `_tail(which, value)`, the function that `which` makes of the family, at the value, `icdf`,
    `_uniforms(u)`, which checks u, and `_closed_form(kernel, *parameters)`.
    """

    family: Family
    _array = "array"  # what the library calls one
    _tail: Callable[..., A]
    _closed_form: Callable[..., A]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "family" in cls.__dict__:
            cls.__doc__ = described(cls.__doc__, cls.family, cls._array)

    def _family_parameters(self) -> tuple[A, ...]:
        return tuple(getattr(self, name) for name in self.family.parameters)

    def _relations(self) -> Iterator[tuple[Any, Callable[[], str]]]:
        """(where parameters stand to one another as they must, what to tell of others)"""
        name = type(self).__name__
        for low, high, equal in pairs_in_order(self.family.order):
            least, most = getattr(self, low), getattr(self, high)
            yield least <= most if equal else least < most, partial(out_of_order, name, low, high, equal, least, most)
        for inner, outer in self.family.within.items():
            size, limit = getattr(self, inner), getattr(self, outer)
            yield abs(size) < limit, partial(too_large, name, inner, outer, size, limit)

    def cdf(self, value: Any) -> A:
        """P(X <= value), inside the support, with derivatives in the value and every parameter."""
        return self._tail(cdf_of, value)

    def log_cdf(self, value: Any) -> A:
        """log P(X <= value), finite however far out in the tail."""
        return self._tail(log_cdf_of, value)

    def log_sf(self, value: Any) -> A:
        """log P(X > value), finite however far out in the tail."""
        return self._tail(log_sf_of, value)

    def entropy(self) -> A:
        """-E[log p], to full relative accuracy."""
        if self.family.entropy is None:
            return super().entropy()  # type: ignore[misc]  # the host's
        return self._closed_form(self.family.entropy, *self._family_parameters())

    @property
    def mean(self) -> A:
        """E[X], where the family knows it."""
        if self.family.mean is None:
            return super().mean  # type: ignore[misc]  # the host's
        return self._closed_form(self.family.mean, *self._family_parameters())

    @property
    def variance(self) -> A:
        """Var[X], where the family knows it."""
        if self.family.variance is None:
            return super().variance  # type: ignore[misc]  # the host's
        return self._closed_form(self.family.variance, *self._family_parameters())


class DensityMethods(Generic[A]):
    """Of a distribution that gives `log_tails`."""

    log_tails: Callable[..., tuple[A, A]]

    def log_cdf(self, value: Any) -> A:
        """log P(X <= value)."""
        return self.log_tails(value)[0]

    def log_sf(self, value: Any) -> A:
        """log P(X > value)."""
        return self.log_tails(value)[1]


class AroundBase(Generic[A]):
    """Of `Implicit`: what is not the draw's derivative is the base's, or that of its numerical distribution function,
    `_known`."""

    base_dist: Any
    _density: Any

    @property
    def _known(self) -> Any:
        return self.base_dist if self._density is None else self._density

    def log_prob(self, value: Any) -> A:
        return self.base_dist.log_prob(value)

    def cdf(self, value: Any) -> A:
        return self._known.cdf(value)

    def icdf(self, value: Any) -> A:
        return self._known.icdf(value)

    def entropy(self) -> A:
        return self.base_dist.entropy()

    @property
    def mean(self) -> A:
        return self.base_dist.mean

    @property
    def variance(self) -> A:
        return self.base_dist.variance
