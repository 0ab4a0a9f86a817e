"""What holds for every distribution of vectors and matrices, whatever the library."""

import pickle

import numpy as np

from tests.checks import STANDARD_ERRORS, assert_unbiased

__all__ = ["STANDARD_ERRORS", "assert_unbiased", "assert_well_behaved", "shape"]


def shape(adapter, d, sample_shape=()):
    """Of a draw; in JAX nothing is computed."""
    return tuple(adapter.shapes(lambda key: adapter.draw(d, key, sample_shape), adapter.key(0)).shape)


def assert_well_behaved(adapter, d, density=True):
    """Shapes of draws and densities of a distribution of batch shape (2,), `expand`, `to_event`, and copies."""
    key, event = adapter.key(0), tuple(d.event_shape)
    wide = d.expand((4, 2))
    assert tuple(d.batch_shape) == (2,) and d.has_rsample and wide.has_rsample
    assert shape(adapter, wide, (3,)) == (3, 4, 2, *event)
    for fn, batch in ((wide, (4, 2)), (d.to_event(1), ())) if density else ():
        x = adapter.detached_draw(fn, key, (3,)) if adapter.eager else adapter.array(np.ones((3, *fn.shape())))
        assert tuple(adapter.shapes(fn.log_prob, x).shape) == (3, *batch)
    program, *others = (
        adapter.program(lambda e=e: {"x": adapter.draw(e, key)})
        for e in (d, adapter.rebuilt(d), pickle.loads(pickle.dumps(d)))
    )
    assert others == [program, program]
