"""Saving a training and going on with it, bit for bit, for every guide."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from numpyro.infer import SVI
from numpyro.infer.svi import SVIState

from irg_kernels.adapter import guide_messages

from .auto_mixture import AutoMixture


def get_state(svi_state: Any) -> Any:
    """What a training needs to go on, for `pickle`: parameters, mutable state, the optimizer's state and the key::

        Path("training.pickle").write_bytes(pickle.dumps(get_state(svi_state)))

        svi = SVI(model, guide, optim, Trace_ELBO())  # in another process, made as before
        svi_state = set_state(svi, pickle.loads(Path("training.pickle").read_bytes()), data)

    Two processes agree bit for bit under one `PYTHONHASHSEED`: NumPyro adds up sites in the order of a set.

    :raises TypeError: for anything but a state, as the `SVI` itself.
    """
    guide_messages.check_saved("get_state", "svi_state", svi_state, SVIState, "what svi.init or svi.update returned")
    key = svi_state.rng_key
    if jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = {"data": jax.random.key_data(key), "impl": str(jax.random.key_impl(key))}
    return jax.device_get(svi_state._replace(rng_key=key))


def set_state(svi: SVI, state: Any, *args: Any, **kwargs: Any) -> Any:
    """The `svi_state` to go on from, of what `get_state` found.

    :param svi: made as the one that was saved, not yet started.
    :param args: the model's arguments, by which model and guide prepare themselves.
    :raises TypeError: for anything but an `SVI` and what `get_state` found.
    :raises ValueError: for a state of other parameters, or of other shapes.
    """
    guide_messages.check_saved("set_state", "svi", svi, SVI, "an SVI")
    guide_messages.check_saved("set_state", "state", state, SVIState, "what get_state returned")
    if isinstance(svi.guide, AutoMixture):
        svi.guide.setup(*args, **kwargs)  # without search
    made, saved = (_shapes(svi.get_params(s)) for s in (svi.init(jax.random.key(0), *args, **kwargs), state))
    if made != saved:
        named = sorted(name for name in made.keys() | saved.keys() if made.get(name) != saved.get(name))
        raise ValueError(
            f"set_state: the parameters {named} have shapes { {n: made.get(n) for n in named} } in the model and guide "
            f"and { {n: saved.get(n) for n in named} } in the state; make svi as the one that was saved"
        )
    key = state.rng_key
    if isinstance(key, dict):
        key = jax.random.wrap_key_data(key["data"], impl=key["impl"])
    return state._replace(rng_key=key)


def _shapes(params: dict[str, Any]) -> dict[str, Any]:
    return {name: jax.tree.map(jnp.shape, value) for name, value in params.items()}
