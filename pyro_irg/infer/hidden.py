"""Latents that a model keeps from every handler."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from pyro.poutine import block, trace
from pyro.poutine.block_messenger import BlockMessenger
from pyro.poutine.messenger import Messenger, _bound_partial
from pyro.poutine.subsample_messenger import _Subsample

from .sites import buffers_kept


def hidden_latents(model: Callable, args: tuple, kwargs: dict) -> list[str]:
    """The names of latents that `poutine.block` around the model hides; without a trace in the random state."""
    handlers, bare = _taken_apart(model)
    if not any(isinstance(handler, BlockMessenger) for handler in handlers):
        return []
    program = bare
    for handler in reversed(handlers):
        program = program if isinstance(handler, BlockMessenger) else handler(program)
    state = torch.get_rng_state()
    with torch.no_grad(), block(), buffers_kept(bare):
        whole, shown = (trace(fn).get_trace(*args, **kwargs).nodes for fn in (program, model))
    torch.set_rng_state(state)
    return sorted(name for name, site in whole.items() if _is_latent(site) and name not in shown)


def _taken_apart(model: Callable) -> tuple[list[Messenger], Callable]:
    """The handlers around a program, the outermost first, and the program."""
    handlers, program = list[Messenger](), model
    while isinstance(program, _bound_partial):
        inside: Any = program.func
        if not isinstance(inside, partial) or not isinstance(inside.args[0], Messenger):
            break
        handler, program = inside.args
        handlers.append(handler)
    return handlers, program


def _is_latent(site: Any) -> bool:
    return site["type"] == "sample" and not site["is_observed"] and not isinstance(site["fn"], _Subsample)
