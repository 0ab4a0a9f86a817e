"""Saving a training and going on with it, bit for bit, for every guide."""

from __future__ import annotations

from typing import Any

import pyro
import torch
from pyro.infer import SVI
from pyro.poutine import block
from torch import nn

from .auto_mixture import AutoMixture

__all__ = ["get_state", "set_state"]


def get_state(svi: SVI) -> dict[str, Any]:
    """What a training needs to go on, for `torch.save`: parameters, buffers, the optimizer's and the random state::

        torch.save(get_state(svi), "training.pt")

        svi = SVI(model, guide, optim, Trace_ELBO())  # in another process, made as before
        set_state(svi, torch.load("training.pt", weights_only=False), data)

    Buffers are those of a model and guide that are modules themselves.
    """
    return {
        "params": pyro.get_param_store().get_state(),
        "buffers": [dict(module.named_buffers()) for module in _modules(svi)],
        "optim": svi.optim.get_state(),
        "random": pyro.util.get_rng_state(),
    }


@torch.no_grad()
def set_state(svi: SVI, state: dict[str, Any], *args: Any, **kwargs: Any) -> None:
    """Goes on from what `get_state` found.

    Values are written into the parameters in use: `ParamStore.set_state` puts other tensors in the place of a module's,
    which then stands still.

    :param svi: made as the one that was saved, its guide not yet called.
    :param args: the model's arguments, by which model and guide make their parameters.
    """
    store = pyro.get_param_store()
    store.clear()
    if isinstance(svi.guide, AutoMixture):
        svi.guide.setup(*args, **kwargs)  # without search
    with block():
        svi.loss(svi.model, svi.guide, *args, **kwargs)
    for name, value in state["params"]["params"].items():
        if name in store:
            store._params[name].copy_(value)
        else:  # of a branch that these arguments do not take
            store.setdefault(name, value, state["params"]["constraints"][name])
    for module, saved in zip(_modules(svi), state["buffers"], strict=True):
        for name, buffer in module.named_buffers():
            buffer.copy_(saved[name])
    svi.optim.set_state(state["optim"])
    pyro.util.set_rng_state(state["random"])


def _modules(svi: SVI) -> list[nn.Module]:
    return [part for part in (svi.model, svi.guide) if isinstance(part, nn.Module)]
