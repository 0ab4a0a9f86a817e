"""What holds for every distribution of vectors and matrices, whatever the library."""

import pickle

from tests.checks import STANDARD_ERRORS, assert_unbiased

__all__ = ["STANDARD_ERRORS", "assert_unbiased", "assert_well_behaved", "shape"]


def shape(adapter, d, sample_shape=()):
    """Of a draw; in JAX nothing is computed."""
    return tuple(adapter.shapes(lambda key: adapter.draw(d, key, sample_shape), adapter.key(0)).shape)


def assert_well_behaved(adapter, d, density=True):
    """Shapes of draws and densities of a distribution of batch shape (2,), `expand`, `to_event`, and copies."""
    key, event = adapter.key(0), tuple(d.event_shape)
    assert tuple(d.batch_shape) == (2,) and d.has_rsample and shape(adapter, d, (3,)) == (3, 2, *event)
    wide = d.expand((4, 2))
    assert wide.has_rsample and shape(adapter, wide, (3,)) == (3, 4, 2, *event)
    for fn, batch in ((d, (2,)), (wide, (4, 2)), (d.to_event(1), ())) if density else ():
        found = adapter.shapes(lambda key, fn=fn: fn.log_prob(adapter.draw(fn, key, (3,))), key)
        assert tuple(found.shape) == (3, *batch)
    for again in (adapter.rebuilt(d), pickle.loads(pickle.dumps(d))):
        assert type(again) is type(d)
        programs = [adapter.program(lambda e=e: {"x": adapter.draw(e, key)}) for e in (again, d)]
        assert programs[0] == programs[1]
