"""Latents that a model keeps from every handler."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from numpyro.handlers import block, seed, trace
from numpyro.primitives import Messenger


def hidden_latents(model: Callable, args: tuple, kwargs: dict) -> list[str]:
    """The names of latents that `handlers.block` around the model hides."""
    program, hides = _shown_whole(model)
    if not hides:
        return []
    with block(), seed(rng_seed=0):
        whole, shown = (trace(fn).get_trace(*args, **kwargs) for fn in (program, model))
    return sorted(name for name, site in whole.items() if _is_latent(site) and name not in shown)


def _shown_whole(model: Any) -> tuple[Callable, bool]:
    """The model without the blocks around it, and whether there were any."""
    if not isinstance(model, Messenger) or model.fn is None:
        return model, False
    inner, hides = _shown_whole(model.fn)
    if isinstance(model, block):
        return inner, True
    outer = copy.copy(model)
    outer.fn = inner
    return outer, hides


def _is_latent(site: Any) -> bool:
    return site["type"] == "sample" and not site["is_observed"]
