"""Saving a training and going on with it, bit for bit, for every guide."""

from __future__ import annotations

import copy
from typing import Any

import pyro
import torch
from pyro.infer import SVI
from pyro.poutine import block
from torch import nn
from torch.distributions import transform_to

from irg_kernels.adapter import guide_messages

from .auto_mixture import AutoMixture


def get_state(svi: SVI) -> dict[str, Any]:
    """What a training needs to go on, for `torch.save`: parameters, buffers, the optimizer's and the random state::

        torch.save(get_state(svi), "training.pt")

        svi = SVI(model, guide, optim, Trace_ELBO())  # in another process, made as before
        set_state(svi, torch.load("training.pt", weights_only=False), data)

    It is a copy, which a training that goes on leaves as it is.  Buffers are those of a model and guide that are
    modules themselves.

    :raises TypeError: for anything but an `SVI`.
    """
    guide_messages.check_saved("get_state", "svi", svi, SVI, "an SVI")
    state = {
        "params": pyro.get_param_store().get_state(),
        "buffers": [dict(module.named_buffers()) for module in _modules(svi)],
        "optim": svi.optim.get_state(),
        "random": pyro.util.get_rng_state(),
    }
    return copy.deepcopy(state)


@torch.no_grad()
def set_state(svi: SVI, state: dict[str, Any], *args: Any, **kwargs: Any) -> None:
    """Goes on from what `get_state` found.

    Values are written into the parameters in use: `ParamStore.set_state` puts other tensors in the place of a module's,
    which then stands still.

    :param svi: made as the one that was saved, its guide not yet called.
    :param args: the model's arguments, by which model and guide make their parameters.
    :raises TypeError: for anything but an `SVI` and what `get_state` found.
    :raises ValueError: for parameters that were not saved, or were of another shape.
    """
    guide_messages.check_saved("set_state", "svi", svi, SVI, "an SVI")
    guide_messages.check_saved("set_state", "state", state, dict, "what get_state returned")
    store = pyro.get_param_store()
    store.clear()
    if isinstance(svi.guide, AutoMixture):
        svi.guide.setup(*args, **kwargs)  # without search
    with block():
        svi.loss(svi.model, svi.guide, *args, **kwargs)
    saved_params, saved_constraints = state["params"]["params"], state["params"]["constraints"]
    for name, made in store._params.items():
        found = saved_params.get(name)
        if found is None or found.shape != made.shape:
            held = "has none" if found is None else f"has one of shape {tuple(found.shape)}"
            raise ValueError(
                f"set_state: the model and guide make a parameter {name!r} of unconstrained shape {tuple(made.shape)}, "
                f"and the state {held}; make svi as the one that was saved"
            )
    for name, value in saved_params.items():
        if name not in store:  # of a branch that these arguments do not take
            constraint = saved_constraints[name]
            store.setdefault(name, transform_to(constraint)(value), constraint)
        store._params[name].copy_(value)
    for module, saved in zip(_modules(svi), state["buffers"], strict=True):
        for name, buffer in module.named_buffers():
            buffer.copy_(saved[name])
    svi.optim.set_state(state["optim"])
    pyro.util.set_rng_state(state["random"])


def _modules(svi: SVI) -> list[nn.Module]:
    return [part for part in (svi.model, svi.guide) if isinstance(part, nn.Module)]
