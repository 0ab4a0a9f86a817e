"""The arrays of traced kernels: each operation is the one of the plain array, and few of them are `jit`s."""

import math
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from numpyro_irg import xp
from numpyro_irg.layout import flat
from numpyro_irg.lean import Lean, bare, leant

X, Y = np.array([0.3, 1.5, 0.7], np.float32), np.array([0.3, 0.2, 2.0], np.float32)
OPERATORS = ("add", "sub", "mul", "truediv", "lt", "le", "gt", "ge", "eq", "ne", "pow")


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize(
    "other", [Y, 2.0, 2, Y[0], Y[None], Y.astype(np.float16)], ids=lambda y: f"{np.shape(y)}{y}"[:12]
)
def test_operators(name, other):
    function, x = getattr(operator, name), jnp.asarray(X)
    other = other if isinstance(other, float | int) else jnp.asarray(other)
    lean = other if isinstance(other, float | int) else Lean(other)
    pairs = [(function(Lean(x), lean), function(x, other))]
    if name != "pow":
        pairs.append((function(lean, Lean(x)), function(other, x)))
    for found, plain in pairs:
        assert type(found) is Lean and found.dtype == plain.dtype and found.shape == plain.shape
        np.testing.assert_array_equal(bare(found), plain)


def test_no_number_differs_from_itself():
    x = jnp.asarray([1.0, math.nan])
    np.testing.assert_array_equal(leant(lambda x: x != x, x), [False, True])
    with pytest.raises(ValueError, match="truth value"):
        bool(Lean(x) == Lean(x))


def test_truth_values():
    x, y = jnp.asarray(X), jnp.asarray(Y)
    low, high = Lean(x) < 1.0, Lean(y) < 1.0
    for found, plain in ((low & high, (x < 1.0) & (y < 1.0)), (low | ~high, (x < 1.0) | ~(y < 1.0))):
        np.testing.assert_array_equal(bare(found), plain)
    np.testing.assert_array_equal(bare(False & low), np.zeros(3, bool))
    np.testing.assert_array_equal(bare(False | low), x < 1.0)


@pytest.mark.parametrize("args", [(X, Y), (X, 1.0), (1.0, Y), (X, Y[None]), (X[0], Y)], ids=lambda args: str(args)[:20])
@pytest.mark.parametrize("name", ["where", "minimum", "maximum", "arctan2", "copysign"])
def test_functions_of_two(name, args):
    arrays = [a if isinstance(a, float) else jnp.asarray(a) for a in args]
    if isinstance(args[1], float) and name == "copysign":
        arrays[1] = -1.0
    lean = [a if isinstance(a, float) else Lean(a) for a in arrays]
    first = (jnp.asarray(X) < 1.0,) if name == "where" else ()
    found, plain = getattr(xp, name)(*map(Lean, first), *lean), getattr(jnp, name)(*first, *arrays)
    assert type(found) is Lean and found.dtype == plain.dtype and found.shape == plain.shape
    np.testing.assert_array_equal(bare(found), plain)


def test_a_trace_is_of_primitives():
    def kernel(x, y):
        return xp.where(x < y, xp.maximum(2.0 * x - y / 3.0, 1.0), 0.0) + xp.exp(-x) ** 2

    made = jax.make_jaxpr(lambda x, y: leant(kernel, x, y))(X, Y)
    assert {eqn.primitive.name for eqn in made.eqns}.isdisjoint({"jit", "pjit"})
    np.testing.assert_allclose(leant(kernel, *map(jnp.asarray, (X, Y))), kernel(jnp.asarray(X), jnp.asarray(Y)))


def test_integrals_and_loops():
    def kernel(x):
        (area,) = xp.integrate(lambda t: xp.exp(-t * x), (0.25, 0.75), (0.5, 0.5), like=x)
        root, _ = xp.converge(
            lambda state: (0.5 * (state[0] + x / state[0]), xp.abs(state[0] * state[0] - x)),
            (x, x),
            lambda state: state[1] < 1e-6,
            30,
        )
        return area, root

    area, root = leant(kernel, jnp.asarray(X))
    np.testing.assert_allclose(area, 0.5 * (np.exp(-0.25 * X) + np.exp(-0.75 * X)), rtol=1e-6)
    np.testing.assert_allclose(root, np.sqrt(X), rtol=1e-6)


def test_axes_before_those_of_the_arguments():
    x = jnp.arange(6.0).reshape(2, 3)
    found = flat(lambda x: jnp.stack([x, math.pi * x]), x)
    np.testing.assert_allclose(found, np.stack([x, math.pi * x]), rtol=1e-6)
