"""`attach` in JAX: scan and checkpoint."""

import jax
import numpy as np
import pytest
from jax import grad, jacfwd, jit, lax

from irg_kernels.families import beta, gamma
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


def test_partials_in_one_evaluation():
    """Both of Beta's by one kernel, one of them by its own: the same derivatives, to the second order."""
    partials = beta.dlogit_da, beta.dlogit_db
    logit, a, b = map(adapter.array, ([-2.0, 0.25, 3.0], [0.5, 3.0, 40.0], [2.0, 0.125, 7.0]))

    def total(*shapes):
        return attach(partials, logit, *shapes).sum()

    both = jit(grad(total, (0, 1)))(a, b)
    for i, kernel in enumerate(partials):
        np.testing.assert_allclose(both[i], evaluate(kernel, logit, a, b), rtol=1e-14)
        np.testing.assert_array_equal(jit(grad(total, i))(a, b), evaluate(kernel, logit, a, b))
    # d2x/da2 + d2x/dadb by both in one, and of each by its own: d(dx/da) along (1, 1), x moving too
    ones = adapter.array([1.0, 1.0, 1.0])
    second = jit(lambda: jax.jvp(grad(total, (0, 1)), (a, b), (ones, ones))[1])()
    slopes = [evaluate(kernel, logit, a, b) for kernel in partials]
    for found, kernel in zip(second, partials, strict=True):
        args, moves = (logit, a, b), (slopes[0] + slopes[1], ones, ones)
        expected = jit(lambda kernel=kernel, at=args, by=moves: jax.jvp(lambda *x: evaluate(kernel, *x), at, by)[1])()
        np.testing.assert_allclose(found, expected, rtol=1e-12)
