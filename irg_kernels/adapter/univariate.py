"""What is known of a library's univariate distributions: family, ends of the support, density, log-tails, and whether a
value tells that of a base."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from numbers import Real
from typing import Any, Generic

from ..generic import censoring
from ..generic.family import Family, log_cdf_of, log_sf_of
from ..namespace import Array
from . import messages
from .host_families import family_of_class


class Univariates(Generic[Array]):
    """An adapter gives its library's classes and what that does otherwise."""

    package: str
    """the adapter"""
    trusted: tuple[str, ...]
    """packages whose own subclasses are the same distribution"""
    xp: Any
    hosts: Mapping[type, Family]
    """the host's class -> its family"""
    ours: type
    """the class of ours whose mathematics is a record"""
    distribution: Any
    """the class of all distributions"""
    transformed: Any
    folded: type
    mixture: type
    """of components along the last axis"""
    wrappers: tuple[type, ...]
    """the classes around a distribution that leave its elements as they are"""
    folding: tuple[type, ...]
    """transforms that make one value of several, of which the inverse gives another than was drawn"""
    support_of: Callable
    together: Callable[..., tuple[Array, ...]]
    call: Callable[..., Array]
    density_of: Callable[..., Array]
    """(family, x, *params) -> log p(x)"""
    parameter: Callable[..., Array]
    """a parameter of the host's -> an array"""

    def __init__(self) -> None:
        self._family_of_class: Callable[[type], Family | None] = cache(
            lambda kind: family_of_class(kind, self.hosts, self.trusted)
        )

    def like(self, end: Any, x: Array) -> Array:
        """The end as an array of the dtype of x."""
        raise NotImplementedError

    def components(self, distribution: Any) -> list[Any] | None:
        """Of a mixture."""
        raise NotImplementedError

    def tails_of_mixture(self, distribution: Any, x: Array) -> tuple[Array, Array]:
        raise NotImplementedError

    def log_about_0(self, family: Family, *args: Array) -> Array:
        return censoring.log_about_0(self.xp, family, *args)

    # ----------------------------------------------------------------------------------------------------- what it is

    def family_of(self, distribution: Any) -> tuple[Family, tuple[Array, ...]] | None:
        """The family of an elementwise distribution and its parameters; None where no record is known."""
        family = self._family_of_class(type(distribution))
        if family is None:
            return None
        if isinstance(distribution, self.ours):
            return family, distribution._family_parameters()  # type: ignore[attr-defined]
        return family, tuple(self.parameter(getattr(distribution, name)) for name in family.parameters)

    def ends_of(self, base: Any) -> tuple[Any, Any]:
        """The ends of the support, numbers or, where they depend on parameters, arrays without derivative."""
        known = self.family_of(base)
        if isinstance(base, self.mixture):
            least, most = self.ends_of(self.unwrapped(base.component_distribution))  # type: ignore[attr-defined]
            least, most = self._least_of_each(least), -self._least_of_each(-most)
        elif known is not None:
            least, most = self.support_of(known[0], *known[1])
        else:
            least, most = (getattr(base.support, name, None) for name in ("lower_bound", "upper_bound"))
            least, most = -math.inf if least is None else least, math.inf if most is None else most
        least, most = (float(e) if isinstance(e, Real) else self.xp.stop_gradient(e) for e in (least, most))
        return least, most

    def _least_of_each(self, end: Any) -> Any:
        """Of a mixture, from its components' along the last axis."""
        return -self.xp.max(-end, axis=-1) if getattr(end, "ndim", 0) else end

    def inner_point(self, least: Array, most: Array) -> Array:
        """A point between two ends, of which any may be infinite."""
        where, no_least, no_most = self.xp.where, least <= -math.inf, most >= math.inf
        low, high = where(no_least, 0.0, least), where(no_most, 0.0, most)  # their sum is a number everywhere
        middle = where(no_least | no_most, low + high, 0.5 * low + 0.5 * high)
        return where(no_least & ~no_most, middle - 1.0, where(no_most & ~no_least, middle + 1.0, middle))

    def unwrapped(self, distribution: Any) -> Any:
        """The elementwise distribution."""
        while isinstance(distribution, self.wrappers):
            distribution = distribution.base_dist  # type: ignore[attr-defined]
        return distribution

    def is_map(self, distribution: Any) -> bool:
        """Whether a value tells that of the base, of which it is a function."""
        return isinstance(distribution, self.transformed) and not any(map(self._folds, distribution.transforms))

    def _folds(self, transform: Any) -> bool:
        return isinstance(transform, self.folding) or any(map(self._folds, getattr(transform, "parts", ())))

    def _is_transformed(self, distribution: Any) -> bool:
        """Whether its cdf is that of its base at the value transformed back."""
        return self.is_map(distribution) and type(distribution).cdf is self.transformed.cdf

    def has_tails(self, distribution: Any) -> bool:
        """Whether `log_tails` knows the distribution."""
        distribution = self.unwrapped(distribution)
        if distribution.event_shape:
            return False
        if self.family_of(distribution) is not None:
            return True
        components = self.components(distribution)
        if components is not None:
            return all(map(self.has_tails, components))
        if self._is_transformed(distribution) or isinstance(distribution, self.folded):
            return self.has_tails(distribution.base_dist)
        return type(distribution).cdf not in (self.distribution.cdf, self.transformed.cdf)

    def is_dense_at_ends(self, distribution: Any) -> bool:
        """Whether its log-density at an end of the support is that of the inside: of records and mixtures of them."""
        distribution = self.unwrapped(distribution)
        components = self.components(distribution)
        if components is not None:
            return all(map(self.is_dense_at_ends, components))
        return self.family_of(distribution) is not None

    # ------------------------------------------------------------------------------------------------ density and tails

    def log_density(self, distribution: Any, x: Array) -> Array:
        """log p(x) elementwise: by its family's record, whose derivatives are finite, where the host's may be
        infinite."""
        distribution = self.unwrapped(distribution)
        known = self.family_of(distribution)
        return distribution.log_prob(x) if known is None else self.density_of(known[0], x, *known[1])

    def log_tails(self, distribution: Any, x: Array) -> tuple[Array, Array]:
        """(log P(X <= x), log P(X > x)) elementwise, differentiable in x and the parameters.

        :raises NotImplementedError: for a distribution without a distribution function.
        """
        distribution = self.unwrapped(distribution)
        known = self.family_of(distribution)
        if known is not None:
            return self.tails_of(*known, x)
        if self.components(distribution) is not None:
            return self.tails_of_mixture(distribution, x)
        if isinstance(distribution, self.folded):
            return self._of_folded(distribution, x)
        if self._is_transformed(distribution):
            return self._of_transformed(distribution, x)
        if hasattr(distribution, "log_tails"):
            return distribution.log_tails(x)
        try:
            lower = distribution.cdf(x)
        except NotImplementedError:
            raise NotImplementedError(messages.no_cdf(distribution, self.package)) from None
        return self._log_mass(lower), self._log_mass(1.0 - lower)

    def tails_and_density(self, distribution: Any) -> tuple[Callable, Callable]:
        """`log_tails` and `log_density`, as functions of x."""
        return lambda x: self.log_tails(distribution, x), lambda x: self.log_density(distribution, x)

    def tails_of(self, family: Family, params: tuple[Array, ...], x: Array) -> tuple[Array, Array]:
        """`log_tails` of a family."""
        args = self.together(x, *params)
        if family.tails_are_closed:
            return family.log_tails(self.xp, *args)
        return self.call(log_cdf_of(family), *args), self.call(log_sf_of(family), *args)

    def tails_anywhere(self, distribution: Any, x: Array) -> tuple[Array, Array]:
        """`log_tails`, which beyond the support are 0 and -inf, without derivative."""
        distribution, where = self.unwrapped(distribution), self.xp.where
        least, most = (self.like(e, x) for e in self.ends_of(distribution))
        below, above = (x < least, x > most) if distribution.support.is_discrete else (x <= least, x >= most)
        lower, upper = self.log_tails(distribution, where(below | above, self.inner_point(least, most), x))
        return (
            where(below, -math.inf, where(above, 0.0, lower)),
            where(above, -math.inf, where(below, 0.0, upper)),
        )

    def _log_mass(self, mass: Array) -> Array:
        """log of a mass, lifted off 0 where it has underflowed, with its derivative: a maximum would make that 0."""
        fixed = self.xp.stop_gradient(mass)
        return self.xp.log(self.xp.maximum(fixed, float(self.xp.finfo(mass).tiny)) + (mass - fixed))

    def _of_transformed(self, distribution: Any, x: Array) -> tuple[Array, Array]:
        lower_first: Any = True
        for transform in reversed(distribution.transforms):
            lower_first = lower_first == (transform.sign > 0)  # an array if the scale is
            x = transform.inv(x)
        lower, upper = self.log_tails(distribution.base_dist, x)
        if isinstance(lower_first, bool):
            return (lower, upper) if lower_first else (upper, lower)
        return self.xp.where(lower_first, lower, upper), self.xp.where(lower_first, upper, lower)

    def _of_folded(self, distribution: Any, x: Array) -> tuple[Array, Array]:
        xp, empty = self.xp, x <= 0.0
        below, above = (self.tails_anywhere(distribution.base_dist, end) for end in (-x, x))
        known = self.family_of(self.unwrapped(distribution.base_dist))
        integrates = known is not None and censoring.can_integrate_about_0(known[0])
        positive = (x > 0.0) & (x < math.inf)
        inside = censoring.log_between(xp, below, above, empty | (positive & integrates))
        if known is not None and integrates:
            size, *params = self.together(xp.where(positive, x, 1.0), *known[1])
            log_p0 = self.density_of(known[0], 0.0 * size, *params)
            inside = xp.where(positive, self.log_about_0(known[0], log_p0, size, *params), inside)
        outside = censoring.log_outside(xp, below, above)
        return xp.where(empty, -math.inf, inside), xp.where(empty, 0.0, outside)
