"""What the tests of `numpyro_irg.distributions` share."""

import functools
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np

import numpyro_irg.distributions as dist
from numpyro_irg import implicit_gradients
from tests.laws import FUNCTIONS, functions_of


@contextmanager
def precision_of(name):
    with jax.enable_x64(name == "float64"):
        yield


def arrays(params, precision="float32", shape=()):
    """The parameters, one for every draw of `shape`."""
    found = {name: jnp.asarray(value, dtype=precision) for name, value in params.items()}
    return {name: jnp.broadcast_to(p, (*shape, *p.shape)) for name, p in found.items()}


@functools.cache
def sampler(name, shape):
    """(key, parameters) -> draws, compiled once for all parameters of a family."""
    return jax.jit(lambda key, found: getattr(dist, name)(**found).sample(key, shape))


@functools.cache
def observed(law):
    """(key, parameters) -> the draw, for each function of the law its slopes by each parameter when every draw has its
    own, and the draw's implicit gradients: compiled once, for one shape, for all tests."""
    names = ("x", *functions_of(law)) if law.name != "Dirichlet" else functions_of(law)

    @jax.jit
    def evaluate(key, found):
        x, pull = jax.vjp(lambda found: getattr(dist, law.name)(**found).sample(key), found)
        slopes = {name: pull(jax.grad(lambda x, f=FUNCTIONS[name]: f(jnp, x).sum())(x))[0] for name in names}
        return x, slopes, implicit_gradients(getattr(dist, law.name)(**found), x)

    return evaluate


def numpy(array):
    return np.asarray(array, dtype=np.float64)
