"""What the distributions of both libraries are made of, by `parts`: each function is one distribution's `Parts`.

A function of a class gives that function for its instances, which are made anew by that class.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .parts import Parts

Of = Callable[[Any], Parts]


def of_parameters(d: Any, known: Any, is_real: Callable[[Any], bool]) -> Parts:
    """One that is made of its parameters.

    :param known: its family and the values of its parameters, or None.
    :param is_real: whether a value is an array of real numbers; others stay as they are.
    """
    names = known[0].parameters if known else d.arg_constraints
    given = {name: getattr(d, name) for name in names}
    moving = {name: value for name, value in given.items() if is_real(value)}
    fixed = {name: value for name, value in given.items() if name not in moving}
    axes = {name: 0 if known else getattr(d.arg_constraints[name], "event_dim", 0) for name in moving}
    return Parts(
        {name: (value, axes[name]) for name, value in moving.items()},
        {},
        lambda params, inside: type(d)(**params, **fixed, validate_args=False),
    )


def independent(d: Any) -> Parts:
    count = d.reinterpreted_batch_ndims
    return Parts({}, {"base_dist": (d.base_dist, count)}, lambda p, inside: inside["base_dist"].to_event(count))


def multivariate_normal(kind: Any) -> Of:
    def parts(d: Any) -> Parts:
        params = {"loc": (d.loc, 1), "scale_tril": (d.scale_tril, 2)}
        return Parts(params, {}, lambda params, inside: kind(**params, validate_args=False))

    return parts


def transformed(kind: Any, affine: type, event_dim: Callable[[Any], int], is_real: Callable[[Any], bool]) -> Of:
    """Locations and scales of affine transforms are parameters, too.

    :param event_dim: of such a transform.
    """

    def parts(d: Any) -> Parts:
        found = [
            (i, name)
            for i, transform in enumerate(d.transforms)
            if isinstance(transform, affine)
            for name in ("loc", "scale")
            if is_real(getattr(transform, name))
        ]
        params = {f"transforms.{i}.{n}": (getattr(d.transforms[i], n), event_dim(d.transforms[i])) for i, n in found}

        def make(params: dict, inside: dict) -> Any:
            transforms = [copy.copy(t) for t in d.transforms]
            for i, name in found:
                setattr(transforms[i], name, params[f"transforms.{i}.{name}"])
            return kind(inside["base_dist"], transforms, validate_args=False)

        return Parts(params, {"base_dist": (d.base_dist, 0)}, make)

    return parts


def folded(kind: Any) -> Of:
    """Of the base alone: the one transform has no parameters."""

    def parts(d: Any) -> Parts:
        return Parts({}, {"base_dist": (d.base_dist, 0)}, lambda _, inside: kind(inside["base_dist"]))

    return parts


def wishart(name: str) -> Of:
    """:param name: of the degrees of freedom."""

    def parts(d: Any) -> Parts:
        params = {name: (getattr(d, name), 0), "scale_tril": (d.scale_tril, 2)}
        return Parts(params, {}, lambda params, inside: type(d)(**params, validate_args=False))

    return parts


def sine_skewed(kind: Any, has_parts: Callable[[Any], bool]) -> Of:
    """:param has_parts: whether the base is one whose parameters are known; any other stays as it is."""

    def parts(d: Any) -> Parts:
        def make(params: dict, inside: dict) -> Any:
            return kind(inside.get("base_dist", d.base_dist), **params, validate_args=False)

        return Parts({"skewness": (d.skewness, 1)}, {"base_dist": (d.base_dist, 0)} if has_parts(d) else {}, make)

    return parts


def truncated(kind: Any) -> Of:
    def parts(d: Any) -> Parts:
        bounds = {name: (b, 0) for name, b in (("low", d.low), ("high", d.high)) if b is not None}

        def make(params: dict, inside: dict) -> Any:
            return kind(inside["base_dist"], **params, validate_args=False)

        return Parts(bounds, {"base_dist": (d.base_dist, 0)}, make)

    return parts


def mixture(kind: Any, weights: str) -> Of:
    """:param weights: the name of the distribution of a component's number."""

    def parts(d: Any) -> Parts:
        inside = {weights: (getattr(d, weights), 0), "component_distribution": (d.component_distribution, 1)}
        return Parts({}, inside, lambda params, inside: kind(**inside, validate_args=False))

    return parts


def copula(kind: Any, correlation: Callable[[Any], Any]) -> Of:
    """:param correlation: the Cholesky factor of its correlations."""

    def parts(d: Any) -> Parts:
        params, inside = {"correlation_cholesky": (correlation(d), 2)}, {"marginal_dist": (d.marginal_dist, 1)}
        return Parts(params, inside, lambda params, inside: kind(**params, **inside, validate_args=False))

    return parts


def copula_of_betas(kind: Any, correlation: Callable[[Any], Any]) -> Of:
    def parts(d: Any) -> Parts:
        params = {name: (getattr(d.marginal_dist, name), 1) for name in ("concentration1", "concentration0")}
        params["correlation_cholesky"] = (correlation(d), 2)
        return Parts(params, {}, lambda params, inside: kind(**params, validate_args=False))

    return parts


def implicit(kind: Any) -> Of:
    def parts(d: Any) -> Parts:
        return Parts(
            {}, {"base_dist": (d.base_dist, 0)}, lambda p, inside: kind(inside["base_dist"], validate_args=False)
        )

    return parts


def density(kind: Any) -> Of:
    def parts(d: Any) -> Parts:
        def make(params: dict, inside: dict) -> Any:
            return kind(d._log_density, d._constraint, d._sampler, validate_args=False, **params)

        return Parts({name: (p, 0) for name, p in d.params.items()}, {}, make)

    return parts


def chain(kind: Any, is_real: Callable[[Any], bool], distribution: type) -> Of:
    """:param distribution: the class of conditionals that are no functions."""

    def parts(d: Any) -> Parts:
        given = {f"conditionals.{i}": c for i, c in enumerate(d.conditionals)}
        moving = {name: (p, 0) for name, p in d.params.items() if is_real(p)}
        fixed = {name: p for name, p in d.params.items() if name not in moving}

        def make(params: dict, inside: dict) -> Any:
            return kind([inside.get(n, c) for n, c in given.items()], validate_args=False, **params, **fixed)

        return Parts(moving, {n: (c, 0) for n, c in given.items() if isinstance(c, distribution)}, make)

    return parts
