"""`attach` in JAX: derivatives of a draw along its quantile, to third order and under every transformation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import grad, hessian, jacfwd, jacrev, jit, jvp, lax, vmap

from irg_kernels.families import beta, gamma
from numpyro_irg.attach import attach, evaluate
from tests.paths import PATHS

# A kernel's derivatives take JAX a second to compile at the second order, several at the third.  The torch twin of
# this file tests those of every kernel; here a few are enough to test what JAX makes of them.
few_paths = pytest.mark.parametrize("path", [PATHS[0], PATHS[3], PATHS[8]], ids=str)
one_path = pytest.mark.parametrize("path", PATHS[:1], ids=str)


@pytest.fixture(autouse=True)
def strict_float64():
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def array(values):
    return jnp.asarray(values, dtype=jnp.float64)


def draw_of(path):
    """The draw as a function of the vector of its parameters."""
    return lambda params: attach(path.kernels, array(path.draw), *params)


def check(path, found, order):
    """Against the derivatives along the quantile, to 1e-11 of the largest; the partials are good to 1e-12."""
    truth = path.derivative(order)
    assert found.shape == truth.shape
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-11 * np.max(np.abs(truth)))


def test_value():
    """The draw, unchanged; its own history is cut."""
    z, a = array([0.5, 2.0]), array([1.0, 3.0])
    np.testing.assert_array_equal(attach((gamma.dz_da,), z, a), z)
    by_history, by_a = jit(grad(lambda z, a: attach((gamma.dz_da,), 2.0 * z, a).sum(), argnums=(0, 1)))(z, a)
    np.testing.assert_array_equal(by_history, 0.0)
    np.testing.assert_allclose(by_a, jit(lambda *v: evaluate(gamma.dz_da, *v))(2.0 * z, a), rtol=1e-13)


# Under jit as anywhere in use, and because JAX would compile every operation by itself; test_eager is the exception.


@few_paths
def test_grad(path):
    check(path, jit(grad(draw_of(path)))(array(path.params)), 1)


@few_paths
def test_jvp(path):
    tangent = array([1.0, -0.5])[: len(path.params)]
    value, slope = jit(lambda p, t: jvp(draw_of(path), (p,), (t,)))(array(path.params), tangent)
    assert value.item() == path.draw
    np.testing.assert_allclose(slope, path.derivative(1) @ np.asarray(tangent), rtol=1e-11)


@few_paths
def test_hessian(path):
    check(path, jit(hessian(draw_of(path)))(array(path.params)), 2)


@one_path
def test_grad_of_grad(path):
    check(path, jit(jacrev(grad(draw_of(path))))(array(path.params)), 2)


@one_path
def test_jvp_of_grad(path):
    check(path, jit(jacfwd(jacrev(draw_of(path))))(array(path.params)), 2)


@one_path
def test_grad_of_jvp(path):
    check(path, jit(jacrev(jacfwd(draw_of(path))))(array(path.params)), 2)


@one_path
def test_jvp_of_jvp(path):
    check(path, jit(jacfwd(jacfwd(draw_of(path))))(array(path.params)), 2)


@one_path
def test_third_derivative(path):
    check(path, jit(jacfwd(jacfwd(jacrev(draw_of(path)))))(array(path.params)), 3)


@one_path
def test_eager(path):
    check(path, grad(draw_of(path))(array(path.params)), 1)


def test_chain_rule():
    """d**2/da**2 of sin(z(2 a)) needs the draw's first and second derivative."""
    path = PATHS[1]
    (first,), ((second,),) = path.derivative(1), path.derivative(2)
    found = jit(hessian(lambda a: jnp.sin(draw_of(path)(2.0 * a))))(array([0.5 * path.params[0]]))
    expected = 4.0 * (np.cos(path.draw) * second - np.sin(path.draw) * first**2)
    np.testing.assert_allclose(found.item(), expected, rtol=1e-11)


@pytest.mark.parametrize("axes", [(0, 0), (None, 0), (0, None)], ids=["both", "parameters", "draws"])
def test_vmap_grad(axes):
    z, a = array([0.01, 0.5, 4.0, 30.0]), array([0.3, 1.0, 4.0, 20.0])
    taken = [v if axis == 0 else v[1] for v, axis in zip((z, a), axes, strict=True)]
    derivative = grad(lambda a, z: attach((gamma.dz_da,), z, a))
    found = jit(vmap(lambda z, a: derivative(a, z), in_axes=axes))(*taken)
    expected = jit(lambda *v: evaluate(gamma.dz_da, *v))(*jnp.broadcast_arrays(*taken))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_vmap_hessian():
    path = PATHS[0]
    params = array([[path.params[0]], [3.5]])
    found = jit(vmap(hessian(draw_of(path))))(params)
    check(path, found[0], 2)
    np.testing.assert_allclose(found[1], jit(hessian(draw_of(path)))(params[1]), rtol=1e-11)


def test_scan():
    """A chain of draws, each with the last for its concentration: z_3 depends on a through all of them."""
    draws = array([1.5, 0.75, 2.0])

    def chain(a):
        return lax.scan(lambda a, draw: (attach((gamma.dz_da,), draw, a), None), a, draws)[0]

    def partial(z, a):
        return evaluate(gamma.dz_da, z, a)

    a = array(1.25)
    expected, concentration = 1.0, a
    for draw in draws:
        expected *= jit(partial)(draw, concentration)
        concentration = draw
    np.testing.assert_allclose(jit(grad(chain))(a), expected, rtol=1e-12)
    np.testing.assert_allclose(jit(jacfwd(chain))(a), expected, rtol=1e-12)


def test_checkpoint():
    path = PATHS[0]
    check(path, jit(grad(jax.checkpoint(draw_of(path))))(array(path.params)), 1)


def test_only_the_wanted_partials_are_evaluated():
    def unwanted(xp, x, a, b):
        raise AssertionError("nobody asked for d/db")

    x, a, b = array([-3.0, 2.0]), array([0.3, 4.0]), array([2.0, 0.7])
    slope = jit(grad(lambda a: attach((beta.dlogit_da, unwanted), x, a, b).sum()))(a)
    np.testing.assert_allclose(slope, jit(lambda *v: evaluate(beta.dlogit_da, *v))(x, a, b), rtol=1e-13)


def test_parameter_without_derivative():
    """Its place in `partials` is None."""
    z, a = array([0.5, 2.0]), array([1.0, 3.0])
    slope = jit(grad(lambda a: attach((None,), z, a).sum()))(a)
    np.testing.assert_array_equal(slope, 0.0)


def test_without_a_gradient():
    def unwanted(xp, z, a):
        raise AssertionError("nobody asked for a derivative")

    z = array([0.5, 2.0])
    np.testing.assert_array_equal(jit(lambda a: attach((unwanted,), z, a))(array([1.0, 3.0])), z)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16, jnp.bfloat16], ids=lambda dtype: dtype.__name__)
def test_low_precision(dtype):
    """Float32 arithmetic for any lesser precision: the answer is off by one rounding, and 2e-6 for the arithmetic."""
    z, a = array([0.25, 1.5, 30.0]).astype(dtype), array([0.5, 2.0, 25.0]).astype(dtype)
    slope = jit(grad(lambda a: attach((gamma.dz_da,), z, a).sum()))(a)
    assert slope.dtype == dtype
    truth = jit(lambda *v: evaluate(gamma.dz_da, *v))(z.astype(jnp.float64), a.astype(jnp.float64))
    np.testing.assert_allclose(slope.astype(jnp.float64), truth, rtol=float(jnp.finfo(dtype).eps) + 2e-6)


def test_empty():
    slope = jit(grad(lambda a: attach((gamma.dz_da,), array([]), a).sum()))(array([]))
    assert slope.shape == (0,)
