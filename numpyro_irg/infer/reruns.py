"""Runs of a model inside a guide: the first, live one, and those that repeat it inside `grad` and `scan`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jax
from jax import Array
from numpyro.handlers import block, seed, substitute, trace
from numpyro.primitives import _PYRO_STACK, Messenger

from irg_kernels.adapter import guide_messages


@dataclass
class Seen:
    """What a first run saw of parameters, mutable state and plates, for the runs that repeat it.

    NumPyro's primitives must not be called inside `grad` or `scan`, where their values would leak as tracers; a
    repeated run takes them from here, live and differentiable.
    """

    params: dict[str, Any] = field(default_factory=dict)
    mutables: dict[str, Any] = field(default_factory=dict)
    plates: dict[str, tuple[Array, list]] = field(default_factory=dict)

    def record(self, msg: Any) -> None:
        if msg["value"] is None:  # the first of the two calls with which flax_module and others begin
            return
        if msg["type"] == "param":
            self.params[msg["name"]] = msg["value"]
        elif msg["type"] == "mutable":
            self.mutables[msg["name"]] = _copied(msg["value"])
        elif msg["type"] == "plate":
            self.plates[msg["name"]] = msg["value"], list(msg["cond_indep_stack"])

    def answer(self, msg: Any) -> bool:
        """Give a message its recorded value, if there is one."""
        kind, name = msg["type"], msg.get("name")
        if kind == "param" and name in self.params:
            msg["value"] = self.params[name]
        elif kind == "mutable" and name in self.mutables:
            msg["value"] = _copied(self.mutables[name])
        elif kind == "plate" and name in self.plates:
            msg["value"], frames = self.plates[name]
            msg["cond_indep_stack"][:] = frames
        else:
            return False
        return True


def _copied(state: Any) -> Any:
    return dict(state) if isinstance(state, dict) else state


class _Again(Messenger):
    """A repeated run: everything comes from the first one, nothing goes out."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.seen = seen

    def process_message(self, msg: Any) -> None:
        self.seen.answer(msg)


@contextmanager
def repeated(seen: Seen, key: Array | None, values: Callable[[Any], Any]) -> Iterator[Any]:
    with block(), trace() as sites, _Again(seen), seed(rng_seed=key), substitute(substitute_fn=values):
        yield sites


class Given(substitute):
    """Runs programs at learned values, for `where`.

    :raises ValueError: for a parameter or mutable state without one: NumPyro would take where it begins, without a
        word.
    """

    def __init__(self, where: str, params: dict[str, Any]) -> None:
        super().__init__(data=params)
        self.where = where

    def process_message(self, msg: Any) -> None:
        super().process_message(msg)
        if msg["type"] == "mutable":  # has its initial value already
            missing = not any(msg["name"] in (h.data or {}) for h in _PYRO_STACK if isinstance(h, substitute))
        else:
            missing = msg["type"] == "param" and msg["value"] is None
        if missing:
            raise ValueError(guide_messages.no_value(self.where, msg["type"], msg["name"]))


class _First(Messenger):
    """The model's first run.  Only its plates and its learned values reach the handlers outside.

    A parameter that nobody outside has a value for yet is initialised here for this run only: the model itself, which
    SVI runs after the guide, initialises it in its own way.
    """

    def __init__(self, known: Seen) -> None:
        super().__init__()
        self.known = known
        self.seen = Seen(dict(known.params), dict(known.mutables), dict(known.plates))

    def process_message(self, msg: Any) -> None:
        if msg["type"] == "mutable":
            msg["value"] = _copied(msg["value"])
        known = self.known.answer(msg)
        outside = msg["type"] == "plate" or (msg["type"] in ("param", "mutable") and _has_value(msg["name"]))
        msg["stop"] = known or not outside

    def postprocess_message(self, msg: Any) -> None:
        self.seen.record(msg)
        if msg["type"] == "mutable":  # the state is updated by the model's own run, not by the guide's
            msg["value"] = _copied(msg["value"])


def first_run(
    model: Callable, args: tuple, kwargs: dict, key: Array | None, known: Seen, entry: Any
) -> tuple[dict[str, Any], Seen]:
    """The sample sites of the live model, with the values that `entry` gives them, and what else it saw."""
    first = _First(known)
    with first, trace() as sites, seed(rng_seed=key, hide_types=["plate"]), entry:
        model(*args, **kwargs)
    return {name: site for name, site in sites.items() if site["type"] == "sample"}, first.seen


def _has_value(name: str) -> bool:
    handlers = [h for h in _PYRO_STACK if isinstance(h, substitute)]
    return any(h.substitute_fn is not None or name in (h.data or {}) or isinstance(h, Given) for h in handlers)


@contextmanager
def begun_outside(who: str, guide: Any) -> Iterator[None]:
    """:raises RuntimeError: for an autoguide whose parameters would begin at values of a trace that has ended."""
    try:
        yield
    except jax.errors.UnexpectedTracerError as error:
        begin = [getattr(guide, name, None) for name in ("_init_locs", "_start")]
        if any(isinstance(value, jax.core.Tracer) for value in jax.tree.leaves(begin)):
            raise RuntimeError(guide_messages.begun_inside(who)) from error
        raise
