"""Which of NumPyro's distributions have an implicit twin, and three ways to put the twins in their place."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpyro.distributions as host

__all__ = ["implicit_twin", "implicit_twin_of", "implicit_twins", "register", "registered", "unregister"]

_TWINS: dict[type, type] = {}
_lock = threading.RLock()
_replaced: dict[str, type] = {}  # name in numpyro.distributions -> the host's class, while ours stands there
_for_good = False  # between register() and unregister()
_blocks = 0  # how many `registered()` blocks are open, in all threads


def implicit_twin_of(host_class: type) -> Callable[[type], type]:
    """Class decorator: instances of exactly `host_class` can be exchanged for the decorated class::

        @implicit_twin_of(dist.Weibull)
        class Weibull(dist.Weibull):
            def sample(self, key, sample_shape=()): ...

    A twin takes the host's arguments: every name in its `arg_constraints` is read off the host's instance.  If that is
    not enough, give it a classmethod `from_host(cls, fn)`.  A later twin of the same class takes the earlier's place.

    :raises TypeError: for anything but a class of distributions.
    """
    _check_class("implicit_twin_of", host_class)

    def decorate(twin: type) -> type:
        _check_class(f"implicit_twin_of({host_class.__name__})", twin)
        with _lock:
            active = bool(_replaced)
            if active:
                _restore()
            _TWINS[host_class] = twin
            if active:
                _replace()
        return twin

    return decorate


def _check_class(what: str, given: Any) -> None:
    if not (isinstance(given, type) and issubclass(given, host.Distribution)):
        raise TypeError(f"{what}: expected a class of distributions, got {given!r}")


def implicit_twins() -> dict[type, type]:
    """The table: the host's class -> its twin."""
    return dict(_TWINS)


def register() -> dict[str, type]:
    """Put the implicit classes in place of NumPyro's: `numpyro.distributions.VonMises` is then ours.  Idempotent.

    Names that were imported before, as by `from numpyro.distributions import VonMises`, stay as they are; `implicit`
    reaches those too.

    :returns: what is in place now, name in `numpyro.distributions` -> our class.
    """
    global _for_good
    with _lock:
        _for_good = True
        _replace()
        return _in_place()


def unregister() -> None:
    """Take `register` back; an open `with registered():` keeps the classes in place to its end."""
    global _for_good
    with _lock:
        _for_good = False
        if not _blocks:
            _restore()


@contextlib.contextmanager
def registered() -> Iterator[dict[str, type]]:
    """`register` for the length of a `with` block; blocks nest, and threads share them."""
    global _blocks
    with _lock:
        _blocks += 1
        _replace()
        in_place = _in_place()
    try:
        yield in_place
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks and not _for_good:
                _restore()


def _replace() -> None:
    for host_class, twin in _TWINS.items():
        name = host_class.__name__
        if getattr(host, name, None) is host_class:
            setattr(host, name, twin)
            _replaced[name] = host_class


def _restore() -> None:
    for name, host_class in _replaced.items():
        if getattr(host, name) is _TWINS[host_class]:  # else someone else's by now
            setattr(host, name, host_class)
    _replaced.clear()


def _in_place() -> dict[str, type]:
    return {name: _TWINS[host_class] for name, host_class in _replaced.items()}


# attributes that hold a distribution, or a list of them, in the host's wrappers
_WRAPPERS: dict[type, str] = {
    host.Independent: "base_dist",
    host.ExpandedDistribution: "base_dist",
    host.MaskedDistribution: "base_dist",
    host.TransformedDistribution: "base_dist",
    host.MixtureSameFamily: "_component_distribution",
    host.MixtureGeneral: "_component_distributions",
}


def implicit_twin(fn: Any) -> Any | None:
    """The implicit twin of a distribution, or None where it has none.

    Looks through `Independent`, `expand`, `mask`, `TransformedDistribution` and mixtures.

    :param fn: a distribution; one that is implicit already has no twin.
    :returns: a distribution of the same law, shapes and validation.
    """
    if isinstance(fn, tuple(_TWINS.values())):
        return None
    twin = _TWINS.get(type(fn))
    if twin is not None:
        return _converted(fn, twin)
    name = next((name for wrapper, name in _WRAPPERS.items() if isinstance(fn, wrapper)), None)
    if name is None:
        return None
    inner = getattr(fn, name)
    if isinstance(inner, (list, tuple)):
        twins = [implicit_twin(component) for component in inner]
        exchanged = [old if new is None else new for old, new in zip(inner, twins, strict=True)]
        new: Any = exchanged if any(t is not None for t in twins) else None
    else:
        new = implicit_twin(inner)
    if new is None:
        return None
    outer = copy.copy(fn)
    setattr(outer, name, new)
    if "reparametrized_params" in vars(fn):  # Independent keeps its base's
        outer.reparametrized_params = new.reparametrized_params
    return outer


def _converted(fn: Any, twin: Any) -> Any:
    if hasattr(twin, "from_host"):
        return twin.from_host(fn)
    values = {name: getattr(fn, name) for name in twin.arg_constraints}
    new = twin(**values, validate_args=fn._validate_args)
    return new if new.batch_shape == fn.batch_shape else new.expand(fn.batch_shape)
