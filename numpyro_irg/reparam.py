"""Twins for the sites of a program: `implicit`, and the same as one of NumPyro's reparameterizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as host
from jax.interpreters.partial_eval import dce_jaxpr
from numpyro.handlers import block, seed, trace
from numpyro.infer.reparam import Reparam
from numpyro.primitives import Messenger

from irg_kernels.adapter import guide_messages, messages

from .registry import TWINS


class implicit(Messenger):
    """A model or guide whose latent sites draw from the implicit twins of their distributions, where there are any::

        svi = SVI(model, implicit(guide, strict=True), optim, Trace_ELBO())

        with implicit():
            guide(data)

    Names, shapes and log-densities stay, and what the wrapped guide has for methods is within reach.

    :param fn: a model or guide; None for a context manager, which also serves as a decorator.
    :param strict: raise at a site that stays without reparameterized gradients: `Trace_ELBO`, `TraceMeanField_ELBO` and
        `RenyiELBO` would leave its contribution out of the gradient without a word.
    :raises ValueError: with `strict`, for such a site.
    """

    def __init__(self, fn: Callable | None = None, *, strict: bool = False) -> None:
        if fn is not None:
            guide_messages.check_program("implicit", "fn", fn)
        self.strict = strict
        super().__init__(fn)

    def process_message(self, msg: Any) -> None:
        if msg["type"] != "sample" or msg["is_observed"]:
            return
        twin = TWINS.find(msg["fn"])
        if twin is not None:
            msg["fn"] = twin

    def postprocess_message(self, msg: Any) -> None:
        # by now a handler outside, such as config_enumerate, has had its say
        if self.strict and msg["type"] == "sample" and not msg["is_observed"]:
            fault = _fault(msg)
            if fault:
                raise ValueError(f"implicit(strict=True): {fault}")

    def __getattr__(self, name: str) -> Any:
        fn = self.__dict__.get("fn")
        if fn is None or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(fn, name)


class ImplicitReparam(Reparam):
    """Reparameterizer that exchanges a site's distribution for its implicit twin::

        handlers.reparam(guide, config={"direction": ImplicitReparam()})

    :raises ValueError: when applied to a distribution without a twin.
    """

    def __call__(self, name: str, fn: Any, obs: Any) -> tuple[Any, Any]:
        twin = TWINS.find(fn)
        if twin is None:
            raise ValueError(guide_messages.no_twin(name, fn))
        return twin, obs


class AutoImplicit:
    """Config that applies `ImplicitReparam` to every site whose distribution has a twin::

        handlers.reparam(guide, config=AutoImplicit())

    Other sites stay as they are.
    """

    def __call__(self, msg: Any) -> ImplicitReparam | None:
        return None if TWINS.find(msg["fn"]) is None else ImplicitReparam()


def check_reparameterized(guide: Callable, *args: Any, **kwargs: Any) -> None:
    """Run a guide once and raise if a latent site of it has no reparameterized gradient.

    Draws of mixtures, and of classes of the user's own, are differentiated, for what these say of themselves may be
    wrong.

    :param guide: any guide; `args` and `kwargs` are its arguments.
    :raises ValueError: naming all such sites, their distributions and what to do.
    """
    guide_messages.check_program("check_reparameterized", "guide", guide)
    with block(), trace() as sites, seed(rng_seed=0):
        guide(*args, **kwargs)
    latents = [site for site in sites.values() if site["type"] == "sample" and not site["is_observed"]]
    faults = [fault for site in latents if (fault := _fault(site) or _derivative_fault(site))]
    if faults:
        raise ValueError("check_reparameterized: " + "\n".join(faults))


def _fault(msg: Any) -> str | None:
    """What is wrong with a latent site, and the remedy; None if its gradient is a reparameterized one."""
    fn = msg["fn"]
    if fn.has_rsample or (msg["infer"] or {}).get("enumerate"):
        return None
    remedy = "use TraceGraph_ELBO, or give the class a twin with numpyro_irg.implicit_twin_of"
    if fn.support is not None and fn.support.is_discrete:
        remedy = "use TraceGraph_ELBO, TraceEnum_ELBO with infer={'enumerate': 'parallel'}, or sum it out"
    return guide_messages.fault(msg["name"], fn, TWINS.find(fn), "numpyro_irg", None, remedy)


def _derivative_fault(msg: Any) -> str | None:
    """What the derivative of a draw shows, where the class alone does not tell."""
    fn = messages.innermost(msg["fn"])
    is_mixture = isinstance(fn, host.MixtureSameFamily | host.MixtureGeneral)
    known = type(fn).__module__.split(".")[0] in ("numpyro", "numpyro_irg") and not is_mixture
    if known or not fn.has_rsample or (msg["infer"] or {}).get("enumerate"):
        return None
    if is_mixture:
        leaves, structure = jax.tree.flatten(fn)
        params = {str(i): leaf for i, leaf in enumerate(leaves)}

        def draw(params: dict[str, Any]) -> Any:
            return jax.tree.unflatten(structure, list(params.values())).sample(jax.random.key(0))
    else:
        params = fn.get_args()

        def draw(params: dict[str, Any]) -> Any:
            return type(fn)(**params).sample(jax.random.key(0))

    moving = {k: v for k, v in params.items() if jnp.issubdtype(jnp.result_type(v), jnp.floating)}
    try:
        jax.eval_shape(draw, params)
    except Exception:  # it is not made anew from its parameters
        return None
    try:
        used = _moves_with(lambda moving: draw({**params, **moving}), {k: jnp.asarray(v) for k, v in moving.items()})
    except Exception as error:
        wrong = f"whose derivative raises {type(error).__name__}: {str(error).splitlines()[0]}"
    else:
        still = [k for k in moving if not used[k] and k in fn.reparametrized_params]
        if is_mixture or not still:
            return None
        wrong = f"whose draws do not move with {', '.join(still)}"
    remedy = "give the class a twin with numpyro_irg.implicit_twin_of, or a draw that JAX can differentiate"
    return guide_messages.fault(msg["name"], msg["fn"], None, "numpyro_irg", wrong, remedy)


def _moves_with(draw: Callable, params: dict[str, Any]) -> dict[str, bool]:
    """Which parameters the draw has a derivative in; nothing is compiled."""

    def tangent(params: dict[str, Any], tangents: dict[str, Any]) -> Any:
        return jax.jvp(draw, (params,), (tangents,))[1]

    jax.eval_shape(jax.grad(lambda params: draw(params).sum()), params)  # backwards, as an ELBO goes
    traced = jax.make_jaxpr(tangent)(params, params).jaxpr
    _, used = dce_jaxpr(traced, [True] * len(traced.outvars))
    return dict(zip(sorted(params), used[len(params) :], strict=True))
