"""`attach`: derivatives of a draw along its quantile, to third order and under every transformation."""

import numpy as np
import pytest

from irg_kernels.families import beta, gamma
from tests.adapters import over
from tests.paths import PATHS

# A kernel's derivatives take JAX a second to compile at the second order, several at the third: there a few paths are
# enough to test what JAX makes of them.
FEW = [PATHS[0], PATHS[3], PATHS[8]]
ALL_FEW_ONE = {"all": lambda path: True, "few": lambda path: path in FEW, "one": lambda path: path is PATHS[0]}


@pytest.fixture(autouse=True)
def strict_float64(adapter):
    with adapter.precision("float64"), adapter.strict():
        yield


def attach(adapter, kernels, x, *params):
    return adapter.irg.attach.attach(kernels, x, *params)


def evaluate(adapter, kernel, *args):
    return adapter.numpy(adapter.jit(lambda *args: adapter.irg.attach.evaluate(kernel, *args))(*args))


def draw_of(adapter, path):
    """The draw as a function of the vector of its parameters."""
    draw = adapter.array(path.draw)
    return lambda params: attach(adapter, path.kernels, draw, *(params[i] for i in range(len(path.params))))


def check(adapter, path, found, order):
    """Against the derivatives along the quantile, to 1e-11 of the largest; the partials are good to 1e-12.

    For Gamma, whose torch.digamma differentiates to a torch.polygamma that is wrong by 5e-10 in float64
    (pytorch/pytorch#4399), in Pyro to 1e-8 from the second order on.
    """
    truth, found = path.derivative(order), adapter.numpy(found)
    assert found.shape == truth.shape
    allowed = 1e-8 if adapter.name == "pyro" and path.kernels == (gamma.dz_da,) and order > 1 else 1e-11
    np.testing.assert_allclose(found, truth, rtol=0, atol=allowed * np.max(np.abs(truth)))


def test_value(adapter):
    """The draw, unchanged; its own history is cut."""
    z, a = adapter.array([0.5, 2.0]), adapter.array([1.0, 3.0])
    np.testing.assert_array_equal(adapter.numpy(attach(adapter, (gamma.dz_da,), z, a)), adapter.numpy(z))

    def draw(both):
        return attach(adapter, (gamma.dz_da,), 2.0 * both["z"], both["a"])

    slopes = adapter.jit(adapter.slopes(draw))({"z": z, "a": a})
    np.testing.assert_array_equal(adapter.numpy(slopes["z"]), 0.0)
    np.testing.assert_allclose(adapter.numpy(slopes["a"]), evaluate(adapter, gamma.dz_da, 2.0 * z, a), rtol=1e-13)


# transformation -> order of the derivative, what it makes of a function, how many paths JAX is tested with
TRANSFORMATIONS = {
    "backward": (1, lambda a, f: a.slopes(f), "one"),
    "grad": (1, lambda a, f: a.grad(f), "few"),
    "jacfwd": (1, lambda a, f: a.jacfwd(f), "one"),
    "grad_of_grad": (2, lambda a, f: a.jacrev(a.grad(f)), "one"),
    "jvp_of_grad": (2, lambda a, f: a.jacfwd(a.jacrev(f)), "one"),
    "hessian": (2, lambda a, f: a.hessian(f), "few"),
    "grad_of_jvp": (2, lambda a, f: a.jacrev(a.jacfwd(f)), "one"),
    "third": (3, lambda a, f: a.jacrev(a.jacrev(a.jacrev(f))), "none"),
    "jvp_of_grad_of_grad": (3, lambda a, f: a.jacfwd(a.jacrev(a.jacrev(f))), "none"),
    "jvp_of_jvp_of_grad": (3, lambda a, f: a.jacfwd(a.jacfwd(a.jacrev(f))), "one"),
    "jvp_of_jvp": (2, lambda a, f: a.jacfwd(a.jacfwd(f)), "one"),
}
NESTED = ("jvp_of_jvp_of_grad", "jvp_of_jvp")  # torch has none: pyro/test_attach.py
CASES = {f"{name}-{path}": (path, *rest, name) for name, rest in TRANSFORMATIONS.items() for path in PATHS}


@over(CASES, "case", when=lambda adapter, case: case[4] not in NESTED if adapter.eager
      else ALL_FEW_ONE.get(case[3], lambda path: False)(case[0]))  # fmt: skip
def test_transformation(adapter, case):
    path, order, transform, *_ = case
    # under jit as anywhere in use, and because JAX would compile every operation by itself
    derivative = adapter.jit(transform(adapter, draw_of(adapter, path)))
    check(adapter, path, derivative(adapter.array(path.params)), order)


def test_eager(adapter):
    path = PATHS[0]
    check(adapter, path, adapter.grad(draw_of(adapter, path))(adapter.array(path.params)), 1)


@over({str(path): path for path in PATHS}, "path", when=lambda adapter, path: adapter.eager or path in FEW)
def test_jvp(adapter, path):
    tangent = np.array([1.0, -0.5])[: len(path.params)]
    f = draw_of(adapter, path)
    both = adapter.jit(lambda p, t: adapter.jvp(f, (p,), (t,)))
    value, slope = map(adapter.numpy, both(adapter.array(path.params), adapter.array(tangent)))
    assert value == path.draw
    np.testing.assert_allclose(slope, path.derivative(1) @ tangent, rtol=1e-11)


def test_chain_rule(adapter):
    """d**2/da**2 of sin(z(2 a)) needs the draw's first and second derivative."""
    path = PATHS[1]
    (first,), ((second,),) = path.derivative(1), path.derivative(2)
    f = draw_of(adapter, path)
    hessian = adapter.jit(adapter.hessian(lambda a: adapter.xp.sin(f(2.0 * a))))
    found = adapter.numpy(hessian(adapter.array([0.5 * path.params[0]])))
    expected = 4.0 * (np.cos(path.draw) * second - np.sin(path.draw) * first**2)
    np.testing.assert_allclose(found.item(), expected, rtol=1e-8 if adapter.name == "pyro" else 1e-11)


AXES = {"both": (0, 0), "parameters": (None, 0), "draws": (0, None)}
VMAPPED = {f"{name}-{order}": (axes, order) for name, axes in AXES.items() for order in (1, 2, 3)}


@over(VMAPPED, "case", when=lambda a, case: a.eager or case[1] == 1 or case == ((None, 0), 2))
def test_vmap(adapter, case):
    """Over draws and parameters, over the parameters of one draw, over draws of the same parameters."""
    axes, order = case
    z, a = adapter.array([0.01, 0.5, 4.0, 30.0]), adapter.array([0.3, 1.0, 4.0, 20.0])
    taken = [v if axis == 0 else v[1] for v, axis in zip((z, a), axes, strict=True)]

    def derivative(z, a):
        f = lambda a: attach(adapter, (gamma.dz_da,), z, a)  # noqa: E731
        for _ in range(order):
            f = adapter.grad(f)
        return f(a)

    found = adapter.numpy(adapter.jit(adapter.vmap(derivative, axes))(*taken))
    one = adapter.jit(derivative)
    alone = [adapter.numpy(one(*(v[i] if axis == 0 else v for v, axis in zip(taken, axes)))) for i in range(4)]
    # vectorised instructions round differently
    np.testing.assert_allclose(found, alone, rtol=1e-11)


def test_only_the_wanted_partials_are_evaluated(adapter):
    def unwanted(xp, x, a, b):
        raise AssertionError("nobody asked for d/db")

    x, a, b = map(adapter.array, ([-3.0, 2.0], [0.3, 4.0], [2.0, 0.7]))
    slope = adapter.jit(adapter.slopes(lambda a: attach(adapter, (beta.dlogit_da, unwanted), x, a, b)))(a)
    np.testing.assert_allclose(adapter.numpy(slope), evaluate(adapter, beta.dlogit_da, x, a, b), rtol=1e-13)


def test_parameter_without_derivative(adapter):
    """Its place in `partials` is None: no gradient, and no tangent."""
    z, a = adapter.array([0.5, 2.0]), adapter.array([1.0, 3.0])
    f = lambda a: attach(adapter, (None,), z, a)  # noqa: E731
    np.testing.assert_array_equal(adapter.numpy(adapter.jit(adapter.slopes(f))(a)), 0.0)
    np.testing.assert_array_equal(adapter.numpy(adapter.jvp(f, (a,), (adapter.xp.ones_like(z),))[1]), 0.0)


def test_without_a_gradient(adapter):
    def unwanted(xp, z, a):
        raise AssertionError("nobody asked for a derivative")

    z = adapter.array([0.5, 2.0])
    found = adapter.jit(lambda a: attach(adapter, (unwanted,), z, a))(adapter.array([1.0, 3.0]))
    np.testing.assert_array_equal(adapter.numpy(found), adapter.numpy(z))


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_low_precision(adapter, name):
    """More arithmetic than any lesser precision has: the answer is off by one rounding, and 2e-6 for the arithmetic."""
    dtype = getattr(adapter.xp, name)
    z, a = (adapter.cast(adapter.array(v), dtype) for v in ([0.25, 1.5, 30.0], [0.5, 2.0, 25.0]))
    slope = adapter.jit(adapter.slopes(lambda a: attach(adapter, (gamma.dz_da,), z, a)))(a)
    assert slope.dtype == dtype
    truth = evaluate(adapter, gamma.dz_da, *(adapter.array(adapter.numpy(v)) for v in (z, a)))
    np.testing.assert_allclose(adapter.numpy(slope), truth, rtol=float(adapter.xp.finfo(dtype).eps) + 2e-6)


def test_empty(adapter):
    none = adapter.array(np.zeros(0))
    slope = adapter.jit(adapter.slopes(lambda a: attach(adapter, (gamma.dz_da,), none, a)))(none)
    assert slope.shape == (0,)
