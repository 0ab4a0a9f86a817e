"""Pyro's ELBOs over our guides: the gradient is the exact one, for every cell of `tests/matrix.py`."""

import numpy as np
import pyro
import pyro.infer
import pytest
import torch

import pyro_irg.distributions as dist
from tests.adapters import pyro as adapter
from tests.adapters.pyro import numpy
from tests.checks import STANDARD_ERRORS, standardised
from tests.matrix import ORDER, PARTICLES, cells, programs

DRAWS = 5000  # of one evaluation, each with parameters of its own
RUNS = 300  # evaluations of Renyi's bound, which is no sum over draws unless there is a plate


def bound(elbo, **options):
    if elbo == "Renyi":
        return pyro.infer.RenyiELBO(ORDER, PARTICLES, **options)
    return getattr(pyro.infer, f"{elbo}_ELBO")(**options)


def gradients(loss, program):
    """The bound's, by each parameter."""
    pyro.clear_param_store()
    loss.loss_and_grads(*program)
    return {name: -numpy(leaf.grad) for name, leaf in pyro.get_param_store()._params.items()}


def estimates(family, elbo, setting):
    """Independent estimates of each parameter's gradient, along the first axis."""
    at = adapter, getattr(dist, family.name), family, elbo
    if setting == "plain" and elbo == "Renyi":
        each = [gradients(bound(elbo, max_plate_nesting=0), programs(*at)) for _ in range(RUNS)]
        return {name: np.array([found[name] for found in each]) for name in family.guide}
    if setting == "plain":
        return gradients(bound(elbo, max_plate_nesting=0), programs(*at, shape=(DRAWS,)))
    size = 2 * DRAWS if setting == "subsampled plate" else DRAWS
    chosen = torch.randperm(size)[:DRAWS]
    options = {"max_plate_nesting": 1}
    if setting == "vectorized particles":
        options |= {"vectorize_particles": True} | ({} if elbo == "Renyi" else {"num_particles": PARTICLES})
    program = programs(*at, lambda: pyro.plate("copies", size, subsample=chosen), (size,))
    found = gradients(bound(elbo, **options), program)
    for slopes in found.values():
        assert not np.delete(slopes, chosen, 0).any()
    return {name: slopes[chosen] * DRAWS / size for name, slopes in found.items()}


@pytest.mark.parametrize(("family", "elbo", "setting"), cells("Pyro"))
def test_gradient(family, elbo, setting):
    pyro.set_rng_seed(8)
    found = estimates(family, elbo, setting)
    for name, truth in family.gradient(elbo, setting).items():
        assert (standardised(found[name], truth, rtol=1e-5) < STANDARD_ERRORS).all(), name
