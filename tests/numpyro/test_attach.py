"""`attach` in JAX: scan and checkpoint."""

import jax
import numpy as np
import pytest
from jax import grad, jacfwd, jit, lax

from irg_kernels.families import gamma
from numpyro_irg.attach import attach, evaluate
from tests.adapters import numpyro as adapter
from tests.paths import PATHS
from tests.shared.test_attach import check, draw_of


@pytest.fixture(autouse=True)
def strict_float64():
    with adapter.precision("float64"), adapter.strict():
        yield


def test_scan():
    """A chain of draws, each with the last for its concentration: z_3 depends on a through all of them."""
    draws = adapter.array([1.5, 0.75, 2.0])

    def chain(a):
        return lax.scan(lambda a, draw: (attach((gamma.dz_da,), draw, a), None), a, draws)[0]

    def partial(z, a):
        return evaluate(gamma.dz_da, z, a)

    a = adapter.array(1.25)
    expected, concentration = 1.0, a
    for draw in draws:
        expected *= jit(partial)(draw, concentration)
        concentration = draw
    np.testing.assert_allclose(jit(grad(chain))(a), expected, rtol=1e-12)
    np.testing.assert_allclose(jit(jacfwd(chain))(a), expected, rtol=1e-12)


def test_checkpoint():
    path = PATHS[0]
    check(adapter, path, jit(grad(jax.checkpoint(draw_of(adapter, path))))(adapter.array(path.params)), 1)
