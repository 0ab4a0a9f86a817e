"""`special`: values and derivatives to second order against mpmath, limits at the ends of the domains, arguments."""

import math

import numpy as np
import pytest

from tests import special
from tests.adapters import over

INF = math.inf


def called(adapter, name, args):
    return getattr(adapter.irg.special, name)(*(args[i] for i in range(args.shape[0])))


def orders(adapter, name, rows):
    """(values, gradients, Hessians) at each row, jitted, by composed transformations."""

    def f(args):
        return called(adapter, name, args)

    def all_three(args):
        return f(args), adapter.grad(f)(args), adapter.jacrev(adapter.grad(f))(args)

    found = adapter.jit(adapter.vmap(all_three))(adapter.array(rows))
    return tuple(adapter.numpy(x).reshape(len(rows), -1) for x in found)


def allowed(order, precision, true, rows):
    """Relative errors: 1e-13, then 1e-10; float32 1e-6, then 1e-5, or 1e-6 of the largest derivative of its order.

    (All in steps relative to the arguments; a derivative that passes 0 has its digits from those beside it.)
    """
    if precision == "float64":
        return (1e-13, 1e-10, 1e-10)[order] * np.abs(true)
    if order == 0:
        return 1e-6 * np.abs(true)
    scale = np.abs(rows)
    units = scale if order == 1 else (scale[:, :, None] * scale[:, None, :]).reshape(len(rows), -1)
    largest = np.max(np.abs(true) * units, axis=1, keepdims=True)
    return np.maximum(1e-5 * np.abs(true), 1e-6 * largest / units)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@over((*special.FUNCTIONS, *special.LOGARITHMS, *special.INVERSES), "name")
def test_against_mpmath(adapter, name, precision):
    rows, *table = special.truth(name)
    with adapter.precision(precision):
        found = orders(adapter, name, rows)
    limits = np.finfo(np.float32 if precision == "float32" else np.float64)
    for order, (ours, true) in enumerate(zip(found, table, strict=True)):
        error, bound = np.abs(ours - true), allowed(order, precision, true, rows)
        if precision == "float32" and not adapter.eager and order == 0 and not name.startswith(("log_", "bessel")):
            # an exponential of float32 arithmetic: its exponent is a number of float32
            bound = bound + 1.5 * limits.eps * np.abs(true * np.log(np.abs(true)))
        held = (np.abs(true) > 1e-3 * limits.max) | (np.abs(true) < limits.tiny * 1e3)  # of no use in this dtype
        wrong = np.argwhere(~(error <= bound) & ~held)
        shown = [(tuple(rows[i]), k, float(ours[i, k]), float(true[i, k])) for i, k in wrong]
        assert not shown, f"order {order}: {shown}"
