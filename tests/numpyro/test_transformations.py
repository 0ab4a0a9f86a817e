"""Draws under every transformation of JAX: the derivative is that of the quantile.

Most under jit, as anywhere in use: JAX would compile every operation by itself.  What holds for the machinery alone is
shown with one family or two.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import grad, hessian, jacfwd, jacrev, jit, jvp, lax, vmap

import numpyro_irg.distributions as dist
from numpyro_irg import implicit_gradients
from tests import cases
from tests.laws import LAWS, along_quantile
from tests.numpyro.draws import numpy

KEY = jax.random.key(4)
KERNELS = [law for law in LAWS if law.name in {case.distribution for case in cases.CASES}]
GAMMA = next(law for law in LAWS if law.name == "Gamma")


def draw_of(law):
    """The draw as a function of the vector of its parameters."""
    names = list(law.points[1])
    return lambda theta: getattr(dist, law.name)(**dict(zip(names, theta))).sample(KEY)


def theta_of(law, dtype="float64"):
    return jnp.asarray(list(law.points[1].values()), dtype=dtype)


def along(law, x):
    """d x / d parameter and d**2 x / d parameter**2 from SciPy's quantile function, good to 1e-10 and 1e-7."""
    params = law.points[1]
    slopes = [along_quantile(law, numpy(x).reshape(1), params, name) for name in params]
    return np.array(slopes).reshape(len(params), 2).T


def check_second(law, x, second):
    np.testing.assert_allclose(second, second.T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.diagonal(second), along(law, x)[1], rtol=1e-6, atol=1e-7)


def test_first_derivatives():
    """grad, jacfwd and jvp agree."""
    f, tangent = draw_of(GAMMA), np.array([1.0, -2.0])

    @jit
    def evaluate(theta, tangent):
        return f(theta), grad(f)(theta), jacfwd(f)(theta), jvp(f, (theta,), (tangent,))

    with jax.enable_x64(True):
        x, reverse, forward, (value, slope) = evaluate(theta_of(GAMMA), tangent)
    np.testing.assert_allclose(reverse, along(GAMMA, x)[0], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12)
    np.testing.assert_allclose(slope, numpy(forward) @ tangent, rtol=1e-12)
    assert value == x


@pytest.mark.parametrize("law", KERNELS, ids=str)
def test_hessian(law):
    """In forward over reverse mode, with the draw and its gradient on the way."""

    def first(theta):
        x, slopes = jax.value_and_grad(draw_of(law))(theta)
        return slopes, (x, slopes)

    with jax.enable_x64(True):
        second, (x, slopes) = jit(jacfwd(first, has_aux=True))(theta_of(law))
    np.testing.assert_allclose(slopes, along(law, x)[0], rtol=1e-8, atol=1e-9)
    check_second(law, x, second)


@pytest.mark.parametrize(
    "transform",
    [lambda f: jacrev(grad(f)), lambda f: jacfwd(jacfwd(f)), lambda f: jacrev(jacfwd(f))],
    ids=["grad_of_grad", "jvp_of_jvp", "grad_of_jvp"],
)
def test_second_derivatives(transform):
    f = draw_of(GAMMA)
    with jax.enable_x64(True):
        check_second(GAMMA, *jit(lambda theta: (f(theta), transform(f)(theta)))(theta_of(GAMMA)))


def test_hessian_in_float32():
    """Without x64, to the accuracy of second derivatives in float32 (`tests/cases.py`) and of a rounded draw."""
    found = jit(lambda theta: (draw_of(GAMMA)(theta), hessian(draw_of(GAMMA))(theta)))
    x, second = found(theta_of(GAMMA, "float32"))
    assert second.dtype == jnp.float32
    np.testing.assert_allclose(np.diagonal(second), along(GAMMA, x)[1], rtol=1e-4, atol=1e-4)


def test_eager():
    """Not jitted, the same draw."""
    d = dist.Gamma(0.5, 2.0)
    np.testing.assert_allclose(d.sample(KEY), jit(d.sample)(KEY), rtol=1e-6)


def test_vmap():
    """Over parameters and keys, over either alone: numbers of their own, slopes of their own."""
    f = jax.value_and_grad(lambda a, key: dist.Gamma(a, 2.0).sample(key))

    @jit
    def evaluate(a, keys):
        by_parameter = vmap(f, (0, None))(a, KEY)
        by_both = vmap(vmap(f, (None, 0)))(a, keys)
        known = lambda x, a: implicit_gradients(dist.Gamma(a, 2.0), x)["concentration"]  # noqa: E731
        x = jnp.concatenate([by_parameter[0][:, None], by_both[0]], 1)
        return x, jnp.concatenate([by_parameter[1][:, None], by_both[1]], 1), known(x, a[:, None])

    x, slopes, truth = evaluate(jnp.array([0.5, 2.0]), jax.random.split(KEY, 6).reshape(2, 3))
    assert len(np.unique(x)) == x.size == 8
    np.testing.assert_allclose(slopes, truth, rtol=2e-5)


@pytest.mark.parametrize("law", [law for law in LAWS if law.name in ("Gamma", "VonMises")], ids=str)
def test_vmap_over_keys(law):
    """A batched rejection loop goes on until its last member is done, and spoils none of the others."""
    theta = theta_of(law, "float32")
    keys = jax.random.split(KEY, 50)
    draw = jit(lambda key: getattr(dist, law.name)(*theta).sample(key))
    together = jit(vmap(lambda key: getattr(dist, law.name)(*theta).sample(key)))(keys)
    np.testing.assert_allclose(together, np.array([draw(key) for key in keys]), rtol=1e-5, atol=1e-6)


def test_scan():
    """A chain of draws, each with the last for its concentration: the slope is the product of the steps' slopes."""

    def chain(a, keys):
        def step(a, key):
            x = dist.Gamma(a, 1.0).sample(key)
            return x, (a, x)

        return lax.scan(step, a, keys)

    @jit
    def evaluate(a, keys):
        last, (concentrations, draws) = chain(a, keys)
        slopes = implicit_gradients(dist.Gamma(concentrations, 1.0), draws)["concentration"]
        reverse = grad(lambda a: chain(a, keys)[0])(a)
        return last, draws, jnp.prod(slopes), reverse, jacfwd(lambda a: chain(a, keys)[0])(a)

    with jax.enable_x64(True):
        last, draws, truth, reverse, forward = evaluate(jnp.float64(7.5), jax.random.split(KEY, 4))
    assert last == draws[-1] and len(np.unique(draws)) == 4
    np.testing.assert_allclose(reverse, truth, rtol=1e-10)
    np.testing.assert_allclose(forward, truth, rtol=1e-10)


def test_chain_rule():
    """d**2/da**2 of a draw whose concentration is a draw, by differences of SciPy's quantile function."""

    def chain(a):
        inner = dist.Gamma(a, 1.0).sample(KEY)
        return inner, dist.Gamma(inner, 1.0).sample(jax.random.key(5))

    with jax.enable_x64(True):
        a = jnp.float64(7.5)
        (inner, outer), second = jit(lambda a: (chain(a), hessian(lambda a: chain(a)[1])(a)))(a)
    steps = [
        along_quantile(GAMMA, numpy(z).reshape(1), {"concentration": float(c), "rate": 1.0}, "concentration")
        for z, c in ((inner, a), (outer, inner))
    ]
    (first, curve), (outer_first, outer_curve) = steps
    np.testing.assert_allclose(second, (outer_curve * first**2 + outer_first * curve).item(), rtol=1e-5)


def test_remat():
    f = lambda a: dist.Gamma(a, 2.0).sample(KEY)  # noqa: E731
    np.testing.assert_allclose(jit(grad(jax.checkpoint(f)))(0.5), jit(grad(f))(0.5), rtol=1e-6)
