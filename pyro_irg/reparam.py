"""Twins for the sites of a program: `implicit`, and the same as one of Pyro's reparameterizers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from pyro.infer.reparam.reparam import Reparam
from pyro.infer.reparam.strategies import Strategy
from pyro.poutine import block, trace
from pyro.poutine.messenger import Messenger
from torch import Tensor

from irg_kernels.adapter import guide_messages, messages

from .registry import TWINS


def implicit(fn: Callable | None = None, *, strict: bool = False) -> Any:
    """A model or guide whose latent sites draw from the implicit twins of their distributions, where there are any::

        svi = SVI(model, implicit(guide), optim, Trace_ELBO())

        with implicit():
            guide(data)

    Names, shapes and log-densities stay; a module stays a module, its methods and parameters within reach.

    :param fn: a model or guide; None for a context manager, which also serves as a decorator.
    :param strict: raise at a site that stays without reparameterized gradients.  (Pyro falls back on the score
        function there, right but of large variance.)
    :raises ValueError: with `strict`, for such a site; discrete sites enumerated by `TraceEnum_ELBO` may stay.
    """
    if fn is None:
        return _ImplicitMessenger(strict)
    guide_messages.check_program("implicit", "fn", fn)
    return _ImplicitModule(fn, strict) if isinstance(fn, torch.nn.Module) else _ImplicitMessenger(strict)(fn)


class _ImplicitMessenger(Messenger):
    def __init__(self, strict: bool) -> None:
        super().__init__()
        self.strict = strict

    def _pyro_sample(self, msg: Any) -> None:
        if msg["is_observed"] or _is_subsample(msg):
            return
        twin = TWINS.find(msg["fn"])
        if twin is not None:
            msg["fn"] = twin

    def _pyro_post_sample(self, msg: Any) -> None:
        # by now a handler outside, such as config_enumerate, has had its say
        if self.strict and not msg["is_observed"] and not _is_subsample(msg):
            fault = _fault(msg)
            if fault:
                raise ValueError(f"implicit(strict=True): {fault}")


class _ImplicitModule(torch.nn.Module):
    """Not a PyroModule, which would rename the wrapped module's parameters."""

    def __init__(self, fn: torch.nn.Module, strict: bool) -> None:
        super().__init__()
        self.fn = fn
        self.strict = strict

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        with _ImplicitMessenger(self.strict):
            return self.fn(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        # the wrapped module's own, so that a checkpoint is good with and without `implicit`
        return self.fn.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn.load_state_dict(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "fn":  # not there yet, as while unpickling
                raise
            return getattr(super().__getattr__("fn"), name)


class ImplicitReparam(Reparam):
    """Reparameterizer that exchanges a site's distribution for its implicit twin::

        poutine.reparam(guide, config={"direction": ImplicitReparam()})

    :raises ValueError: when applied to a distribution without a twin.
    """

    def apply(self, msg: Any) -> Any:
        twin = TWINS.find(msg["fn"])
        if twin is None:
            raise ValueError(guide_messages.no_twin(msg["name"], msg["fn"]))
        return {"fn": twin, "value": msg["value"], "is_observed": msg["is_observed"]}


class AutoImplicit(Strategy):
    """Strategy that applies `ImplicitReparam` to every site whose distribution has a twin::

        poutine.reparam(guide, config=AutoImplicit())

    Other sites stay as they are.
    """

    def configure(self, msg: Any) -> ImplicitReparam | None:
        return None if TWINS.find(msg["fn"]) is None else ImplicitReparam()


def check_reparameterized(guide: Callable, *args: Any, **kwargs: Any) -> None:
    """Run a guide once and raise if a latent site of it has no reparameterized gradient.

    Draws of mixtures, and of classes of the user's own, are differentiated, for what these say of themselves may be
    wrong.

    :param guide: any guide; `args` and `kwargs` are its arguments.
    :raises ValueError: naming all such sites, their distributions and what to do.
    """
    guide_messages.check_program("check_reparameterized", "guide", guide)
    with torch.no_grad(), block(), trace() as sites:
        guide(*args, **kwargs)
    latents = (
        site
        for site in sites.trace.nodes.values()
        if site["type"] == "sample" and not site["is_observed"] and not _is_subsample(site)
    )
    faults = [fault for site in latents if (fault := _fault(site) or _derivative_fault(site))]
    if faults:
        raise ValueError("check_reparameterized: " + "\n".join(faults))


def _fault(msg: Any) -> str | None:
    """What is wrong with a latent site, and the remedy; None if its gradient is a reparameterized one."""
    fn = msg["fn"]
    if (msg["infer"] or {}).get("enumerate"):
        return None
    wrong = TWINS.host_fault(type(messages.innermost(fn))) if fn.has_rsample else None
    if fn.has_rsample and wrong is None:
        return None
    remedy = "take a reparameterized distribution, or give the class a twin with pyro_irg.implicit_twin_of"
    if wrong is None and fn.support.is_discrete:  # a Rejector has no support
        remedy = "enumerate it with TraceEnum_ELBO and infer={'enumerate': 'parallel'}, or sum it out"
    return guide_messages.fault(msg["name"], fn, TWINS.find(fn), "pyro_irg", wrong, remedy)


def _derivative_fault(msg: Any) -> str | None:
    """What the derivative of a draw shows, where the class alone does not tell."""
    fn = messages.innermost(msg["fn"])
    is_mixture = isinstance(fn, torch.distributions.MixtureSameFamily)
    known = type(fn).__module__.split(".")[0] in ("torch", "pyro", "pyro_irg") and not is_mixture
    if known or not fn.has_rsample or (msg["infer"] or {}).get("enumerate"):
        return None
    leaves: dict[str, Tensor] = {}
    try:
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            if is_mixture:
                draw = _with_leaves(fn, leaves).rsample()
            else:
                given = {name: getattr(fn, name) for name in fn.arg_constraints}
                leaves = {
                    k: v.detach().clone().requires_grad_() for k, v in given.items() if torch.is_floating_point(v)
                }
                try:
                    new = type(fn)(**{**given, **leaves})
                except Exception:  # it is not made anew from its parameters
                    return None
                draw = new.rsample()
            slopes = torch.autograd.grad(draw.sum(), list(leaves.values()), allow_unused=True)
    except Exception as error:
        wrong = f"whose derivative raises {type(error).__name__}: {str(error).splitlines()[0]}"
    else:
        still = [name for name, slope in zip(leaves, slopes, strict=True) if slope is None]
        if is_mixture or not still:
            return None
        wrong = f"whose draws do not move with {', '.join(still)}"
    remedy = "give the class a twin with pyro_irg.implicit_twin_of, or a draw that torch can differentiate"
    return guide_messages.fault(msg["name"], msg["fn"], None, "pyro_irg", wrong, remedy)


def _with_leaves(value: Any, leaves: dict[str, Tensor]) -> Any:
    """A copy of a distribution whose floating-point tensors are leaves, which are added to `leaves`."""
    if isinstance(value, Tensor) and value.is_floating_point():
        leaf = leaves[str(len(leaves))] = value.detach().clone().requires_grad_()
        return leaf
    if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
        return type(value)([_with_leaves(each, leaves) for each in value])
    if not isinstance(value, torch.distributions.Distribution):
        return value
    new = copy.copy(value)
    vars(new).update({name: _with_leaves(each, leaves) for name, each in vars(value).items()})
    return new


def _is_subsample(msg: Any) -> bool:
    return type(msg["fn"]).__name__ == "_Subsample"
