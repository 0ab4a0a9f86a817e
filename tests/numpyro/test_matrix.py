"""NumPyro's ELBOs over our guides: the gradient is the exact one, for every cell of `tests/matrix.py`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.infer
import pytest

import numpyro_irg.distributions as dist
from tests.adapters import numpyro as adapter
from tests.adapters.numpyro import arrays, numpy
from tests.checks import STANDARD_ERRORS, standardised
from tests.matrix import ORDER, PARTICLES, cells, programs

DRAWS = 5000  # of one evaluation, each with parameters of its own
KEY = jax.random.key(8)


@pytest.fixture(autouse=True, scope="module")
def quick_compilation():
    """It takes longer than the rest."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@functools.cache
def compiled(name):
    """The family's class, its `sample` compiled by itself.

    The ELBOs then run operation by operation, and what is slow to compile is compiled once for all of them.
    """
    family = getattr(dist, name)
    draw = jax.jit(lambda key, params, shape: family(**params).sample(key, shape), static_argnums=2)

    def sample(self, key, sample_shape=()):
        return draw(key, {name: getattr(self, name) for name in family.arg_constraints}, sample_shape)

    return type(name, (family,), {"sample": sample})


def gradient(elbo, program, plates, **options):
    """The bound's, as a function of parameters and key."""
    if elbo == "Renyi":
        loss = numpyro.infer.RenyiELBO(ORDER, PARTICLES)
    else:
        options |= {"max_plate_nesting": plates} if elbo == "TraceEnum" else {}
        loss = getattr(numpyro.infer, f"{elbo}_ELBO")(**options)
    return jax.grad(lambda params, key: -loss.loss(key, params, *program))


def estimates(family, elbo, setting):
    """Independent estimates of each parameter's gradient, along the first axis."""
    at = adapter, compiled(family.name), family, elbo
    if setting == "plain" and elbo == "Renyi":  # its bound is no sum over draws unless there is a plate
        single = gradient(elbo, programs(*at), 0)
        found = jax.vmap(single, (None, 0))(arrays(family.guide), jax.random.split(KEY, DRAWS))
        return {name: numpy(slopes) for name, slopes in found.items()}
    size, options = 2 * DRAWS if setting == "subsampled plate" else DRAWS, {}
    plate = None if setting == "plain" else lambda: numpyro.plate("copies", size, subsample_size=DRAWS)
    if setting == "vectorized particles":
        options["num_particles"] = PARTICLES
    chosen = np.random.default_rng(8).permutation(size)[:DRAWS]
    program = programs(*at, plate, shape=(size,))
    if setting == "subsampled plate":  # else the host compiles its own choice anew for every cell
        program = [numpyro.handlers.substitute(part, {"copies": jnp.array(chosen)}) for part in program]
    found = gradient(elbo, program, 0 if plate is None else 1, **options)(arrays(family.guide, shape=(size,)), KEY)
    for slopes in found.values():
        assert not np.delete(slopes, chosen, 0).any()
    return {name: numpy(slopes)[chosen] * DRAWS / size for name, slopes in found.items()}


@pytest.mark.parametrize(("family", "elbo", "setting"), cells("NumPyro"))
def test_gradient(family, elbo, setting):
    found = estimates(family, elbo, setting)
    for name, truth in family.gradient(elbo, setting).items():
        assert (standardised(found[name], truth, rtol=1e-5) < STANDARD_ERRORS).all(), name
