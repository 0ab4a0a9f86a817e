"""What distributions, and what is done to them, tell a user in both libraries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

LONGEST = 200  # characters of an argument that an error shows
TRANSPARENT = ("ExpandedDistribution", "Independent", "MaskedDistribution", "TransformedDistribution")


def shown(given: Any) -> str:
    """A wrong argument, for an error; of a long one the beginning."""
    if given is None:
        return "None"
    if isinstance(given, type):
        return f"the class {given.__name__}"
    text = repr(given)
    return f"{text if len(text) <= LONGEST else text[:LONGEST] + '...'} ({type(given).__name__})"


def no_distribution(given: Any) -> str:
    """What is no distribution of the library, for an error: a class, or a distribution of another library, is told."""
    if isinstance(given, type):
        return f"the class {given.__name__}; write {given.__name__}(...)"
    if is_distribution(given):
        return f"{type(given).__name__} of {type(given).__module__.partition('.')[0]}, another library's"
    return shown(given)


def is_distribution(given: Any) -> bool:
    """Of any library."""
    return all(hasattr(given, name) for name in ("log_prob", "batch_shape", "event_shape"))


def no_cdf(distribution: Any, package: str) -> str:
    """Of one without distribution function; `package` is the adapter's name."""
    kind = type(distribution).__name__
    return f"{kind} has no cdf; take a distribution from {package}.distributions, or give the class a cdf"


def pairs_in_order(names: Sequence[str]) -> list[tuple[str, str, bool]]:
    """(lesser, greater, whether they may be equal) of parameters that ascend, of which the ends differ."""
    if not names:
        return []
    inner = [(low, high, True) for low, high in pairwise(names)] if len(names) > 2 else []
    return [*inner, (names[0], names[-1], False)]


def out_of_order(name: str, low: str, high: str, equal: bool, least: Any, most: Any) -> str:
    """What to tell of parameters that do not ascend."""
    relation = "must not exceed" if equal else "must be less than"
    return f"{name}: {low} {relation} {high}, but {low} is {least} and {high} is {most}"


def too_large(name: str, inner: str, outer: str, size: Any, limit: Any) -> str:
    """What to tell of a parameter that is as large as another or larger."""
    return f"{name}: {inner} must lie between -{outer} and {outer}, but {inner} is {size} and {outer} is {limit}"


def check_stable(coords: Any) -> None:
    """:raises ValueError: for unknown coordinates of a stable distribution."""
    if coords not in ("S0", "S"):
        raise ValueError(f'Stable: coords must be "S0" or "S", got {coords!r}')


def diag_normals(
    name: str, shapes: Mapping[str, tuple[int, ...]], axes: Mapping[str, int]
) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """(batch shape, event shape of each parameter) of a mixture of normal distributions with diagonal covariances.

    :param axes: parameter -> the axes of its event.
    :raises ValueError: for shapes that do not match.
    """
    wanted = {
        "locs": "(..., K, D)",
        "coord_scale": "(..., K, D)" if axes["coord_scale"] == 2 else "(..., D)",
        "component_logits": "(..., K)",
        "component_scale": "(..., K)",
    }
    given = f"{name}: " + ", ".join(f"{p} of shape {tuple(s)}" for p, s in shapes.items())
    events = {p: tuple(s[max(0, len(s) - axes[p]) :]) for p, s in shapes.items()}
    of_coordinates = events["coord_scale"][-1:]
    expected = {
        "locs": events["component_logits"] + of_coordinates,
        "coord_scale": events["component_logits"] + of_coordinates if axes["coord_scale"] == 2 else of_coordinates,
        "component_logits": events["component_logits"],
        "component_scale": events["component_logits"],
    }
    if any(len(s) < axes[p] or events[p] != expected[p] for p, s in shapes.items()):
        *most, last = (wanted[p] for p in shapes)
        raise ValueError(f"{given}; expected {', '.join(most)} and {last}")
    batches = [s[: len(s) - axes[p]] for p, s in shapes.items()]
    batch: list[int] = []
    for sizes in zip(*((1,) * (max(map(len, batches)) - len(b)) + tuple(b) for b in batches), strict=True):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            raise ValueError(f"{given}: their batch axes do not broadcast")
        batch.append(others.pop() if others else 1)
    return tuple(batch), events


def innermost(fn: Any) -> Any:
    """The distribution inside the wrappers that leave its draws as they are, or map them."""
    while type(fn).__name__ in TRANSPARENT:
        fn = fn.base_dist
    return fn


def described(fn: Any) -> str:
    """Its class, and the one inside."""
    inner = innermost(fn)
    return type(fn).__name__ if inner is fn else f"{type(fn).__name__} of {type(inner).__name__}"


def check_distribution(what: str, name: str, given: Any, kind: type) -> None:
    """:raises TypeError: unless `given` is an instance of the library's class of distributions."""
    if not isinstance(given, kind):
        raise TypeError(f"{what}: {name} must be a distribution, got {no_distribution(given)}")


def check_wrapped(base: Any, is_discrete: bool, has_tails: bool) -> None:
    """:raises ValueError: for what cannot be wrapped onto the circle."""
    if base.event_shape or is_discrete:
        raise ValueError(
            f"Wrapped: base must be a continuous univariate distribution, got {described(base)} of event shape "
            f"{tuple(base.event_shape)}; wrap it before to_event"
        )
    if not has_tails:
        raise ValueError(f"Wrapped: base must have a cdf, which {described(base)} has not; write Implicit(base)")


def too_wide(base: Any, error: float) -> str:
    """Why a distribution cannot be wrapped."""
    return (
        f"Wrapped: base {described(base)} spans more turns than are summed and is not smooth beyond them, which leaves "
        f"an error of {error:.1e} in the density; take a narrower base, or one without edges far from its median"
    )


def no_mixture(what: str, components: Iterable[Any], supports: Iterable[Any]) -> str:
    """Why a mixture is not reparameterized.

    :param supports: of the components, (least, most), where these differ.
    """
    start = f"{what} of {', '.join(sorted({type(c).__name__ for c in components}))} is not reparameterized; components "
    if supports:
        found = " and ".join(f"from {least} to {most}" for least, most in supports)
        return (
            f"{start}must have one support, but these reach {found}, and no draw can move across an end of another's; "
            "take components of one support"
        )
    return (
        f"{start}may be univariate distributions with a cdf, Independent ones of these, MultivariateNormal or "
        "MultivariateStudentT"
    )


def check_mixture(mixing: str, count: int | None, given: Any, component: Any) -> None:
    """What a MixtureSameFamily is made of.

    :param mixing: the name of the argument with the weights; `count` is None unless it is a `Categorical`.
    :raises ValueError: for other weights, and for components of another number.
    """
    if count is None:
        package = type(given).__module__.partition(".")[0]
        what = shown(given) if package == "builtins" else f"{type(given).__name__} of {package}"
        raise ValueError(f"MixtureSameFamily: {mixing} must be a Categorical of this library, got {what}")
    shape = tuple(component.batch_shape)
    if shape[-1:] != (count,):
        raise ValueError(
            f"MixtureSameFamily: {mixing} has {count} components, but component_distribution the batch shape {shape}, "
            "whose last axis must have as many"
        )


def no_path(distribution: Any, is_discrete: bool) -> str:
    """Why `implicit_gradients` does not take a distribution."""
    kind = type(distribution).__name__
    if is_discrete:
        return (
            f"implicit_gradients does not take {kind}, which is discrete: its draws jump, and have no such gradient; "
            "take the score function, or sum it out (enumerate)"
        )
    return f"implicit_gradients does not take {kind}; differentiate a draw of the distribution instead"


def check_density(what: str, log_prob: Any, support: Any, kind: type) -> None:
    """:raises TypeError: unless the one can be called and the other is a constraint of the library's class."""
    if not callable(log_prob):
        raise TypeError(f"{what}: log_prob must be a function of (x, **params), got {shown(log_prob)}")
    if not isinstance(support, kind):
        raise TypeError(f"{what}: support must be a constraint, such as constraints.real, got {shown(support)}")


def no_quantile(distribution: Any, *, is_discrete: bool = False) -> str:
    if is_discrete:
        return (
            f"from_uniform: {type(distribution).__name__} is discrete: at fixed u its draw jumps as parameters move, "
            "and has no gradient; draw it with sample, or sum it out (enumerate)"
        )
    return (
        f"from_uniform: {type(distribution).__name__} has no univariate quantile of each coordinate; take a "
        "distribution with a cdf, an Independent one, ConditionalChain or GaussianCopula"
    )
