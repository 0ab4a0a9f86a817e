"""Draws under the libraries' transformations: the derivative is that of the quantile.

Most under jit in NumPyro, as anywhere in use: JAX would compile every operation by itself.  There, what holds for the
machinery alone is shown with one family or two.
"""

import numpy as np

from tests.adapters import over
from tests.checks import along_quantile
from tests.families import BY_NAME, UNIVARIATE

GAMMA = BY_NAME["Gamma"]


def draw_of(adapter, family, seed=4):
    """The draw as a function of the vector of its parameters."""
    names, key = list(family.points[1]), adapter.key(seed)

    def draw(theta):
        params = {name: theta[i] for i, name in enumerate(names)}
        # under torch.func the host's own validation looks at values, which is forbidden there
        return adapter.draw(getattr(adapter.dist, family.name)(**params, validate_args=False), key)

    return draw


def theta_of(adapter, family):
    return adapter.array(list(family.points[1].values()))


def along(family, x):
    """d x / d parameter and d**2 x / d parameter**2 from SciPy's quantile function, good to 1e-10 and 1e-7."""
    params = family.points[1]
    slopes = [along_quantile(family, x.reshape(1), params, name) for name in params]
    return np.array(slopes).reshape(len(params), 2).T


@over(UNIVARIATE, when=lambda adapter, family: adapter.eager or family is GAMMA)
def test_first_derivatives(adapter, family):
    """The tape, grad, jacfwd and jvp agree."""
    f = draw_of(adapter, family)

    @adapter.jit
    def evaluate(theta, tangent):
        taped = adapter.value_and_slopes(f)(theta)
        return *taped, adapter.grad(f)(theta), adapter.jacfwd(f)(theta), *adapter.jvp(f, (theta,), (tangent,))

    with adapter.precision("float64"):
        tangent = np.arange(1.0, 1.0 + len(family.points[1])) * [1.0, -2.0, 0.5][: len(family.points[1])]
        found = evaluate(theta_of(adapter, family), adapter.array(tangent))
    x, taped, reverse, forward, value, slope = map(adapter.numpy, found)
    np.testing.assert_allclose(reverse, along(family, x)[0], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(taped, reverse, rtol=1e-12)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12)
    np.testing.assert_allclose(slope, forward @ tangent, rtol=1e-12)
    np.testing.assert_allclose(value, x, rtol=1e-15)  # torch rounds a dual number otherwise on some processors


TWICE = {
    "hessian": lambda a, f: a.jacfwd(a.jacrev(f)),
    "grad_of_grad": lambda a, f: a.jacrev(a.grad(f)),
    "grad_of_jvp": lambda a, f: a.jacrev(a.jacfwd(f)),
    "jvp_of_jvp": lambda a, f: a.jacfwd(a.jacfwd(f)),
}
CASES = {f"{family}-{name}": (family, name) for family in UNIVARIATE for name in TWICE}


def needed(adapter, case):
    """In torch nested forward mode raises (pyro/test_transformations.py)."""
    family, name = case
    if adapter.eager:
        return name != "jvp_of_jvp"
    return family is GAMMA or (bool(family.case) and name == "hessian")


@over(CASES, "case", when=needed)
def test_second_derivatives(adapter, case):
    """With the draw and its gradient on the way; mixed derivatives agree."""
    family, name = case
    f = draw_of(adapter, family)

    @adapter.jit
    def evaluate(theta):
        return f(theta), TWICE[name](adapter, f)(theta)

    with adapter.precision("float64"):
        x, second = map(adapter.numpy, evaluate(theta_of(adapter, family)))
    # torch.polygamma limits Pyro's Gamma (pytorch/pytorch#4399)
    np.testing.assert_allclose(second, second.T, rtol=1e-7 if adapter.eager else 1e-9, atol=1e-10)
    np.testing.assert_allclose(np.diagonal(second), along(family, x)[1], rtol=1e-6, atol=1e-7)


def test_hessian_in_float32(adapter):
    """To the accuracy of second derivatives in float32 (`tests/cases.py`) and of a rounded draw."""
    f = draw_of(adapter, GAMMA)
    x, second = adapter.jit(lambda theta: (f(theta), adapter.hessian(f)(theta)))(theta_of(adapter, GAMMA))
    assert adapter.dtype_of(second) == "float32"
    truth = along(GAMMA, adapter.numpy(x))[1]
    np.testing.assert_allclose(np.diagonal(adapter.numpy(second)), truth, rtol=1e-4, atol=1e-4)


def test_chain_rule(adapter):
    """d**2/da**2 of a draw whose concentration is a draw, by differences of SciPy's quantile function."""

    def chain(a):
        inner = adapter.draw(adapter.dist.Gamma(a, 1.0, validate_args=False), adapter.key(4))
        return inner, adapter.draw(adapter.dist.Gamma(inner, 1.0, validate_args=False), adapter.key(5))

    def last(a):
        return chain(a)[1]

    @adapter.jit
    def evaluate(a):
        return *chain(a), adapter.grad(last)(a), adapter.hessian(last)(a)

    with adapter.precision("float64"):
        inner, outer, slope, second = map(adapter.numpy, evaluate(adapter.array(7.5)))
    (first, curve), (outer_first, outer_curve) = (
        along_quantile(GAMMA, z.reshape(1), {"concentration": float(c), "rate": 1.0}, "concentration")
        for z, c in ((inner, 7.5), (outer, inner))
    )
    np.testing.assert_allclose(slope, (outer_first * first).item(), rtol=1e-8)
    np.testing.assert_allclose(second, (outer_curve * first**2 + outer_first * curve).item(), rtol=1e-5)
