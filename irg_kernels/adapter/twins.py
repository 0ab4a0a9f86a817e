"""The table of a library's classes and their twins, and three ways to put the twins in the place of the library's."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from ..adapter.messages import check_distribution

# What a subclass may define anew and still be the distribution that its twinned base class is; besides special methods
# and the parameters of that base class.
HARMLESS = {
    "_abc_impl",
    "arg_constraints",
    "expand",
    "pytree_aux_fields",
    "pytree_data_fields",
    "reparametrized_params",
    "tree_flatten",
    "tree_unflatten",
}


def changed(kind: type, base: Any, trusted: tuple[str, ...] = ()) -> set[str]:
    """What of the base class's a subclass defines anew, so that it may be another distribution.

    :param trusted: packages whose own subclasses are the same distribution.
    """
    between = [
        each for each in kind.__mro__[: kind.__mro__.index(base)] if each.__module__.split(".")[0] not in trusted
    ]
    names = {name for each in between for name in vars(each) if hasattr(base, name)}
    special = {name for name in names if name.startswith("__") and name != "__call__"}
    # torch's Uniform has a property in place of a table, of which nobody knows the names without an instance
    constraints = base.arg_constraints
    return names - special - HARMLESS - (set(constraints) if isinstance(constraints, Mapping) else set())


class _Kind(NamedTuple):
    """What can be done with the instances of one class."""

    twin: type | None
    parts: tuple[str, ...]
    """attributes that hold distributions"""


class Twins:
    """The table, and the state of `register`.

    :param host: the library's module of distributions.
    :param distribution: the class that all of them have in common.
    :param wrappers: class -> the attributes that hold a distribution, or a list of them.
    :param faults: class without a twin -> what is wrong with its gradient.
    """

    def __init__(
        self,
        host: ModuleType,
        distribution: type,
        wrappers: Mapping[type, tuple[str, ...]],
        faults: Mapping[type, str] | None = None,
    ) -> None:
        self._host, self._distribution, self._wrappers, self._faults = host, distribution, wrappers, faults or {}
        self._load: Callable[[], None] | None = None
        self._own = ""
        self._twins: dict[type, type] = {}  # read it by `_table`
        self._kinds: WeakKeyDictionary[type, _Kind | None] = WeakKeyDictionary()  # of the classes seen so far
        self._lock = threading.RLock()
        self._replaced: dict[str, type] = {}  # name in the host -> its class, while the twin stands there
        self._for_good = False  # between register() and unregister()
        self._blocks = 0  # how many `registered()` blocks are open, in all threads

    # ------------------------------------------------------------------------------------------------------- the table

    def implicit_twin_of(self, host_class: type) -> Callable[[type], type]:
        """Class decorator: instances of `host_class` can be exchanged for the decorated class::

            @implicit_twin_of(dist.Weibull)
            class Weibull(dist.Weibull):
                ...  # its own rsample (Pyro) or sample (NumPyro)

        A twin takes the host's arguments: every name in its `arg_constraints` is read off the host's instance.  If that
        is not enough, give it a classmethod `from_host(cls, fn)`.  Where the host's own gradient is wrong, say how in a
        class attribute `host_fault`, for the error of `check_reparameterized`.  A later twin of the same class takes
        the earlier's place.  Subclasses of `host_class` have the same twin, unless they change more than arguments.

        :raises TypeError: for anything but a class of distributions.
        """
        self._check_class("implicit_twin_of", host_class)

        def decorate(twin: type) -> type:
            self._check_class(f"implicit_twin_of({host_class.__name__})", twin)
            with self._lock:
                active = bool(self._replaced)
                if active:
                    self._restore()
                if twin.__module__.split(".")[0] != self._own:
                    self._twins[host_class] = twin
                else:  # which is loaded late, and takes no place that a user's twin has
                    self._twins.setdefault(host_class, twin)
                self._kinds.clear()
                if active:
                    self._replace()
            return twin

        return decorate

    def _check_class(self, what: str, given: Any) -> None:
        if not (isinstance(given, type) and issubclass(given, self._distribution)):
            raise TypeError(f"{what}: expected a class of distributions, got {given!r}")

    def implicit_twins(self) -> dict[type, type]:
        """The table: the host's class -> its twin."""
        return dict(self._table)

    def load_by(self, load: Callable[[], None]) -> None:
        """When the table is first read, import the package's own twins by `load`: each enters itself."""
        self._load, self._own = load, load.__module__.split(".")[0]

    @property
    def _table(self) -> dict[type, type]:
        load = self._load
        if load is not None:
            load()  # without the lock: a thread that holds it must not wait for another's import
            self._load = None
        return self._twins

    # -------------------------------------------------------------------------------------------------------- register

    def register(self) -> dict[str, type]:
        """Put the implicit classes in place of the host's, in its module `distributions`: `distributions.VonMises` is
        then ours.  Idempotent.

        Names that were imported before, as by `from ...distributions import VonMises`, stay as they are; `implicit`
        reaches those too.

        :returns: what is in place now, name in the host's module -> our class.
        """
        _ = self._table
        with self._lock:
            self._for_good = True
            self._replace()
            return self._in_place()

    def unregister(self) -> None:
        """Take `register` back; an open `with registered():` keeps the classes in place to its end."""
        with self._lock:
            self._for_good = False
            if not self._blocks:
                self._restore()

    @contextlib.contextmanager
    def registered(self) -> Iterator[dict[str, type]]:
        """`register` for the length of a `with` block; blocks nest, and threads share them."""
        _ = self._table
        with self._lock:
            self._blocks += 1
            self._replace()
            in_place = self._in_place()
        try:
            yield in_place
        finally:
            with self._lock:
                self._blocks -= 1
                if not self._blocks and not self._for_good:
                    self._restore()

    def _replace(self) -> None:
        for host_class, twin in self._twins.items():
            name = host_class.__name__
            if getattr(self._host, name, None) is host_class:
                setattr(self._host, name, twin)
                self._replaced[name] = host_class

    def _restore(self) -> None:
        for name, host_class in self._replaced.items():
            if getattr(self._host, name) is self._twins[host_class]:  # else someone else's by now
                setattr(self._host, name, host_class)
        self._replaced.clear()

    def _in_place(self) -> dict[str, type]:
        return {name: self._twins[host_class] for name, host_class in self._replaced.items()}

    # ----------------------------------------------------------------------------------------------------- one instance

    def implicit_twin(self, fn: Any) -> Any | None:
        """The implicit twin of a distribution, or None where it has none.

        Looks through `Independent`, `expand`, `mask`, `TransformedDistribution` and mixtures.  A distribution that was
        told `has_rsample_(False)` is left alone.

        :param fn: a distribution; one that is implicit already has no twin.
        :returns: the same distribution, of the same shapes and validation.
        :raises TypeError: for anything but a distribution.
        """
        check_distribution("implicit_twin", "fn", fn, self._distribution)
        return self.find(fn)

    def find(self, fn: Any) -> Any | None:
        """`implicit_twin` of whatever stands at a site."""
        try:
            kind = self._kinds[type(fn)]
        except KeyError:
            kind = self._kinds[type(fn)] = self._kind_of(fn)
        if kind is None or vars(fn).get("has_rsample") is False:
            return None
        return self._exchanged(fn, kind.parts) if kind.twin is None else _converted(fn, kind.twin)

    def _kind_of(self, fn: Any) -> _Kind | None:
        if isinstance(fn, tuple(self._table.values())):
            return None
        base = self.twinned_base(type(fn))
        if base is not None and not changed(type(fn), base):
            return _Kind(self._table[base], ())
        parts = next((names for wrapper, names in self._wrappers.items() if isinstance(fn, wrapper)), ())
        return _Kind(None, parts) if parts else None

    def twinned_base(self, kind: type) -> type | None:
        """The nearest class from which `kind` is derived, itself included, that has a twin."""
        return next((base for base in kind.__mro__ if base in self._table), None)

    def host_fault(self, kind: type) -> str | None:
        """What is wrong with the gradient of a class of the host's or one derived from it."""
        for wrong, why in self._faults.items():
            if issubclass(kind, wrong) and "rsample" not in changed(kind, wrong):
                return why
        base = self.twinned_base(kind)
        if base is None or issubclass(kind, self._twins[base]) or "rsample" in changed(kind, base):
            return None
        return getattr(self._twins[base], "host_fault", None)

    def _exchanged(self, fn: Any, parts: tuple[str, ...]) -> Any | None:
        new = {name: self._exchanged_part(getattr(fn, name)) for name in parts}
        if all(part is None for part in new.values()):
            return None
        outer = copy.copy(fn)
        for name, part in new.items():
            if part is not None:
                setattr(outer, name, part)
                if "reparametrized_params" in vars(fn):  # NumPyro's Independent keeps its base's
                    outer.reparametrized_params = part.reparametrized_params
        return outer

    def _exchanged_part(self, part: Any) -> Any | None:
        if not isinstance(part, list | tuple):
            return self.find(part)
        twins = [self.find(each) for each in part]
        if all(twin is None for twin in twins):
            return None
        return [old if twin is None else twin for old, twin in zip(part, twins, strict=True)]


def _converted(fn: Any, twin: Any) -> Any:
    if hasattr(twin, "from_host"):
        return twin.from_host(fn)
    values = {name: getattr(fn, name) for name in twin.arg_constraints}
    new = twin(**values, validate_args=fn._validate_args)
    return new if new.batch_shape == fn.batch_shape else new.expand(fn.batch_shape)
