"""Which of Pyro's distributions have an implicit twin, and three ways to put the twins in their place."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pyro.distributions as host
import torch
from pyro.distributions.torch_distribution import ExpandedDistribution

__all__ = ["implicit_twin", "implicit_twin_of", "implicit_twins", "register", "registered", "unregister"]

_TWINS: dict[type, type] = {}
_lock = threading.RLock()
_replaced: dict[str, type] = {}  # name in pyro.distributions -> the host's class, while ours stands there
_for_good = False  # between register() and unregister()
_blocks = 0  # how many `registered()` blocks are open, in all threads


def implicit_twin_of(host_class: type) -> Callable[[type], type]:
    """Class decorator: instances of exactly `host_class` can be exchanged for the decorated class::

        @implicit_twin_of(dist.Weibull)
        class Weibull(dist.Weibull):
            def rsample(self, sample_shape=torch.Size()): ...

    A twin takes the host's arguments: every name in its `arg_constraints` is read off the host's instance.  If that is
    not enough, give it a classmethod `from_host(cls, fn)`.  Where the host's own gradient is wrong, say how in a class
    attribute `host_fault`, for the error of `check_reparameterized`.  A later twin of the same class takes the
    earlier's place.

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
    if not (isinstance(given, type) and issubclass(given, torch.distributions.Distribution)):
        raise TypeError(f"{what}: expected a class of distributions, got {given!r}")


def implicit_twins() -> dict[type, type]:
    """The table: the host's class -> its twin."""
    return dict(_TWINS)


def register() -> dict[str, type]:
    """Put the implicit classes in place of Pyro's: `pyro.distributions.VonMises` is then ours.  Idempotent.

    Names that were imported before, as by `from pyro.distributions import VonMises`, stay as they are; `implicit`
    reaches those too.

    :returns: what is in place now, name in `pyro.distributions` -> our class.
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


# attributes that hold a distribution in the host's wrappers
_WRAPPERS: dict[type, tuple[str, ...]] = {
    torch.distributions.Independent: ("base_dist",),
    ExpandedDistribution: ("base_dist",),
    host.MaskedDistribution: ("base_dist",),
    torch.distributions.TransformedDistribution: ("base_dist",),
    torch.distributions.MixtureSameFamily: ("_component_distribution",),
    host.MaskedMixture: ("component0", "component1"),
}


def implicit_twin(fn: Any) -> Any | None:
    """The implicit twin of a distribution, or None where it has none.

    Looks through `Independent`, `expand`, `mask`, `TransformedDistribution` and mixtures.  A distribution that was told
    `has_rsample_(False)` is left alone.

    :param fn: a distribution; one that is implicit already has no twin.
    :returns: a distribution of the same law, shapes and validation.
    """
    if isinstance(fn, tuple(_TWINS.values())) or fn.__dict__.get("has_rsample") is False:
        return None
    twin = _TWINS.get(type(fn))
    if twin is not None:
        return _converted(fn, twin)
    held = next((names for wrapper, names in _WRAPPERS.items() if isinstance(fn, wrapper)), ())
    inner = {name: implicit_twin(getattr(fn, name)) for name in held}
    if all(new is None for new in inner.values()):
        return None
    outer = copy.copy(fn)
    for name, new in inner.items():
        if new is not None:
            setattr(outer, name, new)
    return outer


def _converted(fn: Any, twin: Any) -> Any:
    if hasattr(twin, "from_host"):
        return twin.from_host(fn)
    values = {name: getattr(fn, name) for name in twin.arg_constraints}
    new = twin(**values, validate_args=fn._validate_args)
    return new if new.batch_shape == fn.batch_shape else new.expand(fn.batch_shape)
