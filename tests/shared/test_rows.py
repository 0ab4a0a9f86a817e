"""The classes whose whole mathematics is a record in closed form: draws, slopes, and the host's words about them.

What base class and record make of it (shapes, dtypes, cdf, icdf, wrappers) is tested with the families of `FAMILIES`;
`kernels/` hold every record to mpmath.
"""

import functools
import pickle

import numpy as np
import pytest

from tests.adapters import in_host, over
from tests.checks import assert_distributed, assert_unbiased, exact_gradient, standardised
from tests.row import FUNCTIONS
from tests.rows import ROWS

HERE = [row for row in ROWS if row.apart == "shared/test_rows.py"]
each = over(HERE, "row")
DRAWS = 20_000

# of a draw's slopes, which are taken at a rounded draw
ALLOWED = {"float32": 2e-5, "float64": 1e-10}


def make(adapter, row, params):
    return getattr(adapter.dist, row.name)(**params)


@functools.cache
def observed(adapter, row):
    """(parameters of every draw, key) -> a draw, the slopes of it and of the row's functions, its implicit gradients,
    its log-density; compiled once."""
    functions = {name: functools.partial(FUNCTIONS[name], adapter.xp) for name in ("x", *row.functions)}

    @adapter.jit
    def evaluate(params, key):
        x, slopes = adapter.chained(lambda params, key: adapter.draw(make(adapter, row, params), key), functions)(
            params, key
        )
        d = make(adapter, row, params)
        return x, slopes, adapter.irg.implicit_gradients(d, x), d.log_prob(x)

    return evaluate


def run(adapter, row, params, precision="float32"):
    with adapter.precision(precision):
        return observed(adapter, row)(adapter.arrays(params, (DRAWS,)), adapter.key(2))


def cdf(row, params, x):
    """Also at infinities, of no clamp."""
    found, finite = np.where(x > 0.0, 1.0, 0.0), np.isfinite(x)
    found[finite] = row.cdf(x[finite], **params)
    return found


@each
def test_draws(adapter, row):
    """Distributed as they should be, inside the support, with the implicit gradients; at the hard points too."""
    for precision in ("float32", "float64") if adapter.eager else ("float32",):
        for params in row.points + row.hard:
            x, slopes, gradients, log_prob = run(adapter, row, params, precision)
            x = adapter.numpy(x)
            assert np.isfinite(x).all() and np.isfinite(adapter.numpy(log_prob)).all(), params
            low, high = row.clamps(precision) or (-np.inf, np.inf)
            assert_distributed(x, functools.partial(cdf, row, params), (low, high), params)
            inside = (x > low) & (x < high)
            for name in params:
                truth, found = adapter.numpy(gradients[name]), adapter.numpy(slopes["x"][name])
                assert (np.isfinite(found) | (np.abs(x) > 1e32)).all(), (params, name)  # at most 1e6 |x|
                # where it passes through 0, of what it is elsewhere, as such or relative to the draw
                keep = inside & np.isfinite(truth) & ((x < 0.99) | (row.ends[1] != 1.0))  # 1 - x is rounded
                x_, truth, found = x[keep].astype(np.float64), truth[keep].astype(np.float64), found[keep]
                size = np.abs(truth) + np.abs(x_) * np.median(np.abs(truth / x_)) + np.median(np.abs(truth))
                assert (np.abs(found - truth) <= ALLOWED[precision] * size).all(), (params, name)


POINTS = {f"{row}-{i}": (row, params) for row in HERE for i, params in enumerate(row.points)}


@over(POINTS, "point")
def test_unbiased(adapter, point):
    row, params = point
    slopes = run(adapter, row, params)[1]
    for name, expectation in row.expectations.items():
        for parameter, truth in exact_gradient(expectation, params).items():
            assert_unbiased(adapter.numpy(slopes[name][parameter]), truth, 2e-5, (name, parameter))


@over([row for row in HERE if row.small], "row")
def test_unbiased_where_draws_leave_the_range(adapter, row):
    """Clamped draws have the relative slopes of the true ones."""
    name, expectation, params = row.small
    slopes = run(adapter, row, params)[1]
    for parameter, truth in exact_gradient(expectation, params).items():
        slope = adapter.numpy(slopes[name][parameter])
        assert np.isfinite(slope).all() and (standardised(slope, truth, 2e-5) < 4.0).all(), parameter


@over(HERE, "row", when=in_host)
def test_is_the_hosts(adapter, row):
    """Constraints, support and log_prob, and the twin of its instances."""
    stock, cls = getattr(adapter.host, row.name), getattr(adapter.dist, row.name)
    assert adapter.irg.implicit_twins()[stock] is cls
    ours, theirs = ({name: str(c) for name, c in d.arg_constraints.items()} for d in (cls, stock))
    assert {name for name, c in theirs.items() if ours[name] != c} <= set(row.stricter)
    with adapter.precision("float64"):
        theirs = stock(**adapter.arrays(row.points[0]))
        ours = adapter.irg.implicit_twin(theirs)
        assert type(ours) is cls
        x = ours.icdf(adapter.array([0.1, 0.4, 0.9]))
        np.testing.assert_allclose(
            adapter.numpy(ours.log_prob(x)), adapter.numpy(theirs.log_prob(x)), rtol=1e-9, atol=1e-9
        )


@each
def test_shapes_and_copies(adapter, row):
    d = make(adapter, row, adapter.arrays(row.points[0], (2, 1)))
    assert d.has_rsample and d.batch_shape == (2, 1) and set(d.arg_constraints) == set(row.points[0])
    made = pickle.loads(pickle.dumps(d))
    for other in (d.expand((2, 3)), d.to_event(1), made):
        x = adapter.shapes(lambda key, d=other: adapter.draw(d, key, (4,)), adapter.key(0))
        assert x.shape == (4, *other.batch_shape, *other.event_shape)
        assert adapter.shapes(other.log_prob, x).shape == (4, *other.batch_shape)
    name = next(iter(row.points[0]))
    with pytest.raises(ValueError, match=name):
        make(adapter, row, {**row.points[0], name: float("nan")})
