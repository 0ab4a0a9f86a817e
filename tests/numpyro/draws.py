"""What the tests of `numpyro_irg.distributions` share."""

from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np


@contextmanager
def precision_of(name):
    with jax.enable_x64(name == "float64"):
        yield


def arrays(params, precision="float32", shape=()):
    """The parameters, one for every draw of `shape`."""
    found = {name: jnp.asarray(value, dtype=precision) for name, value in params.items()}
    return {name: jnp.broadcast_to(p, (*shape, *p.shape)) for name, p in found.items()}


def numpy(array):
    return np.asarray(array, dtype=np.float64)
