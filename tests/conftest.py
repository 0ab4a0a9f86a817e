"""What must be set before XLA starts."""

from tests.quick_xla import compile_quickly, jaxlib

if jaxlib:
    compile_quickly()

import gc

import pytest

from tests.adapters import ADAPTERS

if jaxlib.startswith("0.7."):  # the lowest that pyproject claims: the tests' name for it came with 0.8
    import jax
    from jax.experimental import enable_x64

    jax.enable_x64 = enable_x64


def pytest_collection_finish(session):
    """A trace makes many thousand objects: looking for cycles among them and all that is imported is a quarter of its
    time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.name)
def adapter(request):
    """Each of the libraries that are installed, by the interface of `tests/adapters`."""
    return request.param
