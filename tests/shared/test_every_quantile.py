"""`from_uniform` of every family of the table: its derivatives are those of differences of draws at the same u."""

import numpy as np
import pytest

from tests import families
from tests.adapters import over

REFUSED = {"MatrixNormal", "SineBivariateVonMises", "Stable", "StableWithLogProb"}
GIVEN = {row: (*row.points, *(row.tails or ()))[0] for row in families.ROWS if row.points or row.tails}


def has(adapter, row):
    return hasattr(adapter.dist, row.name)


def at_quantile(adapter, row):
    """The parameters -> a weighted sum of the draw's coordinates at u = 0.3."""
    make = getattr(adapter.dist, row.name)

    def draw(params):
        d = make(**params, validate_args=False)
        shape = (*d.batch_shape, *d.event_shape)
        x = adapter.irg.from_uniform(d, adapter.array(np.full(shape, 0.3)))
        return (x * adapter.array(np.arange(1.0, np.prod(shape) + 1.0).reshape(shape))).sum()

    return draw


@over(list(GIVEN), "row", when=lambda a, row: has(a, row) and row.name in REFUSED)
def test_refused(adapter, row):
    with pytest.raises(NotImplementedError, match="no univariate quantile of each coordinate"):
        at_quantile(adapter, row)(adapter.arrays(GIVEN[row]))


@over(list(GIVEN), "row", when=lambda a, row: has(a, row) and row.name not in REFUSED)
def test_from_uniform(adapter, row):
    """In the first coordinate of each parameter."""
    with adapter.precision("float64"):
        params = {k: np.asarray(v, np.float64) for k, v in GIVEN[row].items()}
        both = adapter.jit(adapter.value_and_slopes(at_quantile(adapter, row)))
        slopes = both(adapter.arrays(params))[1]
        for name, value in params.items():
            step = 1e-5 * (np.abs(value).max() or 1.0)
            one = np.zeros(value.shape)
            one[(0,) * value.ndim] = 1.0
            high, low = (
                float(both(adapter.arrays({**params, name: value + sign * step * one}))[0]) for sign in (1.0, -1.0)
            )
            found = float((adapter.numpy(slopes[name]) * one).sum())
            assert found == pytest.approx((high - low) / (2.0 * step), rel=1e-5, abs=1e-8), name
