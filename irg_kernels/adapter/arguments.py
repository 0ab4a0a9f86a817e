"""Checks of a distribution's arguments that need no array library; each error names the class and the argument."""

from __future__ import annotations

from typing import Any

from .messages import no_distribution


def one_of(where: str, **given: Any) -> tuple[str, Any]:
    """(name, value) of the one argument that is given.

    :raises ValueError: for none or several.
    """
    found = {name: value for name, value in given.items() if value is not None}
    if len(found) != 1:
        *most, last = given
        raise ValueError(f"{where}: give one of {', '.join(most)} and {last}, got {' and '.join(found) or 'none'}")
    return next(iter(found.items()))


def check_is_distribution(where: str, base: Any, kind: type) -> None:
    """:raises ValueError: unless `base_dist` is a distribution."""
    if not isinstance(base, kind):
        raise ValueError(f"{where}: base_dist must be a distribution, got {no_distribution(base)}")


def check_univariate(where: str, base: Any) -> None:
    """:raises ValueError: unless `base_dist` has no event axes."""
    if base.event_shape:
        shape = tuple(base.event_shape)
        raise ValueError(f"{where}: base_dist must be univariate, but {type(base).__name__} has event shape {shape}")


def check_continuous(where: str, distribution: Any) -> None:
    """:raises ValueError: for what is no continuous univariate distribution."""
    if distribution.event_shape or distribution.support.is_discrete:
        raise ValueError(
            f"{where}: expected a continuous univariate distribution, got {type(distribution).__name__} of event shape "
            f"{tuple(distribution.event_shape)} and support {distribution.support}; for a vector write ConditionalChain"
        )


def ends_of_support(support: Any, line: Any) -> tuple[Any, Any]:
    """The bounds of a constraint, None where it has none.

    :param line: the constraint of all real numbers.
    :raises ValueError: for what is no interval.
    """
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    low, high = (getattr(support, name, None) for name in ("lower_bound", "upper_bound"))
    if support.is_discrete or support.event_dim or (low is None and high is None and support is not line):
        raise ValueError(
            f"support: expected constraints.real, greater_than, less_than or an interval, got {support}; transform a "
            "distribution of another support by TransformedDistribution"
        )
    return low, high
